import Foundation
import Marketplace
import Postgres

/// The random id of an export, recorded before its first byte: a run after a kill reads it there and goes on in the
/// same folder.
enum ExportClaim {
  /// The id under which this generation of a version is being copied, claimed now if nobody had.
  static func exportID(
    of identity: VersionIdentity, generation: Int, fresh: UUID, in pool: PostgresPool
  ) async throws -> String {
    let id = try await pool.write { session in
      try session.query(
        """
        with claimed as (
          insert into jobs.export_claim (workspace, model, version, created, generation, export_id)
          values ($1, $2, $3, $4, $5, $6)
          on conflict do nothing
          returning export_id
        )
        select export_id from claimed
        union all
        select export_id from jobs.export_claim
        where (workspace, model, version, created, generation) = ($1, $2, $3, $4, $5)
        limit 1
        """,
        [
          identity.workspace.text, identity.model.text, Int64(identity.version), identity.created, Int64(generation),
          fresh,
        ]
      ).first?.uuid("export_id")
    }
    // Two claims at once: the loser of the insert does not see the winner's row in the same statement.
    guard let id else { return try await exportID(of: identity, generation: generation, fresh: fresh, in: pool) }
    return id.uuidString.lowercased()
  }

  /// Gives up an id whose folder cannot be gone on with. The folder stays, to be collected.
  ///
  /// - Returns: the id that holds now: `fresh`, or the one that another run put in its place first.
  static func replace(
    _ given: String, of identity: VersionIdentity, generation: Int, fresh: UUID, in pool: PostgresPool
  ) async throws -> String {
    try await pool.write { session in
      _ = try session.execute(
        """
        update jobs.export_claim set export_id = $6, claimed_at = clock_timestamp()
        where (workspace, model, version, created, generation) = ($1, $2, $3, $4, $5) and export_id = $7
        """,
        [
          identity.workspace.text, identity.model.text, Int64(identity.version), identity.created, Int64(generation),
          fresh, UUID(uuidString: given),
        ])
    }
    return try await exportID(of: identity, generation: generation, fresh: fresh, in: pool)
  }

  /// The claims of a workspace that name one of these exports.
  static func claims(
    of workspace: WorkspaceID, exportIDs: [String], in pool: PostgresPool
  ) async throws -> [ExportClaimed] {
    let ids = exportIDs.compactMap { UUID(uuidString: $0) }
    let rows = try await pool.read { session in
      try session.query(
        """
        select model, version, created, generation, export_id, claimed_at
        from jobs.export_claim where workspace = $1 and export_id = any($2)
        """, [workspace.text, ids])
    }
    return try rows.map { row in
      ExportClaimed(
        identity: VersionIdentity(
          workspace: workspace, model: ModelID(text: try row.string("model")), version: try row.int("version"),
          created: try row.int64("created")),
        generation: try row.int("generation"), exportID: try row.uuid("export_id").uuidString.lowercased(),
        claimedAt: try row.timestamp("claimed_at").microseconds / 1_000)
    }
  }
}
