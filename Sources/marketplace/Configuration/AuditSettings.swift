import Audit
import Foundation
import Ledger
import Storage
import Transparency

/// How the log is published and believed, as it is written.
struct AuditSettings: Decodable {
  var origin: String
  var signing_keys: [String]?
  var verifier_keys: [String]?
  var witnesses: [String]?
  var witnesses_min: Int?
  var folder: String?
  static let keys: Set<String> = ["origin", "folder", "signing_keys", "verifier_keys", "witnesses", "witnesses_min"]
}

/// The keys that a command works with.
struct AuditKeys: Sendable {
  let policy: CheckpointPolicy
  /// None where a machine verifies and does not publish.
  let signers: [NoteSigner]
}

extension Settings {
  /// The keys of the log; `nil` where nothing is published.
  ///
  /// - Throws: ``Failure`` where what is configured cannot be used.
  func auditKeysIfAny(signs: Bool = false) throws -> AuditKeys? {
    file.audit == nil ? nil : try auditKeys(signs: signs)
  }

  /// The keys of the log.
  ///
  /// - Parameter signs: whether secret keys are needed; without it those that cannot be read are done without, where there
  ///   are verifier keys.
  /// - Throws: ``Failure`` where none are configured, or what is configured cannot be used.
  func auditKeys(signs: Bool = false) throws -> AuditKeys {
    guard let written = file.audit else {
      throw Failure(
        .usage, "audit_not_configured",
        "The configuration has no 'audit'. 'marketplace audit keygen' makes a key and says what to write there.")
    }
    let hasVerifiers = !(written.verifier_keys ?? []).isEmpty
    let signers = try (written.signing_keys ?? []).compactMap { path in
      do {
        return try Self.signer(path)
      } catch  where !signs && hasVerifiers {
        // Whoever only verifies need not be able to read it, as long as its verifier key is configured.
        return nil as NoteSigner?
      }
    }
    do {
      let verifiers = try (written.verifier_keys ?? []).map { try NoteVerifier($0) }
      let policy = try CheckpointPolicy(
        origin: written.origin, keys: signers.map(\.verifier) + verifiers,
        witnesses: try (written.witnesses ?? []).map { try NoteVerifier($0) },
        witnessesMin: written.witnesses_min ?? 0)
      return AuditKeys(policy: policy, signers: signers)
    } catch let error as NoteError {
      throw Failure(.usage, "audit_key", "audit: \(error)")
    }
  }

  /// Where the log lies in external storage.
  ///
  /// - Throws: ``Failure`` for a folder that is none.
  func publishedLog(_ storage: any ExternalStorage) throws -> PublishedLog {
    let folder = file.audit?.folder ?? PublishedLog.folder
    guard folder.wholeMatch(of: /[a-z0-9][a-z0-9-]{0,62}/) != nil, folder != "exports",
      folder != LogSegments.folder
    else {
      throw Failure(
        .usage, "audit_folder",
        "audit: folder '\(folder)': a folder of external storage, of up to 63 of a-z, 0-9 and -, other than exports and segments."
      )
    }
    return PublishedLog(in: storage, folder: folder)
  }

  /// The segments of the log, in external storage.
  ///
  /// - Throws: ``Failure``, as ``auditKeys(signs:)``; `StorageError`.
  func segments() throws -> LogSegments {
    let storage = try storage()
    return LogSegments(in: storage, log: try publishedLog(storage), policy: try auditKeys().policy)
  }

  /// A signing key, from a file that nobody else may read.
  private static func signer(_ path: String) throws -> NoteSigner {
    // The file that is read is the one that is looked at, behind whatever links lead there.
    let file = URL(fileURLWithPath: path).resolvingSymlinksInPath().path
    guard let bytes = try? FileHandle(forReadingAtPath: file)?.read(upToCount: 4_096),
      let attributes = try? FileManager.default.attributesOfItem(atPath: file)
    else {
      throw Failure(.usage, "audit_key", "audit: signing_keys: \(path) cannot be read.")
    }
    guard let mode = attributes[.posixPermissions] as? Int, mode & 0o027 == 0 else {
      throw Failure(
        .usage, "audit_key",
        "audit: signing_keys: \(path) may be read by anybody, or written by its group. Whoever reads it can sign in the log's "
          + "name: chmod 600 '\(path)', or 640 where a group of its own is to read it.")
    }
    let text = String(decoding: bytes, as: UTF8.self)
    do {
      return try NoteSigner(secret: text.trimmingCharacters(in: .whitespacesAndNewlines))
    } catch let error as NoteError {
      throw Failure(.usage, "audit_key", "audit: signing_keys: \(path): \(error)")
    }
  }
}

extension Workplace {
  /// Gives what was appended its place in the global order, and publishes it where keys are configured to sign with. Who
  /// may not seal leaves that to the next who may.
  ///
  /// - Parameter keys: those of the configuration; `nil` where nothing is published.
  /// - Returns: whether this role may seal.
  /// - Throws: `AuditError` when the database does not go on from what was published.
  @discardableResult
  func seal(_ settings: Settings, _ keys: AuditKeys?, publishes: Bool = true) async throws -> Bool {
    do {
      if let keys {
        let publisher = try publisher(settings, keys)
        if publishes, !keys.signers.isEmpty { _ = try await publisher.publish() } else { try await publisher.seal() }
      } else {
        _ = try await ledger.seal()
      }
      return true
    } catch let error as LedgerError where error.code == .notAllowed {
      return false
    }
  }

  /// The same for whoever only reads: publishes nothing, and where keys or the published log are out of reach is content
  /// with what others have sealed.
  func sealToRead(_ settings: Settings) async throws {
    do {
      try await seal(settings, try settings.auditKeysIfAny(), publishes: false)
    } catch let error as AuditError where error.code == .away {
      return
    } catch let error where error is StorageError || error is Failure {
      return
    }
  }

  func publisher(_ settings: Settings, _ keys: AuditKeys) throws -> LogPublisher {
    LogPublisher(
      ledger: ledger, log: try settings.publishedLog(try settings.storage()), policy: keys.policy,
      signers: keys.signers,
      locks: PostgresPublicationLocks(pool))
  }
}
