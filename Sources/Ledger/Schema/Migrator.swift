public import Migrations
public import Postgres

/// Brings a database to the schema this program needs.
///
/// Each migration runs in a transaction of its own and is recorded in `migrations.applied` with the SHA-256 of its
/// text. A lock in the database lets one migrator work at a time, so it is safe to run twice and from several
/// processes at once.
public struct Migrator: Sendable {
  /// Key of the advisory lock of migrators: the bytes of "migrate".
  private static let lock: Int64 = 0x006D_6967_7261_7465

  private let pool: PostgresPool
  private let migrations: [Migration]

  /// - Parameter migrations: the steps, in order; the program's own by default.
  public init(_ pool: PostgresPool, migrations: [Migration] = Migrations.all) {
    self.pool = pool
    self.migrations = migrations
  }

  /// Applies what is missing, in order.
  ///
  /// - Returns: the names of the migrations that were applied now.
  /// - Throws: ``LedgerError`` with ``LedgerError/Code/migrationEdited(name:)``,
  ///   ``LedgerError/Code/databaseNewer(names:)`` or ``LedgerError/Code/migrationFailed(name:)``; `PostgresError`;
  ///   `CancellationError`.
  public func migrate() async throws -> [String] {
    let lease = try await pool.lease()
    do {
      let applied = try await lease.withSession { session in
        // Another migrator may take long, and so may a step over a large table.
        try session.execute("SET lock_timeout TO 0")
        try session.execute("SET statement_timeout TO 0")
        _ = try session.query("SELECT pg_advisory_lock($1)", [Self.lock])
        try Self.createRecord(session)
        let pending = try Self.pending(of: migrations, session)
        for migration in pending { try Self.apply(migration, session) }
        return pending.map(\.name)
      }
      await lease.release()
      return applied
    } catch {
      await lease.release()
      throw error
    }
  }

  /// The names of the migrations that ``migrate()`` would apply.
  ///
  /// - Throws: as ``migrate()``.
  public func pending() async throws -> [String] {
    try await pool.withSession { session in
      let exists = try session.query("SELECT to_regclass('migrations.applied') IS NOT NULL AS yes")
      guard try exists.first?.bool("yes") == true else { return migrations.map(\.name) }
      return try Self.pending(of: migrations, session).map(\.name)
    }
  }

  private static func createRecord(_ session: Session) throws {
    let exists = try session.query("SELECT to_regclass('migrations.applied') IS NOT NULL AS yes")
    guard try exists.first?.bool("yes") != true else { return }
    try session.transaction { session in
      try session.executeScript(
        """
        CREATE SCHEMA IF NOT EXISTS migrations;
        CREATE TABLE migrations.applied (
          name text PRIMARY KEY,
          sha256 bytea NOT NULL CHECK (octet_length(sha256) = 32),
          applied_at timestamptz NOT NULL DEFAULT clock_timestamp(),
          applied_by text NOT NULL DEFAULT session_user
        );
        COMMENT ON SCHEMA migrations IS 'What the schema of this database was made by.';
        COMMENT ON TABLE migrations.applied IS 'The migrations that were applied, with the checksums of their texts.';
        COMMENT ON COLUMN migrations.applied.name IS 'Name of the migration.';
        COMMENT ON COLUMN migrations.applied.sha256 IS 'SHA-256 of its text.';
        COMMENT ON COLUMN migrations.applied.applied_at IS 'When it was applied.';
        COMMENT ON COLUMN migrations.applied.applied_by IS 'By whom (session_user).';
        """)
    }
  }

  /// What is missing; refuses a database that does not fit.
  private static func pending(of migrations: [Migration], _ session: Session) throws -> [Migration] {
    let rows = try session.query(
      """
      SELECT a.name, k.nth, a.sha256 = sha256(convert_to(k.text, 'UTF8')) AS is_same
      FROM migrations.applied a
      LEFT JOIN unnest($1::text[], $2::text[]) WITH ORDINALITY AS k (name, text, nth) ON k.name = a.name
      ORDER BY a.name
      """, [migrations.map(\.name), migrations.map(\.sql)])
    let unknown = try rows.filter { try $0.isNull("nth") }.map { try $0.string("name") }
    guard unknown.isEmpty else {
      throw LedgerError(
        .databaseNewer(names: unknown),
        "The database has migrations that this program does not know: \(unknown.joined(separator: ", ")).",
        hint: "Use the program that applied them, or a newer one.")
    }
    for row in rows where try !row.bool("is_same") {
      let name = try row.string("name")
      throw LedgerError(
        .migrationEdited(name: name),
        "Migration \(name) was applied to this database with another text than this program has.",
        hint: "An applied migration is never edited; put the change into a new one.")
    }
    let applied = Set(try rows.map { try $0.string("name") })
    return migrations.filter { !applied.contains($0.name) }
  }

  private static func apply(_ migration: Migration, _ session: Session) throws {
    do {
      try session.transaction { session in
        try session.executeScript(migration.sql)
        // A migration may have become the owner of what it makes.
        try session.executeScript("RESET ROLE")
        try session.execute(
          "INSERT INTO migrations.applied (name, sha256) VALUES ($1, sha256(convert_to($2::text, 'UTF8')))",
          [migration.name, migration.sql])
      }
    } catch let error as PostgresError where !error.isTransient {
      throw LedgerError(
        .migrationFailed(name: migration.name), "Migration \(migration.name) failed: \(error.message)",
        hint: error.hint)
    }
  }
}
