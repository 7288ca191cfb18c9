import Catalog
import Foundation
import Ledger
import Marketplace
import Postgres
import Transfer

extension Workplace {
  /// Every workspace that has a log, or those that are named.
  ///
  /// - Throws: ``Failure`` for one that is named and has none.
  func workspaceIDs(named names: [String] = []) async throws -> [WorkspaceID] {
    let rows = try await pool.read { session in
      try session.query("select workspace from ledger.workspace order by workspace")
    }
    let all = try rows.map { try WorkspaceID($0.string("workspace")) }
    for name in names where !all.contains(where: { $0.text == name }) {
      throw Failure(
        .usage, "unknown_workspace",
        all.isEmpty
          ? "'\(name)' has no log, and no workspace has one yet."
          : "'\(name)' has no log. Known: \(all.map(\.text).joined(separator: ", ")).")
    }
    return names.isEmpty ? all : all.filter { names.contains($0.text) }
  }

  /// Where a workspace's projections are not what its log adds up to (P1).
  func projectionDifferences(
    of workspace: WorkspaceID, projection: String = Projections.name
  ) async throws -> [Violation] {
    let option = projection == Projections.name ? "" : " --projection \(projection)"
    return try await Projections(pool, named: projection).check(workspace.text).map { difference in
      Violation(
        "P1",
        "\(workspace): \(difference.table ?? "projections"), \(difference.difference): \(difference.row). 'marketplace "
          + "projections rebuild \(workspace)\(option)' makes them anew.")
    }
  }

  /// What a job works with here, for commands that run one without side effects.
  func jobContext(
    _ settings: Settings, isDryRun: Bool, progress: @escaping @Sendable (JobProgress) -> Void = { _ in },
    isStopping: @escaping @Sendable () -> Bool = { false }
  ) throws -> JobContext {
    var options = JobOptions()
    options.isDryRun = isDryRun
    return JobContext(
      ledger: ledger, pool: pool, storage: try settings.storage(), run: RunID.make(),
      now: { Int64(Date().timeIntervalSince1970 * 1_000) }, randomID: { UUID() }, options: options,
      progress: progress, isStopping: isStopping)
  }
}
