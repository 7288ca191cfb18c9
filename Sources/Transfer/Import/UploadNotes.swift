import Foundation
import Marketplace
import Postgres
import Registry
import Storage

/// What of an export has arrived in a registry, noted file by file, so that an import that was killed sends the rest.
///
/// A registry tells neither digests nor times of its artifacts. So a file that it lists with the right size is taken for
/// the export's only where it is noted that an import wrote it there, with the digest that the manifest has.
struct UploadNotes: Sendable {
  /// Files of up to so many bytes are sent again: a note takes about as long.
  static let bytesMax: Int64 = 1_048_576

  let memory: any JobMemory
  /// The registry.
  let target: String
  /// The key of the version that is imported.
  let key: Tag

  /// What is noted of these files at a place, by their paths.
  func noted(_ files: [(file: Manifest.File, path: String)], at root: String) async throws -> [[UInt8]: WrittenFile] {
    let large = files.filter { $0.file.size > Self.bytesMax }
    guard !large.isEmpty else { return [:] }
    let found = try await memory.uploads(large.map { id($0.path, at: root) })
    return Dictionary(
      large.compactMap { file in found[id(file.path, at: root)].map { (Array(file.path.utf8), $0) } },
      uniquingKeysWith: { first, _ in first })
  }

  /// Notes that a file has arrived.
  func note(_ file: Manifest.File, as path: String, at root: String) async throws {
    guard file.size > Self.bytesMax else { return }
    try await memory.noteUpload(
      id(path, at: root), of: WrittenFile(size: file.size, sha256: file.sha256), in: importID)
  }

  /// Takes a note back, before the file that it is about is overwritten.
  func withdraw(_ path: String, at root: String) async throws {
    try await memory.withdrawUpload(id(path, at: root))
  }

  /// Forgets what was noted, by earlier attempts from other exports too, once the version is imported.
  func forget(_ export: ModelExported) async throws {
    guard export.bytes > Self.bytesMax else { return }
    try await memory.forgetUploads(of: importID)
  }

  private var importID: UUID { NameBasedUUID.make(["import", target, key.value]) }

  private func id(_ path: String, at root: String) -> UUID { NameBasedUUID.make(["upload", target, root, path]) }
}

/// The notes in `jobs.upload`.
enum UploadNote {
  /// Notes of imports that nobody went on with are kept for so many days.
  private static let daysMax = 30

  static func uploads(_ ids: [UUID], in pool: PostgresPool) async throws -> [UUID: WrittenFile] {
    let rows = try await pool.read { session in
      try session.query("select id, size, sha256 from jobs.upload where id = any($1)", [ids])
    }
    var found: [UUID: WrittenFile] = [:]
    for row in rows {
      found[try row.uuid("id")] = WrittenFile(size: try row.int64("size"), sha256: try row.string("sha256"))
    }
    return found
  }

  static func note(
    _ id: UUID, of file: WrittenFile, in importID: UUID, pool: PostgresPool
  ) async throws {
    try await pool.write { session in
      try session.execute(
        """
        insert into jobs.upload (id, import_id, size, sha256) values ($1, $2, $3, $4)
        on conflict (id) do update
        set import_id = excluded.import_id, size = excluded.size, sha256 = excluded.sha256,
          noted_at = clock_timestamp()
        """, [id, importID, file.size, file.sha256])
    }
  }

  static func withdraw(_ id: UUID, in pool: PostgresPool) async throws {
    try await pool.write { session in try session.execute("delete from jobs.upload where id = $1", [id]) }
  }

  static func forget(_ importID: UUID, in pool: PostgresPool) async throws {
    try await pool.write { session in
      try session.execute(
        """
        delete from jobs.upload
        where import_id = $1 or noted_at < clock_timestamp() - $2 * interval '1 day'
        """, [importID, Int64(daysMax)])
    }
  }
}
