import Foundation
import Marketplace
import Registry

/// What makes some worlds peculiar: bounds reached to the byte, and what nobody expects.
extension World {
  /// One byte less than this is fetched again by whoever goes on with an export.
  static let largeBytes = 1_048_576

  /// One byte more is compared with the file of an earlier export that has its size before it is sent.
  static let comparedBytes = 5 * 1_048_576

  /// So many such files a world has room for.
  private static let hugeFilesMax = 16

  /// The most bytes of an `MLmodel` that is read.
  static let mlmodelBytes = 1_048_576

  /// A slash and more than 256 characters cannot be in a registered model's name; NUL and more than 2,000 bytes are no
  /// name at all.
  static let strangeNames = [
    "a/b", String(repeating: "long", count: 100), String(repeating: "x", count: 2_000),
    String(repeating: "x", count: 2_001), "nul\0", String(repeating: "y", count: 252),
    String(repeating: "y", count: 251), "colon:", "tab\u{9}", "rubout\u{7f}",
  ]

  /// A text about as long as a description may be.
  func edgeText() -> String {
    switch aside.below(7) {
    case 0: String(repeating: "d", count: 20_000)
    case 1: String(repeating: "d", count: 20_001)
    case 2: String(repeating: "ä", count: 10_001)
    case 3: "nul \0 and \(clock)"
    case 4: "unacceptable \(clock)"
    case 5: ""
    default: "at \(clock)"
    }
  }

  /// Tags that are ours or the server's, owners, and in rich worlds as many and as long ones as are kept, and more.
  func moreTags() -> [Tag] {
    var tags: [Tag] = []
    if aside.once(in: 8) { tags.append(Tag("owner", "grace")) }
    if aside.once(in: 8) { tags.append(Tag("marketplace.of", "somebody's own")) }
    if aside.once(in: 8) { tags.append(Tag("mlflow.modelVersions", "1")) }
    guard plan.kind == .rich, aside.once(in: 2) else { return tags }
    switch aside.below(6) {
    case 0: return tags + (0..<100 - tags.count).map { Tag("k\($0)", "v") }
    case 1: return (0..<101).map { Tag("k\($0)", "v") }
    case 2: return [Tag(String(repeating: "k", count: 1_001), "v"), Tag(String(repeating: "k", count: 1_002), "w")]
    case 3: return tags + [Tag("k", String(repeating: "v", count: 1_000 + aside.below(2)))]
    case 4: return tags + [Tag("nul", "\0")]
    // Keys of 6 bytes of JSON, values of 1,392 with 100 characters that take six: 140,000 in all, or some more.
    default:
      let value = String(repeating: "\u{1}", count: 100) + String(repeating: "v", count: 790)
      let more = aside.below(2)
      return (0..<100).map {
        Tag(String(format: "k%03d", $0), value + ($0 == 98 ? String(repeating: "w", count: more) : ""))
      }
    }
  }

  /// What `MLmodel` says.
  func makeMLmodel() -> (flavors: [String], signature: [String: String]) {
    guard plan.kind == .rich, aside.once(in: 3) else {
      return (["sklearn"], aside.once(in: 2) ? ["inputs": "[]"] : [:])
    }
    switch aside.below(7) {
    // 100 flavours of 500 bytes of JSON each, a comma included: 50,000.
    case 0: return ((0..<100).map { String(format: "f%03d", $0) + String(repeating: "f", count: 493) }, [:])
    case 1:
      return ((0..<100).map { String(format: "f%03d", $0) + String(repeating: "f", count: $0 == 50 ? 494 : 493) }, [:])
    case 2: return ((0..<101).map { "f\($0)" }, [:])
    case 3: return (["sklearn", String(repeating: "f", count: 1_001)], [:])
    case 4:
      return (
        ["sklearn"],
        ["inputs": String(repeating: "i", count: 100_000), "outputs": String(repeating: "o", count: 100_001)]
      )
    // Three parts of quotes, which take two bytes each: 400,000 in all, or two more.
    case 5:
      let quotes = String(repeating: "\"", count: 66_666)
      return (
        ["sklearn"],
        ["inputs": quotes, "outputs": quotes, "params": String(repeating: "\"", count: 66_665 + aside.below(2))]
      )
    default: return (["sklearn", "python_function"], ["inputs": "[1]", "outputs": "[2]", "params": "[3]"])
    }
  }

  /// Parameters, datasets and metrics of a run beyond the usual.
  func log(more id: String, in registry: RegistryState) {
    guard var run = registry.runs[id] else { return }
    if aside.once(in: 3) {
      run.datasetInputs = [DatasetInput(name: "rows", digest: "d\(id.suffix(3))", sourceType: "local", source: "/data")]
    }
    var more: [Metric] = []
    if plan.kind == .rich {
      switch aside.below(6) {
      case 0: run.params += (0..<100).map { Param("p\($0)", "\($0)") }
      case 1: run.params.append(Param("text", String(repeating: "p", count: 1_001)))
      // With `auc`, which every run has, a hundred: 37 bytes of JSON with its number, 98 times 1,400, and 2,763 or one more
      // for the last are 140,000 or one more.
      case 2, 5:
        let name = String(repeating: "\u{1}", count: 80) + String(repeating: "m", count: 882)
        more = (0..<98).map { Metric(key: String(format: "n%03d", $0) + name, value: 1, timestamp: clock) }
        let last = String(repeating: "\u{1}", count: 400) + String(repeating: "m", count: 328 + yard.below(2))
        more.append(Metric(key: "z" + last, value: 1, timestamp: clock))
      case 3: more = (0..<100).map { Metric(key: "n\($0)", value: Double($0), timestamp: clock) }
      case 4: run.name = String(repeating: "r", count: 1_001)
      default: break
      }
    }
    if plan.kind == .long, aside.once(in: 3) {
      let steps = 20_500
      registry.histories[id, default: []] += (0..<steps).map {
        Metric(key: "loss", value: Double($0), timestamp: clock, step: Int64($0))
      }
      more.append(Metric(key: "loss", value: Double(steps - 1), timestamp: clock, step: Int64(steps - 1)))
    } else {
      registry.histories[id, default: []] += more
    }
    run.metrics += more
    registry.runs[id] = run
  }

  /// A file as large as one before, which may have its very bytes, or differ from the first on, or in the last.
  func makeHugeFile() -> [UInt8]? {
    guard hugeFiles < Self.hugeFilesMax else { return nil }
    hugeFiles += 1
    var bytes = [UInt8](repeating: yard.once(in: 3) ? 1 : 2, count: Self.comparedBytes + yard.below(2))
    bytes[bytes.count - 1] = yard.once(in: 3) ? 1 : 2
    return bytes
  }

  /// What was measured of a logged model in its run and in another; MLflow gives NaN back as 0.
  func measure(_ id: String, _ run: Run?, in registry: RegistryState) {
    guard var model = registry.loggedModels[id] else { return }
    if aside.once(in: 3) { model.tags = [Tag("colour", "blue")] + moreTags() }
    if aside.once(in: 3) { model.params = (0..<(aside.once(in: 4) ? 130 : 3)).map { Param("q\($0)", "\($0)") } }
    if let run, aside.once(in: 2) {
      let odd = "odd\(id.suffix(4))"
      oddities.insert(odd)
      registry.histories[run.id, default: []].append(Metric(key: odd, value: .nan, timestamp: clock, step: 7))
      registry.runs[run.id]?.metrics.append(Metric(key: odd, value: .nan, timestamp: clock, step: 7))
      model.metrics = [
        ModelMetric(Metric(key: "auc", value: 0.25, timestamp: clock, step: 1), runID: run.id),
        ModelMetric(Metric(key: odd, value: 0, timestamp: clock, step: 7), runID: run.id),
        ModelMetric(Metric(key: "zero", value: 0, timestamp: clock, step: 7), runID: run.id),
        ModelMetric(Metric(key: "auc", value: 0.75, timestamp: clock, step: 2), runID: "another"),
      ]
    }
    registry.loggedModels[id] = model
  }

  /// A file is written over where it lies: an export holds all of it from before or all from after.
  func overwrite(_ version: ModelVersion?, in registry: RegistryState) {
    guard let version, version.source.hasPrefix("models:/m-"), registry.originals[version.source] != nil else { return }
    let id = String(version.source.dropFirst("models:/".count))
    guard registry.artifacts[id]?["model.pkl"] != nil else { return }
    note("\(registry.id) \(version.name) v\(version.version): model.pkl written over")
    registry.artifacts[id]?["model.pkl"] = Array(aside.hex(40).utf8)
    if aside.once(in: 2), let uuid = registry.artifacts[id]?["MLmodel"] {
      let longer = uuid + Array("again\(clock): \(aside.hex(4))\n".utf8)
      // One that is too long to be read would say nothing any more.
      if longer.count <= Self.mlmodelBytes { registry.artifacts[id]?["MLmodel"] = longer }
    }
    registry.originals[version.source]?.append(registry.artifacts[id] ?? [:])
  }

  /// What was lost, or never uploaded, is there again.
  func bringBack(in registry: RegistryState) {
    for id in registry.artifacts.keys.sorted() where id.hasPrefix("m-") {
      guard let original = registry.originals["models:/\(id)"]?.last, registry.artifacts[id]?["MLmodel"] == nil else {
        continue
      }
      note("\(registry.id) \(id): files brought back")
      var files = original
      if files["MLmodel"] == nil {
        files["MLmodel"] = Array("flavors:\n  sklearn: {}\n".utf8)
        registry.mlmodels["models:/\(id)"] = (["sklearn"], [:])
        registry.originals["models:/\(id)"]?.append(files)
      }
      registry.artifacts[id] = files
    }
  }

  /// A name passes on from night to night: its model is deleted and created again without being promoted, that one gets
  /// another name while a third takes the first one and is promoted, and at last the second is promoted as well.
  func passOn() {
    guard let (site, name, step) = succession else {
      let site = attic.below(sources.count)
      guard attic.once(in: 4), let name = attic.pick(sources[site].registry.models.keys.sorted()) else { return }
      return succession = (site, name.text, 0)
    }
    let registry = sources[site].registry
    let other = "once \(name)"
    tick()
    note("\(registry.id) \(name) passes on, step \(step)")
    succession = step < 2 ? (site, name, step + 1) : nil
    switch step {
    case 0:
      registry.deleteModel(name)
      tick()
      _ = registry.createModel(name, at: clock)
      addVersion(to: name, in: registry, isPromoted: false)
    case 1:
      registry.rename(name, to: other, at: clock)
      tick()
      _ = registry.createModel(name, at: clock)
      addVersion(to: name, in: registry, isPromoted: true)
    default:
      guard let newest = registry.models[ByteName(other)]?.all.last else { return }
      promote(newest.version, of: other, in: registry)
    }
  }

  /// A registry that was restored from a backup gives a number again.
  func forgetNewest(of name: ByteName, in registry: RegistryState) {
    guard let newest = registry.models[name]?.all.last else { return }
    note("\(registry.id) \(name.text): v\(newest.version) forgotten by a restore")
    registry.deleteVersion(name.text, newest.version, at: clock)
    registry.change(name.text) { $0.numberNext = newest.version }
  }

  /// A server's first experiment keeps its name; a workspace's own may get another.
  func renameExperiment(in registry: RegistryState) {
    guard registry.experiments["0"]?.name.hasPrefix("Home") == true else { return }
    registry.experiments["0"]?.name = "Home \(aside.below(3))"
  }

  /// A team takes most of its models out of promotion at once.
  func tidyUp(_ index: Int) {
    let registry = sources[index].registry
    note("\(registry.id) is tidied up")
    for name in registry.models.keys.sorted() where !aside.once(in: 4) {
      tick()
      if aside.once(in: 8) {
        registry.deleteModel(name.text)
        continue
      }
      for version in registry.models[name]?.all ?? [] where version.stage != "Archived" {
        _ = registry.transition(name.text, version.version, to: "Archived", archives: false, at: clock)
      }
      registry.change(name.text) { $0.aliases = [:] }
    }
  }

  /// A team deletes all its models, one by one. What is left must show that its registry is seen, and what was seen of it
  /// may be long gone: where there is the experiment that servers are born with, runs and logged models may go as well.
  func leave(_ index: Int) {
    let registry = sources[index].registry
    let hasExperiment = registry.experiments["0"]?.name == "Default"
    guard hasExperiment || !registry.hasVersionsOfNothing else { return }
    note("\(registry.id) is left")
    for name in registry.models.keys.sorted() {
      tick()
      registry.deleteModel(name.text)
    }
    guard hasExperiment, attic.once(in: 2) else { return }
    registry.runs = [:]
    registry.loggedModels = [:]
  }
}
