import Foundation
import Ledger
import Marketplace
import Registry

/// What a snapshot in the log should say of what a source says, by rules written down once more.
struct DescriptionChecker {
  private static let entriesMost = 100
  private static let entryBytesMost = 1_000
  private static let mapBytesMost = 140_000

  private var cut: Set<String> = []

  /// Compares the snapshot of a model.
  static func check(_ fact: Fact, _ model: ModelRecord) {
    var checker = DescriptionChecker()
    let expected = checker.basics(model.description, model.tags, owner: nil)
    checker.compare(fact, expected)
  }

  /// What the log should hold of a model's description and tags.
  static func expected(of model: ModelRecord) -> (description: String, tags: [String: String]) {
    var checker = DescriptionChecker()
    let all = checker.basics(model.description, model.tags, owner: nil)
    return (all["description"] as? String ?? "", all["tags"] as? [String: String] ?? [:])
  }

  /// Compares the snapshot of a version with its registry.
  static func check(_ fact: Fact, _ version: ModelVersion, in registry: RegistryState) {
    var checker = DescriptionChecker()
    let located = RegistryState.runLocation(version.source)
    var run = version.runID.flatMap { registry.runs[$0] }
    if run == nil, case .run(let id, _, _)? = located { run = registry.runs[id] }
    var expected = checker.basics(version.description, version.tags, owner: version.userID ?? run?.userID)
    if let run {
      expected["run_name"] = checker.text(run.name, Self.entryBytesMost, "run_name")
      expected["params"] = checker.entries(run.params.map { ($0.key, $0.value) }, "params")
      expected["metrics"] = checker.metrics(run.metrics)
    }
    let experiment = run?.experimentID ?? version.source.loggedModel.flatMap { registry.loggedModels[$0]?.experimentID }
    expected["experiment"] = checker.text(
      experiment.flatMap { registry.experiments[$0]?.name }, Self.entryBytesMost, "experiment")
    if let model = registry.mlmodels[version.source] {
      expected["flavors"] = checker.flavors(model.flavors)
      if !model.signature.isEmpty { expected["signature"] = checker.signature(model.signature) }
    }
    checker.compare(fact, expected)
  }

  private func compare(_ fact: Fact, _ expected: [String: Any]) {
    var expected = expected
    if !cut.isEmpty { expected["cut"] = cut.sorted() }
    var told = fact.object
    for key in ["model", "name", "version"] { told[key] = nil }
    let (a, b) = (Self.text(told), Self.text(expected))
    if a != b { fact.violates("J8", "it is described otherwise: \(a.prefix(300)) … \(b.prefix(300))") }
  }

  private static func text(_ object: [String: Any]) -> String {
    var object = object
    // One number has several spellings.
    if let metrics = object["metrics"] as? [String: Any] {
      object["metrics"] = metrics.mapValues { value in
        (value as? String) ?? (value as? Double).map { "\($0)" } ?? (value as? Int).map { "\(Double($0))" } ?? ""
      }
    }
    let data = try? JSONSerialization.data(withJSONObject: object, options: [.sortedKeys])
    return String(decoding: data ?? Data(), as: UTF8.self)
  }

  private mutating func basics(_ description: String, _ tags: [Tag], owner: String?) -> [String: Any] {
    let foreign = tags.filter { !$0.key.hasPrefix("marketplace.") }
    var all: [String: Any] = ["tags": entries(foreign.map { ($0.key, $0.value) }, "tags")]
    all["description"] = text(description, 20_000, "description")
    let owners = [foreign["owner"], owner].compactMap(\.self)
    all["owner"] = owners.first.flatMap { text($0, Self.entryBytesMost, "owner") }
    return all
  }

  private mutating func text(_ text: String?, _ most: Int, _ part: String) -> String? {
    guard let text, text != "" else { return nil }
    let kept = Self.kept(text, most)
    if Array(kept.utf8) != Array(text.utf8) { cut.insert(part) }
    return kept
  }

  private mutating func entries(_ pairs: [(String, String)], _ part: String) -> [String: String] {
    var kept: [String: String] = [:]
    var bytes = 0
    let sorted = pairs.sorted { $0.0.utf8.lexicographicallyPrecedes($1.0.utf8) }
    for (key, value) in sorted.prefix(Self.entriesMost) {
      let (name, text) = (Self.kept(key, Self.entryBytesMost), Self.kept(value, Self.entryBytesMost))
      bytes += Self.jsonBytes(name) + Self.jsonBytes(text) + 2
      if bytes > Self.mapBytesMost { break }
      if name.utf8.count < key.utf8.count || !text.utf8.elementsEqual(value.utf8) { cut.insert(part) }
      if kept[name] == nil { kept[name] = text }
    }
    if kept.count != pairs.count { cut.insert(part) }
    return kept
  }

  private mutating func metrics(_ metrics: [Metric]) -> [String: Any] {
    var kept: [String: Any] = [:]
    var bytes = 0
    let sorted = metrics.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
    for metric in sorted.prefix(Self.entriesMost) {
      let name = Self.kept(metric.key, Self.entryBytesMost)
      bytes += Self.jsonBytes(name) + 32
      if bytes > Self.mapBytesMost { break }
      if name.utf8.count < metric.key.utf8.count { cut.insert("metrics") }
      if kept[name] == nil { kept[name] = metric.value.isFinite ? metric.value : "NaN" as Any }
    }
    if kept.count != metrics.count { cut.insert("metrics") }
    return kept
  }

  private mutating func flavors(_ names: [String]) -> [String] {
    var kept: [String] = []
    var bytes = 0
    for name in names.sorted(by: { $0.utf8.lexicographicallyPrecedes($1.utf8) }).prefix(Self.entriesMost) {
      let text = Self.kept(name, Self.entryBytesMost)
      bytes += Self.jsonBytes(text) + 1
      if bytes > 50_000 { break }
      if text.utf8.count < name.utf8.count { cut.insert("flavors") }
      kept.append(text)
    }
    if kept.count != names.count { cut.insert("flavors") }
    return kept
  }

  private mutating func signature(_ parts: [String: String]) -> [String: String] {
    var kept: [String: String] = [:]
    var bytes = 0
    for name in ["inputs", "outputs", "params"] {
      guard let text = parts[name], text.utf8.count <= 100_000, !text.utf8.contains(0),
        bytes + Self.jsonBytes(text) <= 400_000
      else { continue }
      bytes += Self.jsonBytes(text)
      kept[name] = text
    }
    if kept.count != parts.count { cut.insert("signature") }
    return kept
  }

  private static func kept(_ text: String, _ most: Int) -> String {
    var all = ""
    for character in text {
      let next = all + (character == "\0" ? "\u{fffd}" : String(character))
      if next.utf8.count > most { break }
      all = next
    }
    return all
  }

  private static func jsonBytes(_ text: String) -> Int {
    text.unicodeScalars.reduce(2) { sum, scalar in
      scalar.value < 32 ? sum + 6 : scalar == "\"" || scalar == "\\" ? sum + 2 : sum + String(scalar).utf8.count
    }
  }
}

extension String {
  /// The logged model that a source leads to.
  fileprivate var loggedModel: String? { hasPrefix("models:/m-") ? String(dropFirst("models:/".count)) : nil }
}
