import Marketplace
import Registry

/// The experiments that hold what was imported from one workspace.
///
/// An experiment may be renamed at its source between two imports, so what was made earlier is looked for in all of
/// them: each carries its workspace as a tag from its creation on.
struct ImportedExperiments: Sendable {
  let registry: any ModelRegistry
  let workspace: WorkspaceID
  /// The experiment's name at the source.
  let source: String
  /// Those known when they were read, deleted ones too.
  private(set) var known: [Experiment] = []

  init(registry: any ModelRegistry, workspace: WorkspaceID, source: String) {
    self.registry = registry
    self.workspace = workspace
    self.source = source
  }

  private var tag: Tag { Tag(OwnTags.workspace, workspace.text) }
  private var name: String { "\(workspace.text)/\(source)" }

  /// Their ids.
  var ids: [String] { known.map(\.id) }

  /// The same with what the registry holds now. An experiment that somebody made under our name before us counts too.
  func read() async throws -> ImportedExperiments {
    var fresh = self
    fresh.known = try await registry.experiments(tagged: tag)
    if !fresh.known.contains(where: { $0.name.isExactly(name) }),
      let named = try await registry.experiment(named: name)
    {
      fresh.known.append(named)
    }
    return fresh
  }

  /// The experiment that new things go to, made or restored if need be.
  func home() async throws -> Experiment {
    if let known = known.first(where: { $0.name.isExactly(name) && !$0.isDeleted }) { return known }
    return try await registry.createExperiment(named: name, tags: [tag])
  }

  /// The same with one more.
  func with(_ experiment: Experiment) -> ImportedExperiments {
    var more = self
    if !known.contains(where: { $0.id == experiment.id }) { more.known.append(experiment) }
    return more
  }

  /// Restores an experiment, if it is deleted.
  func restore(_ id: String) async throws {
    guard let experiment = known.first(where: { $0.id == id }), experiment.isDeleted else { return }
    _ = try await registry.createExperiment(named: experiment.name, tags: [tag])
  }
}
