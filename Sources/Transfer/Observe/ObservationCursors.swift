import Registry

/// What a registry said about each model when its versions were last listed. A cache: losing it costs requests.
struct ObservationCursors: Sendable {
  let registry: String
  private let known: [[UInt8]: ModelTimes]

  /// The cursors of one registry.
  static func load(_ registry: String, from memory: any JobMemory) async throws -> ObservationCursors {
    ObservationCursors(registry: registry, known: try await memory.modelTimes(of: registry))
  }

  /// Whether the model is as it was when its versions were last listed.
  func isUnchanged(_ model: RegisteredModel) -> Bool { known[Array(model.name.utf8)] == model.times }

  /// Remembers what is new; writes nothing when nothing is.
  ///
  /// - Parameter looked: the models whose versions were looked at, of those that the registry lists now; of the others
  ///   what was known stays.
  func save(_ looked: [RegisteredModel], of models: [RegisteredModel], to memory: any JobMemory) async throws {
    let changed = looked.filter { !isUnchanged($0) }
    let listed = Set(models.map { Array($0.name.utf8) })
    let gone = known.keys.filter { !listed.contains($0) }
    guard !changed.isEmpty || !gone.isEmpty else { return }
    let times = Dictionary(changed.map { (Array($0.name.utf8), $0.times) }, uniquingKeysWith: { $1 })
    try await memory.remember(times, forgetting: gone, of: registry)
  }
}

extension RegisteredModel {
  fileprivate var times: ModelTimes { ModelTimes(created: created, lastUpdated: lastUpdated) }
}
