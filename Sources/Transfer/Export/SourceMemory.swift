import Registry

/// What a run has learnt of a source registry and need not ask again for each version that it exports.
actor SourceMemory {
  private let models: [[UInt8]: RegisteredModel]
  private var experiments: [String: Experiment] = [:]

  /// A memory of a listing that this run has read.
  init(listed: [RegisteredModel] = []) {
    models = Dictionary(listed.map { (Array($0.name.utf8), $0) }, uniquingKeysWith: { first, _ in first })
  }

  /// The model as it was listed, or as the registry has it now; `nil` when that says that it does not exist.
  ///
  /// - Parameter created: tells it from another that had the name when it was listed.
  func model(named name: String, created: Int64, in registry: any ModelRegistry) async throws -> RegisteredModel? {
    if let known = models[Array(name.utf8)], known.created == created { return known }
    return try await registry.registeredModel(named: name)
  }

  /// An experiment, asked for once.
  func experiment(_ id: String, in registry: any ModelRegistry) async throws -> Experiment? {
    if let known = experiments[id] { return known }
    let found = try await registry.experiment(id)
    experiments[id] = found
    return found
  }
}
