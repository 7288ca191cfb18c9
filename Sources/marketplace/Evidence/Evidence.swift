import Audit
import Catalog
import Foundation
import Ledger
import Postgres
import Storage
import Transfer
import Transparency
import Verifier

/// What an auditor keeps of one model: its events with their proofs, the checkpoint, the manifests, a summary to read, and
/// the verifier.
struct Evidence {
  /// A model with more events is not put into one archive: its log is exported whole instead.
  static let eventsMax = 100_000

  /// `evidence.json`.
  struct Document: Encodable {
    var schema = "marketplace.audit.bundle/1"
    var workspace, model: String
    var name, marketplace_name: String?
    var as_of: Int64
    var checkpoint: String
    var events: [Event]

    struct Event: Encodable {
      var position: Int64
      var leaf: String
      var salt, data: String?
      var hashes: [String]
    }
  }

  let reference: ModelReference
  let marketplaceName: String?
  let position: Int64
  let keys: [String]
  let document: Document
  let checkpoint: Checkpoint
  let manifests: [Manifest]
  let available: [AvailabilitySpell]
  let meant: [Spell]
  let history: [HistoryLine]
  let recorded: [RecordedEvent]

  /// A manifest as it lies in storage.
  struct Manifest {
    let uri: String
    let version: Int
    let sha256: String
    /// `nil` when it is not there, or not the one that was recorded.
    let bytes: [UInt8]?
  }

  /// Collects it, as it was known at a position.
  ///
  /// - Throws: ``Failure`` when there are too many events; `AuditError`, `StorageError`, `PostgresError`.
  static func collect(
    _ reference: ModelReference, at position: Int64, _ place: Workplace, _ settings: Settings, _ keys: AuditKeys
  ) async throws -> Evidence {
    let storage = try settings.storage()
    let log = try settings.publishedLog(storage)
    var detached = DetachedData(in: LogSegments(in: storage, log: log, policy: keys.policy))
    let (known, redactions) = try await events(of: reference, upTo: position, place.ledger)
    let recorded = try await detached.filled(known)
    let newest = try await log.newest(believedBy: keys.policy).checkpoint.size
    let later = try Self.later(redactions, of: recorded, publishedUpTo: newest)
    let proven = recorded + later
    let proofs = try await LogProofs(of: log, policy: keys.policy).inclusions(of: proven.compactMap(\.position))
    guard let note = proofs.first?.checkpoint else {
      throw Failure(.failed, "unknown_model", "There is no event of that model up to position \(position).")
    }
    let catalog = Catalog(place.pool)
    let exports = try await catalog.exportSummary(
      asOf: .position(position), workspace: reference.workspace, model: reference.model
    ).filter { $0.exportID != nil }
    var manifests: [Manifest] = []
    for export in exports {
      guard let uri = export.uri, let sha256 = export.manifestSHA256 else { continue }
      let bytes = try await ExportManifest.bytes(at: uri, sha256: sha256, in: storage)
      manifests.append(Manifest(uri: uri, version: export.version, sha256: sha256, bytes: bytes))
    }
    let available = try await catalog.availability(
      of: reference.model, in: reference.workspace, asOf: .position(position))
    let name = available.last?.marketplaceName
    let events = zip(proven, proofs).map { event, proof in
      Document.Event(
        position: proof.position, leaf: String(decoding: proof.leaf, as: UTF8.self),
        salt: event.salt.map { $0.map { String(format: "%02x", $0) }.joined() }, data: event.data,
        hashes: proof.hashes.map(\.base64))
    }
    return Evidence(
      reference: reference, marketplaceName: name, position: position,
      keys: keys.policy.keys.map(\.text),
      document: Document(
        workspace: reference.workspace, model: reference.model.uuidString.lowercased(), name: reference.name,
        marketplace_name: name, as_of: position, checkpoint: String(decoding: note.encoded, as: UTF8.self),
        events: events),
      checkpoint: try Checkpoint(text: note.text), manifests: manifests, available: available,
      meant: try await catalog.production(of: reference.model, in: reference.workspace, asOf: .position(position)),
      history: try await catalog.history(of: reference.model, in: reference.workspace, asOf: .position(position)),
      recorded: recorded)
  }

  /// Redactions, recorded after the moment that is asked of, of events that were there before: without them the archive would
  /// not say where their data is.
  private static func later(
    _ redactions: [RecordedEvent], of events: [RecordedEvent], publishedUpTo size: Int64
  ) throws -> [RecordedEvent] {
    let told = Set(events.filter { $0.type == "EventRedacted" }.compactMap(\.cause))
    let empty = events.filter {
      $0.data == nil && !told.contains(.init(workspace: $0.workspace, sequence: $0.sequence))
    }
    let wanted = Set(empty.map { EventReference(workspace: $0.workspace, sequence: $0.sequence) })
    let later = redactions.filter { redaction in
      redaction.cause.map(wanted.contains) == true && !events.contains { $0.id == redaction.id }
    }
    if let open = later.first(where: { ($0.position ?? .max) > size }) {
      throw Failure(
        .failed, "redaction_unpublished",
        "Event \(open.cause.map { "\($0.workspace)/\($0.sequence)" } ?? "?") was redacted, and the event that says so is not "
          + "published yet. Run 'marketplace audit seal' first.")
    }
    return later.sorted { ($0.position ?? 0) < ($1.position ?? 0) }
  }

  /// The whole streams of the model and of its workspace, and the redactions there, in the order of their positions: what
  /// is counted from 1 without a gap has nothing left out. And all redactions of the workspace, of whatever time.
  private static func events(
    of reference: ModelReference, upTo position: Int64, _ ledger: Ledger
  ) async throws -> (events: [RecordedEvent], redactions: [RecordedEvent]) {
    var events: [RecordedEvent] = []
    for stream in ["model/\(reference.model.uuidString.lowercased())", "workspace", "redactions"] {
      var version: VersionCursor = 0
      while true {
        let page = try await ledger.read(stream: stream, in: reference.workspace, after: version)
        events += page.events
        version = page.next
        if page.isLast { break }
        guard events.count <= eventsMax else {
          throw Failure(
            .failed, "bundle_too_large",
            "The model and its workspace have more than \(eventsMax) events. 'marketplace audit export' writes the whole log."
          )
        }
      }
    }
    return (
      events.filter { ($0.position ?? .max) <= position }.sorted { ($0.position ?? 0) < ($1.position ?? 0) },
      events.filter { $0.type == "EventRedacted" }
    )
  }

  /// The archive.
  ///
  /// - Throws: `AuditError` with `.tooLarge`.
  func archive() throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    var zip = ZipArchive()
    try zip.add("summary.html", Array(EvidencePage(of: self).html.utf8))
    try zip.add("evidence.json", Array(try encoder.encode(document)))
    try zip.add("checkpoint", Array(document.checkpoint.utf8))
    try zip.add("keys.txt", Array((keys.joined(separator: "\n") + "\n").utf8))
    var taken: Set<String> = []
    for manifest in manifests where taken.insert(manifest.sha256).inserted {
      if let bytes = manifest.bytes { try zip.add("manifests/\(manifest.sha256).json", bytes) }
    }
    try zip.add(Verifier.name, Verifier.text)
    try zip.add("README.txt", Array(readme.utf8))
    return zip.finished()
  }

  private var readme: String {
    """
    What is recorded of \(reference.workspace)/\(reference.name ?? "?") up to position \(position) of \(checkpoint.origin).

    summary.html      to read and to print; what it says is not verified, the events it says it of are
    evidence.json     every event of the model and of its workspace's own stream, with a proof for each
    checkpoint        what the proofs lead to: the root of \(checkpoint.size) events, signed
    keys.txt          the keys as whoever made this archive knows them. Believe the one that you were given elsewhere.
    manifests/        the manifest of each export, named by its SHA-256: every file with its size and SHA-256
    verify.py         verifies evidence.json and the manifests with nothing but Python 3:

        python3 verify.py THIS_ARCHIVE VERIFIER_KEY
        python3 verify.py THIS_ARCHIVE VERIFIER_KEY --at 2026-03-01T09:30:00Z

    The second says what was in production then, from the events alone.

    """
  }
}
