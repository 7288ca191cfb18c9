import ArgumentParser
import Audit
import Catalog
import Foundation
import Ledger
import Marketplace
import Transparency

extension AuditCommand {
  /// `marketplace audit recover`
  struct Recover: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "recover", abstract: "Take back what a restored database has lost, or go on as a new log.",
      discussion: """
        From an export the very same events come back to the very same positions; the root is proven to be the published one. \
        Where there is none, --old-key opens a new log, whose first event of its own says what is lost: configure another \
        origin, folder and key for it before. Needs a member of ledger_owner, and stopped jobs. For example:
          marketplace audit recover ledger.log
          marketplace audit recover --old-key "$(cat old-verifier.key)" --old-folder log
        """)
    @OptionGroup var options: GlobalOptions
    @Argument(help: "An export of the log, from before the loss.") var export: String?
    @Option(help: ArgumentHelp("The verifier key of the log that is given up.", valueName: "key")) var oldKey: String?
    @Option(help: "The folder of external storage that it lies in.") var oldFolder = PublishedLog.folder

    private struct JSON: Encodable {
      var schema = "marketplace.audit.recover/1"
      var origin: String
      var size: Int64
      var root: String
      var recovered: Int64
      var lost: Int64
      var rebuilt: [String]
    }

    func validate() throws {
      guard (export == nil) != (oldKey == nil) else {
        throw ValidationError("Name an export to recover from, or with --old-key the log that is given up.")
      }
    }

    func run() async throws {
      let settings = try Settings(options)
      let result = try await Workplace.use(settings, options: options) { place in
        if let export {
          try await takeBack(export, place, settings)
        } else {
          try await reopen(place, settings)
        }
      }
      switch options.output {
      case .json: try JSONOutput.print(result)
      case .table:
        Console.data(
          "  \(result.origin): \(Sentence.count(Int(result.size), "event"))   root \(MerkleHash(base64: result.root)?.description ?? result.root)   "
            + "\(result.recovered) taken back, \(result.lost) lost")
        if !result.rebuilt.isEmpty { Console.data("  projections rebuilt: \(result.rebuilt.joined(separator: ", "))") }
        if export != nil, result.lost > 0 {
          Console.data(
            "  The export ends before the newest checkpoint: a later export has the rest. Until then nothing can be sealed."
          )
        }
      }
    }

    private func takeBack(_ export: String, _ place: Workplace, _ settings: Settings) async throws -> JSON {
      let keys = try settings.auditKeys()
      let outcome = try await LogRecovery(
        of: place.ledger, log: try settings.publishedLog(try settings.storage()), policy: keys.policy,
        locks: PostgresPublicationLocks(place.pool)
      ).run(from: try ExportedEntries(path: export, keepsContent: true))
      // Those of an earlier run that was killed before it came to them as well.
      let projections = Projections(place.pool)
      let stale = Set(outcome.workspaces).union(try await projections.stale().map(\.workspace)).sorted()
      for workspace in stale { _ = try await projections.rebuild(workspace) }
      return JSON(
        origin: outcome.checkpoint.origin, size: outcome.checkpoint.size, root: outcome.checkpoint.root.base64,
        recovered: outcome.recovered, lost: max(0, outcome.newest.size - outcome.checkpoint.size),
        rebuilt: stale)
    }

    private func reopen(_ place: Workplace, _ settings: Settings) async throws -> JSON {
      let keys = try settings.auditKeys(signs: true)
      let storage = try settings.storage()
      let log = try settings.publishedLog(storage)
      let verifier: NoteVerifier
      do {
        verifier = try NoteVerifier(oldKey ?? "")
      } catch let error as NoteError {
        throw Failure(.usage, "audit_key", "--old-key: \(error)")
      }
      let old = PublishedLog(in: storage, folder: oldFolder)
      guard log.folder != oldFolder, try await log.newest() == nil else {
        throw Failure(
          .usage, "log_not_new",
          "audit: folder '\(log.folder)' holds a log already. A new log lies in a folder of its own: configure one, with another "
            + "origin and key.")
      }
      guard let note = try await old.newest() else {
        throw Failure(.failed, "nothing_published", "There is no log in folder '\(oldFolder)' of external storage.")
      }
      let origin = try Checkpoint(text: note.text).origin
      guard origin != keys.policy.origin else {
        throw Failure(
          .usage, "log_not_new",
          "audit: origin '\(origin)' is that of the log that is given up. A new log has a name that no other has.")
      }
      let policy = try CheckpointPolicy(origin: origin, keys: [verifier], witnesses: [], witnessesMin: 0)
      let predecessor = try await LogSuccession(of: place.ledger, old: old, policy: policy).predecessor()
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
      let data = String(decoding: try encoder.encode(predecessor), as: UTF8.self)
      try await place.ledger.openWorkspace("marketplace")
      _ = try await place.ledger.append(
        [
          NewEvent(
            stream: LogSuccession.stream, expectedVersion: nil,
            // The same for a run that was killed before it published, so that it is said once.
            id: NameBasedUUID.make(["log reopened", predecessor.origin, "\(predecessor.size)", predecessor.root]),
            type: LogSuccession.type, occurredAt: nil, data: data, cause: nil)
        ], to: "marketplace", run: nil)
      let outcome = try await place.publisher(settings, keys).publish()
      return JSON(
        origin: outcome.checkpoint.origin, size: outcome.checkpoint.size, root: outcome.checkpoint.root.base64,
        recovered: 0, lost: predecessor.size - predecessor.kept, rebuilt: [])
    }
  }
}
