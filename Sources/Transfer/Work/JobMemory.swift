public import Foundation
public import Marketplace
public import Postgres
public import Storage

/// What jobs keep beside the ledger, and what they ask it without folding: claims, cursors, known workspaces.
public protocol JobMemory: Sendable {
  /// The id under which this generation of a version is being exported: `fresh`, unless somebody claimed it before.
  func exportID(of identity: VersionIdentity, generation: Int, fresh: UUID) async throws -> String

  /// Gives up an id whose folder cannot be gone on with.
  ///
  /// - Returns: the id that holds now: `fresh`, or the one that another run put in its place first.
  func replaceExportID(
    _ given: String, of identity: VersionIdentity, generation: Int, fresh: UUID
  ) async throws -> String

  /// The claims of a workspace that name one of these exports.
  func claims(of workspace: WorkspaceID, exportIDs: [String]) async throws -> [ExportClaimed]

  /// What a registry said of each model when its versions were last listed, by the bytes of its name. A cache.
  func modelTimes(of registry: String) async throws -> [[UInt8]: ModelTimes]

  /// Takes in what changed in ``modelTimes(of:)``, all of it or nothing.
  func remember(_ changed: [[UInt8]: ModelTimes], forgetting gone: [[UInt8]], of registry: String) async throws

  /// Every workspace that was ever connected and now is, or is no longer, by id.
  func workspaces(areDisconnected: Bool) async throws -> [WorkspaceID]

  /// Whether the ledger knows of any export.
  func hasExports() async throws -> Bool

  /// Those of these files that are noted to have arrived in a registry, by the ids of the notes.
  func uploads(_ ids: [UUID]) async throws -> [UUID: WrittenFile]

  /// Notes that an import has brought a file into a registry, in place of what the id stood for.
  func noteUpload(_ id: UUID, of file: WrittenFile, in importID: UUID) async throws

  /// Takes such a note back.
  func withdrawUpload(_ id: UUID) async throws

  /// Takes back all notes of an import.
  func forgetUploads(of importID: UUID) async throws
}

/// A claim on an export id: under it a generation of a version is, or was, being copied.
public struct ExportClaimed: Hashable, Sendable {
  /// The version.
  public let identity: VersionIdentity
  /// The generation of the export.
  public let generation: Int
  /// The export's id.
  public let exportID: String
  /// When the id was claimed, by the memory's clock, in milliseconds since 1970; `nil` where it keeps no time.
  public let claimedAt: Int64?

  /// Puts the parts together.
  public init(identity: VersionIdentity, generation: Int, exportID: String, claimedAt: Int64?) {
    self.identity = identity
    self.generation = generation
    self.exportID = exportID
    self.claimedAt = claimedAt
  }
}

/// A model's times at its registry, in milliseconds since 1970.
public struct ModelTimes: Hashable, Sendable {
  /// When it was created.
  public var created: Int64
  /// When it last changed; aliases and tags do not move it.
  public var lastUpdated: Int64

  /// Both times.
  public init(created: Int64, lastUpdated: Int64) {
    self.created = created
    self.lastUpdated = lastUpdated
  }
}

/// The memory of the jobs in PostgreSQL: schema `jobs`, and the projections that answer at once.
public struct PostgresMemory: JobMemory {
  let pool: PostgresPool

  /// The memory in a migrated database.
  public init(_ pool: PostgresPool) { self.pool = pool }

  /// From `jobs.export_claim`.
  public func exportID(of identity: VersionIdentity, generation: Int, fresh: UUID) async throws -> String {
    try await ExportClaim.exportID(of: identity, generation: generation, fresh: fresh, in: pool)
  }

  /// In `jobs.export_claim`.
  public func replaceExportID(
    _ given: String, of identity: VersionIdentity, generation: Int, fresh: UUID
  ) async throws -> String {
    try await ExportClaim.replace(given, of: identity, generation: generation, fresh: fresh, in: pool)
  }

  /// From `jobs.export_claim`.
  public func claims(of workspace: WorkspaceID, exportIDs: [String]) async throws -> [ExportClaimed] {
    try await ExportClaim.claims(of: workspace, exportIDs: exportIDs, in: pool)
  }

  /// From `jobs.observation_cursor`.
  public func modelTimes(of registry: String) async throws -> [[UInt8]: ModelTimes] {
    let rows = try await pool.read { session in
      try session.query(
        "select model, created, last_updated from jobs.observation_cursor where registry = $1", [registry])
    }
    var known: [[UInt8]: ModelTimes] = [:]
    for row in rows {
      known[try row.bytes("model")] = ModelTimes(
        created: try row.int64("created"), lastUpdated: try row.int64("last_updated"))
    }
    return known
  }

  /// To `jobs.observation_cursor`.
  public func remember(
    _ changed: [[UInt8]: ModelTimes], forgetting gone: [[UInt8]], of registry: String
  ) async throws {
    try await pool.write { session in
      try session.execute(
        """
        insert into jobs.observation_cursor as cursor (registry, model, created, last_updated)
        select $1, * from unnest($2::bytea[], $3::bigint[], $4::bigint[])
        on conflict (registry, model)
        do update set created = excluded.created, last_updated = excluded.last_updated
        """,
        [registry, Array(changed.keys), changed.values.map(\.created), changed.values.map(\.lastUpdated)])
      try session.execute(
        "delete from jobs.observation_cursor where registry = $1 and model = any($2::bytea[])", [registry, gone])
    }
  }

  /// From `marketplace.workspaces`.
  public func workspaces(areDisconnected: Bool) async throws -> [WorkspaceID] {
    let rows = try await pool.read { session in
      try session.query(
        """
        select workspace from marketplace.workspaces
        where registry is not null and (state = 'disconnected') = $1
        order by workspace
        """, [areDisconnected])
    }
    return try rows.map { try WorkspaceID($0.string("workspace")) }
  }

  /// From `jobs.upload`.
  public func uploads(_ ids: [UUID]) async throws -> [UUID: WrittenFile] {
    try await UploadNote.uploads(ids, in: pool)
  }

  /// In `jobs.upload`.
  public func noteUpload(_ id: UUID, of file: WrittenFile, in importID: UUID) async throws {
    try await UploadNote.note(id, of: file, in: importID, pool: pool)
  }

  /// From `jobs.upload`.
  public func withdrawUpload(_ id: UUID) async throws { try await UploadNote.withdraw(id, in: pool) }

  /// From `jobs.upload`.
  public func forgetUploads(of importID: UUID) async throws {
    try await UploadNote.forget(importID, in: pool)
  }

  /// From `marketplace.export_summary`.
  public func hasExports() async throws -> Bool {
    let rows = try await pool.read { session in
      try session.query("select exists (select from marketplace.export_summary) as yes")
    }
    return try rows.first?.bool("yes") ?? false
  }
}
