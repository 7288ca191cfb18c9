import Registry
import Storage

/// A registry as a process sees it: each call takes its turn and may fail.
struct SimulatedRegistry: ModelRegistry, @unchecked Sendable {
  // Unchecked: the scheduler keeps everything on one thread.
  let state: RegistryState
  let process: SimulatedProcess
  var now: Int64 { process.world.clock }
  /// One of so many requests that may arrive late does.
  private static let lateOnceIn = 12

  func read<Answer>(
    _ name: StaticString, about model: String? = nil, of listed: String? = nil,
    _ effect: () throws -> Answer
  ) async throws -> Answer {
    try await counted(name) {
      try await process.call(.registry, name, at: "\(state.id) \(model ?? listed ?? "")") {
        try look(name, about: model)
        return try effect()
      }
    }
  }

  private func counted<Answer>(_ name: StaticString, _ request: () async throws -> Answer) async throws -> Answer {
    process.conduct.requests[state.id, default: [:]]["\(name)", default: 0] += 1
    do {
      return try await request()
    } catch {
      // What is too long for one answer can be had in several.
      if (error as? RegistryError)?.code != .tooLarge { process.conduct.failed[state.id, default: 0] += 1 }
      throw error
    }
  }

  func write<Answer>(
    _ name: StaticString, mayBeLate: Bool = false, by dice: ReferenceWritableKeyPath<World, Dice> = \.apart,
    _ effect: @escaping () throws -> Answer
  ) async throws -> Answer {
    try await counted(name) {
      try await process.call(
        .registry, name, at: state.id, writes: true, lastOnceIn: mayBeLate ? Self.lateOnceIn : 0, by: dice,
        late: mayBeLate ? { process.world.late.append { _ = try? effect() } } : nil
      ) {
        try look(name, about: nil)
        let answer = try effect()
        // What comes just after is not seen by a look just before.
        if mayBeLate, process.world[keyPath: dice].once(in: 2) { process.world.deliverLate() }
        return answer
      }
    }
  }

  /// Whether the principal is let in at all.
  private func look(_ name: StaticString, about model: String?) throws {
    // One that is empty looks like one that hides everything.
    if state.sight != .ordinary || state.models.isEmpty { process.conduct.hidden.insert(state.id) }
    switch state.sight {
    case .ordinary, .denying: return
    case .down: throw Port.registry.failure(name)
    case .forbidden:
      throw RegistryError(.notPermitted, operation: "\(name)", status: 403, message: "permission denied")
    case .blind, .partial:
      guard let model, !isSeen(model) else { return }
      throw RegistryError(.notPermitted, operation: "\(name)", status: 403, message: "permission denied")
    }
  }

  func isSeen(_ model: String) -> Bool {
    switch state.sight {
    case .blind, .denying: false
    case .partial: (model.utf8.reduce(0) { $0 &+ Int($1) }) % 2 == 0
    default: true
    }
  }

  func absent(_ what: String) -> RegistryError {
    RegistryError(.notFound, operation: what, status: 404, serverCode: "RESOURCE_DOES_NOT_EXIST", message: "is absent")
  }

  func model(_ name: String) throws -> ModelRecord {
    guard let model = state.models[ByteName(name)] else { throw absent("model \(name)") }
    return model
  }

  func serverInfo() async throws -> ServerInfo { ServerInfo(version: "\(state.major).0.0", major: state.major) }

  // MARK: Registered models and their versions

  /// A long listing is read in two pages; what changes between them may hide a model or show it as it was.
  func registeredModels() async throws -> [RegisteredModel] {
    let first = try await read("list models") { page().prefix(process.isExposed ? 2 : .max) }
    guard process.isExposed, first.count == 2 else { return Array(first) }
    let rest = try await read("list models, second page") { page().dropFirst(2) }
    let seen = Set(first.map { ByteName($0.name) })
    return first + rest.filter { !seen.contains(ByteName($0.name)) }
  }

  private func page() -> [RegisteredModel] {
    state.models.values.filter { isSeen($0.name) && !state.unlistedModels.contains(ByteName($0.name)) }
      .sorted { ByteName($0.name) < ByteName($1.name) }.map(state.shown)
  }

  func registeredModel(named name: String) async throws -> RegisteredModel? {
    try await read("get a model", about: name) {
      isSeen(name) ? state.models[ByteName(name)].map(state.shown) : nil
    }
  }

  func modelVersions(of name: String) async throws -> [ModelVersion] {
    try await read("list versions", about: nil, of: name) {
      process.conduct.unguarded = []
      return isSeen(name) ? state.models[ByteName(name)].map(state.listed) ?? [] : []
    }
  }

  /// Some registries want a filter. A long listing is read in two pages.
  func modelVersions() async throws -> [ModelVersion] {
    let first = try await read("list versions of all models") {
      guard process.world.plan.listsAllVersions else {
        throw RegistryError(.refused, operation: "list versions", status: 400, message: "a filter is needed")
      }
      return allVersions().prefix(process.isExposed ? 4 : .max)
    }
    guard process.isExposed, first.count == 4 else { return Array(first) }
    let rest = try await read("list versions of all models, second page") { allVersions().dropFirst(3) }
    // The second page begins with the last of the first; where it does not, the listing shifted and is read again.
    guard let last = first.last, let joint = rest.first, last.name == joint.name, last.version == joint.version else {
      return try await modelVersions()
    }
    return Array(first) + Array(rest.dropFirst())
  }

  private func allVersions() -> [ModelVersion] {
    state.models.values.filter { isSeen($0.name) }.sorted { ByteName($0.name) < ByteName($1.name) }
      .flatMap(state.listed)
  }

  func modelVersion(name: String, version: Int) async throws -> ModelVersion? {
    try await read("get a version", about: name) {
      guard isSeen(name), let model = state.models[ByteName(name)] else { return nil }
      return model.versions[version].map { state.shown($0, of: model) }
    }
  }

  func downloadURI(name: String, version: Int) async throws -> String? {
    try await modelVersion(name: name, version: version)?.source
  }

  func modelVersions(tagged tag: Tag) async throws -> [ModelVersion] {
    try await read("search versions by tag") {
      guard process.world.plan.listsByTag || !tag.key.hasSuffix(".workspace") else {
        throw RegistryError(.tooLarge, operation: "search versions by tag", message: "the answer is too long")
      }
      let found = state.models.values.sorted { ByteName($0.name) < ByteName($1.name) }
        .flatMap { $0.all.filter { $0.tags[tag.key] == tag.value } }
      GuardChecker(process: process).listed(found.map { ("\($0.name) v\($0.version)", $0.tags) }, by: tag)
      return found
    }
  }

  // MARK: Runs, experiments, logged models

  private var isDenying: Bool { state.sight == .denying || state.sight == .blind }

  func run(_ id: String) async throws -> Run? { try await read("get a run") { isDenying ? nil : state.runs[id] } }

  func metricHistory(run id: String, key: String, page: ([Metric]) async throws -> Void) async throws {
    let history = try await read("get a metric's history") {
      (state.histories[id] ?? []).filter { $0.key == key }
    }
    try await page(history)
  }

  func experiment(_ id: String) async throws -> Experiment? {
    try await read("get an experiment") { isDenying ? nil : state.experiments[id] }
  }

  func experiment(named name: String) async throws -> Experiment? {
    try await read("get an experiment by name") { isDenying ? nil : state.experiments.values.first { $0.name == name } }
  }

  func loggedModel(_ id: String) async throws -> LoggedModel? {
    try await read("get a logged model") { isDenying ? nil : state.loggedModels[id] }
  }

  // MARK: Artifacts

  func artifactLocation(of version: ModelVersion) async throws -> ArtifactLocation {
    if version.source.hasPrefix("models:/m-") {
      let id = String(version.source.dropFirst("models:/".count))
      guard try await loggedModel(id) != nil else { throw absent("logged model \(id)") }
      return .loggedModel(id: id, root: "models/\(id)/artifacts")
    }
    return RegistryState.runLocation(version.source)
      ?? .unsupported(uri: version.source, reason: "its files lie in object storage")
  }

  func artifactLocation(of run: Run) throws -> ArtifactLocation {
    RegistryState.runLocation(run.artifactURI) ?? .unsupported(uri: run.artifactURI, reason: "it has none")
  }

  func artifactLocation(of model: LoggedModel) throws -> ArtifactLocation {
    .loggedModel(id: model.id, root: "models/\(model.id)/artifacts")
  }

  func artifacts(at location: ArtifactLocation) async throws -> [ArtifactFile] {
    try await read("list artifacts") {
      files(at: location).sorted { $0.key < $1.key }.map { path, bytes in
        // MLflow leaves the size of an empty file out.
        ArtifactFile(path: path, size: bytes.isEmpty ? nil : Int64(bytes.count))
      }
    }
  }

  private func files(at location: ArtifactLocation) -> [String: [UInt8]] {
    switch location {
    case .loggedModel(let id, _): return state.artifacts[id] ?? [:]
    case .run(_, _, let root): return state.files(of: "mlflow-artifacts:/\(root)") ?? [:]
    case .proxy, .unsupported: return [:]
    }
  }

  /// A body may end early, with an error or without one.
  func download(
    _ file: ArtifactFile, from location: ArtifactLocation, consume: ([UInt8]) async throws -> Void
  ) async throws -> Int64 {
    let bytes = try await read("download a file") {
      guard let bytes = files(at: location)[file.path] else { throw absent("file \(file.path)") }
      return bytes
    }
    guard process.isExposed, process.world.dice.once(in: process.world.plan.failsOnceIn) else {
      for begin in stride(from: 0, to: bytes.count, by: StorageLimits.chunkBytes) {
        try await consume(Array(bytes[begin..<min(begin + StorageLimits.chunkBytes, bytes.count)]))
      }
      return Int64(bytes.count)
    }
    process.world.count("download cut short")
    process.conduct.cut["\(location) \(file.path)", default: 0] += 1
    let part = Array(bytes.prefix(bytes.count / 2))
    try await consume(part)
    if process.world.dice.once(in: 2) { return Int64(part.count) }
    throw RegistryError(.incompleteBody, operation: "download a file", message: "the body ended early", retriable: true)
  }

  func upload<Body: AsyncSequence & Sendable>(
    _ path: String, to location: ArtifactLocation, length: Int64, body: @escaping @Sendable () async throws -> Body
  ) async throws where Body.Element == [UInt8] {
    var bytes: [UInt8] = []
    if length > 0 { for try await chunk in try await body() { bytes += chunk } }
    let all = bytes
    guard all.count == length else {
      throw RegistryError(.refused, operation: "upload a file", message: "the length is not the one announced")
    }
    try await write("upload a file") {
      process.conduct.sent += 1
      if all.count > World.largeBytes { process.conduct.sentLarge += 1 }
      let (owner, place): (String, String)
      switch location {
      case .loggedModel(let id, _): (owner, place) = (id, path)
      case .run(let id, let folder, _): (owner, place) = (id, folder.isEmpty ? path : "\(folder)/\(path)")
      case .proxy, .unsupported: throw absent("a place for files")
      }
      let before = state.artifacts[owner]?[place]
      state.artifacts[owner, default: [:]][place] = all
      LargeFileChecker(world: process.world).sent(
        all, as: path, at: location.root ?? "", over: before, by: process)
    }
  }
}
