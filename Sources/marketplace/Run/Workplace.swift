import Foundation
import Ledger
import Postgres

/// The database of a command, opened and of the right version.
struct Workplace: Sendable {
  let pool: PostgresPool
  let ledger: Ledger

  /// Whether the database is the program's own private one.
  let isPrivate: Bool

  /// Opens the configured database, or starts a private one when none is. Looks at nothing in it.
  static func connect(_ settings: Settings, options: PlaceOptions) async throws -> Workplace {
    var conninfo = settings.database
    if conninfo == nil {
      let cluster = try await PrivateCluster.start(dataDirectory: settings.privateDatabase)
      if cluster.startedNow, !options.quiet {
        Console.remark("  no database is configured: started a private PostgreSQL in \(cluster.directory)")
      }
      conninfo = cluster.conninfo
    }
    let pool = PostgresPool(PostgresPool.Configuration(conninfo: conninfo ?? "", connectionsMax: 16))
    return Workplace(pool: pool, ledger: Ledger(pool), isPrivate: settings.database == nil)
  }

  /// Sees to it that the schema is there: a private database is brought up to date, any other is its owner's business.
  ///
  /// - Throws: ``Failure`` when the schema is missing or old.
  private func prepare() async throws {
    let migrator = Migrator(pool)
    let pending = try await migrator.pending()
    guard !pending.isEmpty else { return }
    guard isPrivate else {
      throw Failure(
        .failed, "schema_outdated",
        "The database lacks \(Sentence.count(pending.count, "migration")), \(pending[0]) first. Run 'marketplace migrate' "
          + "with a role that may create roles and schemas.")
    }
    _ = try await migrator.migrate()
  }

  /// Opens the configured database; see the other.
  static func connect(_ settings: Settings, options: GlobalOptions) async throws -> Workplace {
    try await connect(settings, options: options.place)
  }

  /// Runs a command's work; see the other.
  static func use<T: Sendable>(
    _ settings: Settings, options: GlobalOptions, _ work: @Sendable (Workplace) async throws -> T
  ) async throws -> T {
    try await use(settings, options: options.place, work)
  }

  /// Runs a command's work on an open database and closes it, whatever happens.
  static func use<T: Sendable>(
    _ settings: Settings, options: PlaceOptions, _ work: @Sendable (Workplace) async throws -> T
  ) async throws -> T {
    let place = try await connect(settings, options: options)
    do {
      try await place.prepare()
      let result = try await work(place)
      await place.pool.close()
      return result
    } catch {
      await place.pool.close()
      throw error
    }
  }
}
