import Foundation
import Ledger
import Marketplace
import Storage

/// What a workspace's log and claims say of each export id: whether anybody needs its folder.
struct ExportFates: Sendable {
  /// An export that an event names.
  private struct Named: Sendable {
    var identity: VersionIdentity
    var uri: String
    /// When it was given up, by the ledger's clock, in milliseconds since 1970; `nil` for one that holds.
    var givenUpAt: Int64?
  }

  /// What is to become of a folder.
  enum Fate: Sendable, Hashable {
    case kept(CollectionReport.Keeping)
    /// Nobody needs it, since a moment by the database's clock where one is known, in milliseconds since 1970.
    case unneeded(CollectedItem.Reason, since: Int64?)
  }

  private(set) var state: WorkspaceState
  private var named: [String: Named] = [:]
  /// The models by the bytes of their folders' names.
  private var folders: [[UInt8]: [ModelID]] = [:]

  init(_ workspace: WorkspaceID) { state = WorkspaceState(workspace: workspace) }

  /// Reads what the log holds by now.
  mutating func update(_ history: History) async throws {
    var named = named
    let workspace = state.workspace
    state = try await history.load(workspace, from: state) { event, recordedAt in
      switch event {
      case .modelExported(let data):
        let identity = VersionIdentity(
          workspace: workspace, model: ModelID(text: data.model), version: data.version, created: data.created)
        named[data.exportID] = Named(identity: identity, uri: data.uri)
      case .exportInvalidated(let data): named[data.exportID]?.givenUpAt = recordedAt
      default: break
      }
    }
    self.named = named
    guard folders.values.reduce(0, { $0 + $1.count }) != state.models.count else { return }
    folders = Dictionary(grouping: state.models.keys.sorted()) { id in
      Array(ExportFolder.folderName(of: state.models[id]?.firstName ?? "", id: id).utf8)
    }
  }

  /// The models whose exports may lie in a folder of that name: a model that was created again has its predecessor's.
  func models(inFolder name: String) -> [ModelID] { folders[Array(name.utf8)] ?? [] }

  /// What is to become of a folder.
  ///
  /// - Parameter claim: the claim that names the export, if one does.
  func fate(of place: StoredPlace, claim: ExportClaimed?, in storage: any ExternalStorage) -> Fate {
    guard !models(inFolder: place.modelFolder).isEmpty else { return .kept(.unknown) }
    if let named = named[place.exportID] {
      guard let givenUpAt = named.givenUpAt else { return .kept(.live) }
      // The same id elsewhere is a copy that somebody made.
      guard "\(storage.location)/\(place.key.path)".isExactly(named.uri) else { return .kept(.unknown) }
      return needsExport(named.identity) ? .kept(.awaited) : .unneeded(.givenUp, since: givenUpAt)
    }
    guard let claim else { return .unneeded(.orphan, since: nil) }
    guard let model = state.models[claim.identity.model] else { return .kept(.unknown) }
    let generation = Self.version(claim.identity, of: model)?.exportGeneration
    let isOpen = generation == claim.generation && needsExport(claim.identity)
    return isOpen ? .kept(.underWay) : .unneeded(.deadAttempt, since: claim.claimedAt)
  }

  /// Whether the source promotes the version and no export of it holds: then the next run works on it.
  private func needsExport(_ identity: VersionIdentity) -> Bool {
    guard let model = state.models[identity.model], let version = Self.version(identity, of: model),
      version.export == nil
    else { return false }
    return state.promoted(of: model).contains { $0.number == version.number && $0.created == version.created }
  }

  private static func version(_ identity: VersionIdentity, of model: ModelState) -> VersionState? {
    if let version = model.versions[identity.version], version.created == identity.created { return version }
    return model.replaced[AliasTarget(number: identity.version, created: identity.created)]
  }
}
