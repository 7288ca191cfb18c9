import Catalog
import Foundation
import Ledger
import Marketplace
import Postgres
import TestSupport
import Testing

@Suite("Detached observations")
struct DetachedTests {
  private static func state(of workspace: String, _ ledger: Ledger) async throws -> WorkspaceState {
    var state = WorkspaceState(workspace: try WorkspaceID(workspace))
    for event in try await ledger.read(workspace: workspace, limit: 10_000).events
    where event.stream != "segments" && event.stream != "redactions" {
      let domain = event.data.flatMap {
        // The sample has observations that no job would write.
        try? DomainEvent(type: event.type, typeVersion: Int(event.typeVersion), json: $0)
      }
      state.apply(
        domain, stream: event.stream, streamVersion: event.version, sequence: event.sequence,
        recordedAt: event.recordedAt.microseconds / 1_000)
    }
    return state
  }

  private static func digest(_ pool: PostgresPool) async throws -> [String] {
    try await pool.withSession { session in
      try ["catalog", "stage_history", "production_history", "export_summary", "import_summary"].map { view in
        try session.query("SELECT md5(string_agg(v::text, '|' ORDER BY v::text)) AS digest FROM marketplace.\(view) v")
          .first?.optionalString("digest") ?? ""
      }
    }
  }

  @Test("change no decision, no row, no rebuild, no check and no replay, and neither does a redaction beside them")
  func same() async throws {
    let sample = try await SampleHistory.append()
    defer { Task { await sample.pool.close() } }
    let (ledger, projections) = (Ledger(sample.pool), Projections(sample.pool))
    // One observation more, so that there is one that was replaced whatever came of it.
    let last = try await ledger.seal().last
    let before = (try await Self.digest(sample.pool), try await Self.state(of: "dev01", ledger))
    var count: Int64 = 0
    for (workspace, sequence) in try await ledger.cut(at: last) {
      count += try await ledger.detach(1...sequence, in: workspace, segment: 0)
    }
    #expect(count > 2)
    #expect(try await Self.state(of: "dev01", ledger) == before.1)
    #expect(try await Self.digest(sample.pool) == before.0)
    for workspace in ["dev01", "dev02"] {
      #expect(try await projections.check(workspace) == [])
      _ = try await projections.rebuild(workspace)
    }
    #expect(try await Self.digest(sample.pool) == before.0)
    let replay = Replay(sample.pool)
    for position in [last, last / 2, 1] {
      _ = try await replay.fold(through: position, into: "past")
      #expect(try await replay.compare("past").filter { $0.differences != 0 } == [], "position \(position)")
      try await replay.drop("past")
    }
    // A redaction has the rows made anew: those of detached observations stay, but for one that is redacted itself.
    let detached = try await ledger.read(workspace: "dev01", limit: 10_000).events.filter(\.isDetached).map(\.sequence)
    let redacted = try #require(detached.first)
    let rows = "SELECT count(*) AS count FROM marketplace_projection.observation WHERE workspace = 'dev01'"
    let all = try await sample.pool.withSession { try $0.query(rows).first?.int("count") ?? 0 }
    try await sample.pool.withSession { session in
      _ = try session.query("SELECT ledger.redact('dev01', $1, 'a name')", [redacted])
    }
    #expect(try await sample.pool.withSession { try $0.query(rows).first?.int("count") } == all - 1)
    #expect(try await projections.check("dev01") == [])
  }

  @Test("of which a row is gone are not left out silently, and neither are those of other projections")
  func refused() async throws {
    let sample = try await SampleHistory.append()
    defer { Task { await sample.pool.close() } }
    let ledger = Ledger(sample.pool)
    let sequence = try #require(try await ledger.cut(at: try await ledger.seal().last)["dev01"])
    #expect(try await ledger.detach(1...sequence, in: "dev01", segment: 0) > 0)
    func refused(_ statement: String) async throws -> String? {
      do {
        try await sample.pool.withSession { try $0.executeScript(statement) }
        return nil
      } catch let error as PostgresError {
        return error.sqlState
      }
    }
    try await sample.pool.withSession { session in
      try session.executeScript(
        """
        CREATE FUNCTION public.seen(text, bigint, bigint) RETURNS void LANGUAGE sql AS '';
        CREATE FUNCTION public.forget(text) RETURNS void LANGUAGE sql AS '';
        INSERT INTO ledger.projection (name, function, reset, types)
          VALUES ('seen', 'public.seen(text,bigint,bigint)', 'public.forget(text)', '{WorkspaceObserved}');
        """)
    }
    #expect(try await refused("SELECT ledger.rebuild_projection('seen', 'dev01')") == "LG400")
    #expect(try await refused("SELECT ledger.rebuild_projection('marketplace', 'dev01')") == nil)
    #expect(
      try await refused(
        "DELETE FROM marketplace_projection.observation; SELECT * FROM marketplace_projection.check('dev01')")
        == "LG400")
    #expect(
      try await refused(
        "SELECT marketplace_projection.reset('dev01'); DELETE FROM marketplace_projection.observation; "
          + "SELECT ledger.rebuild_projection('marketplace', 'dev01')") == "LG400")
    #expect(try await refused("SELECT * FROM marketplace_projection.check('dev01')") == nil)
  }
}
