import Foundation
import Ledger
import Postgres
import TestSupport
import Testing

/// The workspaces spread over two servers: each is routed to its own, and analysts read both as one.
@Suite("Workspaces over two servers")
struct SpreadTests {
  /// Views, and what of them tells when something was recorded: that differs from ledger to ledger.
  private static let views = [
    "alias_history", "availability_history", "catalog", "export_summary", "import_summary", "model_history",
    "model_versions", "production_history", "stage_history", "workspaces",
  ]
  private static let recorded = [
    "recorded_at", "from_recorded_at", "to_recorded_at", "registered_at", "invalidated_at", "lost_at", "since",
    "unreadable_since", "happened", "certain", "possible",
  ]

  @Test("append, projections, seal and check work on each, and what analysts read is what one server would say")
  func spread() async throws {
    let other = try await Self.secondServer()
    let together = try await migratedDatabase()
    let north = try await migratedDatabase()
    let south = PostgresPool(.init(conninfo: other.conninfo, connectionsMax: 2))
    _ = try await Migrator(south).migrate()

    let events = try await Self.history()
    let workspaces = Set(events.map(\.workspace)).sorted()
    #expect(workspaces.count >= 4)
    // Every other workspace lives on the second server: a client has to know no more.
    let home = Dictionary(
      uniqueKeysWithValues: workspaces.enumerated().map { ($1, $0.isMultiple(of: 2) ? north : south) })
    for (workspace, stretch) in Self.stretches(of: events) {
      guard let pool = home[workspace] else { throw CocoaError(.coderInvalidValue) }
      for ledger in [Ledger(together), Ledger(pool)] {
        try await ledger.openWorkspace(workspace)
        _ = try await ledger.append(stretch, to: workspace, run: nil)
      }
    }
    for pool in [together, north, south] {
      let sealed = try await Ledger(pool).seal().last
      try await pool.withSession { session in
        #expect(try session.query("SELECT count(*)::bigint AS n FROM ledger.event").first?.int64("n") == sealed)
        let differing = try session.query(
          """
          SELECT d.*
          FROM ledger.workspace w
          CROSS JOIN LATERAL marketplace_projection.check(w.workspace) d
          """)
        #expect(differing.isEmpty)
      }
    }

    // Once more for one of them, as after a migration.
    let reader = "reader_\(UUID().uuidString.prefix(8).lowercased())"
    for pool in [north, south] {
      try await pool.withSession {
        try $0.executeScript("CREATE ROLE \(reader) LOGIN; SELECT ledger.admit_reader('\(reader)');")
      }
    }
    let reading = try await Self.readAsOne([("north", north), ("south", south), ("north", north)], as: reader)
    for view in Self.views {
      let rows =
        "SELECT (to_jsonb(v) - ARRAY['\(Self.recorded.joined(separator: "','"))'])::text AS row FROM marketplace.\(view) v ORDER BY 1"
      let whole = try await together.withSession { try $0.query(rows).map { try $0.string("row") } }
      let spread = try await reading.withSession { try $0.query(rows).map { try $0.string("row") } }
      #expect(spread == whole, "\(view)")
      #expect(!whole.isEmpty || view == "alias_history", "\(view)")
    }
    for pool in [together, north, south, reading] { await pool.close() }
    try await other.stop()
  }

  /// A server beside the one that all tests share.
  private static func secondServer() async throws -> PrivateCluster {
    let directory = TestCluster.newDirectory()
    try TestCluster.removeAtExit(directory)
    return try await PrivateCluster.start(dataDirectory: directory)
  }

  /// The events of the hospital, in their order.
  private static func history() async throws -> [(workspace: String, event: NewEvent)] {
    let (conninfo, _) = try await hospitalHistory()
    let pool = PostgresPool(.init(conninfo: conninfo, connectionsMax: 1))
    let rows = try await pool.withSession { session in
      try session.query(
        """
        SELECT workspace, stream, id::text AS id, type, data::text AS data
        FROM ledger.sealed_events(0, 1000000) WHERE data IS NOT NULL AND type !~ '^(Event|Data)' ORDER BY position
        """)
    }
    await pool.close()
    return try rows.map { row in
      guard let id = UUID(uuidString: try row.string("id")) else { throw CocoaError(.coderInvalidValue) }
      let event = NewEvent(
        stream: try row.string("stream"), expectedVersion: nil, id: id, type: try row.string("type"),
        occurredAt: nil, data: try row.string("data"), cause: nil)
      return (try row.string("workspace"), event)
    }
  }

  /// Neighbours of one workspace, to be appended in one call.
  private static func stretches(
    of events: [(workspace: String, event: NewEvent)]
  ) -> [(workspace: String, events: [NewEvent])] {
    var result: [(workspace: String, events: [NewEvent])] = []
    for (workspace, event) in events {
      if result.last?.workspace == workspace, let last = result.indices.last {
        result[last].events.append(event)
      } else {
        result.append((workspace, [event]))
      }
    }
    return result
  }

  /// A database over both servers, made by `ops/examples/read-as-one.sql`, that asks them as somebody who was admitted there.
  private static func readAsOne(_ servers: [(name: String, pool: PostgresPool)], as reader: String) async throws
    -> PostgresPool
  {
    let reading = try await TestCluster.createDatabase().pool(connectionsMax: 1)
    let script = try String(
      contentsOf: URL(fileURLWithPath: #filePath).appending(path: "../../../ops/examples/read-as-one.sql").standardized,
      encoding: .utf8)
    for (name, pool) in servers {
      let at = try await pool.withSession { session in
        try session.query(
          """
          SELECT split_part(current_setting('unix_socket_directories'), ',', 1) AS host, current_setting('port') AS port,
            current_database() AS dbname
          """)[0]
      }
      var sql = script.replacing(/(?m)^\\set.*$/, with: "")
        .replacing(":'server'", with: "'\(name)'").replacing(":'reader'", with: "'\(reader)'")
      for key in ["host", "port", "dbname"] { sql = sql.replacing(":'\(key)'", with: "'\(try at.string(key))'") }
      try await reading.withSession { [sql] in try $0.executeScript(sql) }
    }
    return reading
  }
}
