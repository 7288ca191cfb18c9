import EmbeddedMigrations

/// One step of the schema. Once released it is never edited: the database remembers its checksum.
public struct Migration: Sendable, Hashable {
  /// The name of its file without the extension, for example `m0001-roles`.
  public let name: String
  /// What it executes, in one transaction.
  public let sql: String

  /// Makes a step; the product's own are in ``Migrations/all``.
  public init(name: String, sql: String) {
    self.name = name
    self.sql = sql
  }
}

/// The steps of the schema, in order; `embedded/embedded_migrations.c` lists them.
public enum Migrations {
  /// Every step this program knows.
  public static let all: [Migration] = (0..<embedded_migrations_count()).map { place in
    let step = embedded_migrations_at(place)
    return Migration(name: String(cString: step.name), sql: String(cString: step.sql))
  }
}
