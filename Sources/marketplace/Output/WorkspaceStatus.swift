import Catalog
import Postgres

/// How a workspace stands, for monitoring.
struct WorkspaceStatus: Encodable, Sendable {
  var id: String
  /// As in `marketplace.workspaces`.
  var state: String
  /// Whether this configuration names it.
  var attended: Bool
  /// When its registry was last read to the end.
  var last_success: Timestamp?
  /// Models whose source means a version.
  var current: Int
  /// Models that can be loaded from the marketplace.
  var available: Int
  /// Models whose change is still to be followed.
  var pending: Int
  /// Models whose last attempt failed.
  var failed: Int
  /// Whether its projections have stopped following the log.
  var stale: Bool

  /// Every workspace that somebody should look after: those connected, and those configured and not connected yet.
  static func all(
    of workspaces: [WorkspaceSummary], _ entries: [CatalogEntry], configured: Set<String>
  ) -> [WorkspaceStatus] {
    let models = Dictionary(grouping: entries, by: \.workspace)
    func count(_ id: String, _ isCounted: (CatalogEntry) -> Bool) -> Int { models[id]?.count(where: isCounted) ?? 0 }
    let pending: Set<CatalogEntry.State> = [.pending, .supersededPending, .withdrawalPending]
    let failed: Set<CatalogEntry.State> = [.failed, .supersededFailed]
    let known = Dictionary(workspaces.map { ($0.workspace, $0) }, uniquingKeysWith: { first, _ in first })
    let gone = Set(workspaces.filter { $0.state == "disconnected" }.map(\.workspace)).subtracting(configured)
    return configured.union(known.keys).subtracting(gone).sorted().map { id in
      WorkspaceStatus(
        id: id, state: known[id]?.state ?? "never observed", attended: configured.contains(id),
        last_success: known[id]?.observedTo, current: count(id) { $0.sourceVersion != nil },
        available: count(id) { $0.availableVersion != nil }, pending: count(id) { pending.contains($0.state) },
        failed: count(id) { failed.contains($0.state) }, stale: known[id]?.staleFrom != nil)
    }
  }

  private enum CodingKeys: String, CodingKey {
    case id, state, attended, last_success, current, available, pending, failed, stale
  }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(id, forKey: .id)
    try container.encode(state, forKey: .state)
    try container.encode(attended, forKey: .attended)
    try container.encodeIfPresent(last_success?.rfc3339, forKey: .last_success)
    try container.encode(current, forKey: .current)
    try container.encode(available, forKey: .available)
    try container.encode(pending, forKey: .pending)
    try container.encode(failed, forKey: .failed)
    try container.encode(stale, forKey: .stale)
  }
}
