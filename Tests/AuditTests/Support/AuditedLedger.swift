import Foundation
import Ledger
import Postgres
import Storage
import Synchronization
import TestSupport
import Transparency

@testable import Audit

/// A migrated database, a store, and a key: what a test of the log needs, of its own.
struct AuditedLedger: Sendable {
  static let origin = "test.example/marketplace"

  let pool: PostgresPool
  let ledger: Ledger
  let folder: URL
  let storage: FileStorage
  let signer: NoteSigner
  let policy: CheckpointPolicy

  var log: PublishedLog { PublishedLog(in: storage) }
  /// Of 256 events each.
  var segments: LogSegments { LogSegments(in: storage, log: log, policy: policy, level: 8) }

  private static let template = Task {
    let database = try await TestCluster.migratedDatabase()
    let pool = database.pool(connectionsMax: 1)
    try await pool.withSession { session in
      _ = try session.query("SELECT ledger.register_event_type('Happened', 1::smallint, 'for tests')")
    }
    await pool.close()
    return database.name
  }

  /// - Parameters:
  ///   - other: whose store and key are used; a database and a store of their own otherwise.
  static func make(sharing other: AuditedLedger? = nil, template: String? = nil) async throws -> AuditedLedger {
    let migrated = try await Self.template.value
    let database = try await TestCluster.createDatabase(template: template ?? migrated)
    let pool = database.pool(connectionsMax: 4)
    let ledger = Ledger(pool)
    for workspace in ["dev01", "dev02"] { try await ledger.openWorkspace(workspace) }
    let signer = try other?.signer ?? NoteSigner(name: origin)
    let folder =
      other?.folder ?? FileManager.default.temporaryDirectory.appending(path: "audit-\(UUID().uuidString)")
    return AuditedLedger(
      pool: pool, ledger: ledger, folder: folder, storage: try FileStorage(url: "file://\(folder.path)"),
      signer: signer,
      policy: try CheckpointPolicy(origin: origin, keys: [signer.verifier]))
  }

  /// Runs `body` on one, and puts away what it made.
  static func with(_ body: (AuditedLedger) async throws -> Void) async throws {
    let test = try await make()
    do {
      try await body(test)
    } catch {
      await test.end()
      throw error
    }
    await test.end()
  }

  private func end() async {
    await pool.close()
    try? FileManager.default.removeItem(at: folder)
  }

  func append(_ count: Int, to workspace: String = "dev01") async throws {
    guard count > 0 else { return }
    let events = (0..<count).map { number in
      NewEvent(stream: "s\(number % 7)", id: UUID(), type: "Happened", data: #"{"number":\#(number)}"#)
    }
    _ = try await ledger.append(events, to: workspace, inBatchesOf: 1_000)
  }

  func publisher(signers: [NoteSigner]? = nil, policy: CheckpointPolicy? = nil) -> LogPublisher {
    LogPublisher(
      ledger: ledger, log: log, policy: policy ?? self.policy, signers: signers ?? [signer],
      locks: PostgresPublicationLocks(pool))
  }

  @discardableResult
  func publish() async throws -> LogPublisher.Outcome { try await publisher().publish() }

  func verify() async throws -> LogVerification.Report {
    try await LogVerification(of: log, policy: policy, segments: segments).run(LedgerEntries(ledger))
  }

  /// Writes an export into a file.
  func export() async throws -> (file: String, checkpoint: Checkpoint) {
    let file = folder.appending(path: "export-\(UUID().uuidString).log").path
    let bytes = Mutex<[UInt8]>([])
    let checkpoint = try await LogExport(of: ledger, log: log, policy: policy, segments: segments).run { piece in
      bytes.withLock { $0 += piece }
    }
    try Data(bytes.withLock { $0 }).write(to: URL(fileURLWithPath: file))
    return (file, checkpoint)
  }

  /// What an administrator of the database can do who drops the triggers first.
  func tamper(_ statements: String) async throws {
    try await pool.withSession { session in
      try session.executeScript(
        """
        SET ROLE NONE;
        DO $$
        DECLARE _each record;
        BEGIN
          FOR _each IN SELECT tgrelid::regclass AS place, tgname FROM pg_trigger
                       WHERE tgname LIKE 'append_only%' AND tgparentid = 0 LOOP
            EXECUTE format('DROP TRIGGER %I ON %s', _each.tgname, _each.place);
          END LOOP;
        END $$;
        \(statements)
        """)
    }
  }

  /// Files of the published log, by their path below it.
  func files() throws -> [String: Data] {
    let root = folder.appending(path: PublishedLog.folder)
    let all = FileManager.default.enumerator(at: root, includingPropertiesForKeys: [.isRegularFileKey])
    var files: [String: Data] = [:]
    while let file = all?.nextObject() as? URL {
      guard try file.resourceValues(forKeys: [.isRegularFileKey]).isRegularFile == true else { continue }
      files[String(file.path.dropFirst(root.path.count + 1))] = try Data(contentsOf: file)
    }
    return files
  }

  /// The root of the ledger's own leaves, as PostgreSQL hashes them and the RFC defines it.
  func root(of size: Int) async throws -> MerkleHash {
    let rows = try await pool.withSession { session in
      try session.query("SELECT leaf_hash FROM ledger.leaves(0, $1)", [size])
    }
    let hashes = try rows.compactMap { MerkleHash(try $0.bytes("leaf_hash")) }
    return Self.root(hashes[...])
  }

  static func root(_ leaves: ArraySlice<MerkleHash>) -> MerkleHash {
    guard leaves.count > 1 else { return leaves.first ?? .empty }
    var half = 1
    while half * 2 < leaves.count { half *= 2 }
    let middle = leaves.startIndex + half
    return .node(root(leaves[..<middle]), root(leaves[middle...]))
  }
}

/// The code of the `AuditError` that `body` throws; nil if it throws none.
func auditCode(_ body: () async throws -> Void) async throws -> AuditError.Code? {
  do {
    try await body()
    return nil
  } catch let error as AuditError {
    return error.code
  }
}
