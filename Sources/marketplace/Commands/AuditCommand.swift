import ArgumentParser
import Audit
import Catalog
import Foundation
import Ledger
import Transparency

/// `marketplace audit`
struct AuditCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "audit", abstract: "Publish the ledger as a transparency log, verify it, and prove what is in it.",
    discussion: """
      For example:
        marketplace audit keygen ledger.example.org/marketplace /etc/marketplace/log.key
        marketplace audit seal
        marketplace audit verify
      """,
    subcommands: [
      KeyGen.self, Keys.self, Seal.self, Witness.self, Verify.self, Export.self, Prove.self, Consistency.self,
      Bundle.self,
      Recover.self, Segments.self,
    ])

  /// `marketplace audit keygen`
  struct KeyGen: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "keygen", abstract: "Make a key that signs checkpoints.",
      discussion: """
        Writes the secret key to a file that nobody else may read, and prints the verifier key, which everybody may know. To \
        change keys, sign with both for a time: keep the old file in signing_keys, and its verifier key in verifier_keys \
        after that, since old checkpoints bear its signature. For example:
          marketplace audit keygen ledger.example.org/marketplace /etc/marketplace/log.key
        """)
    @OptionGroup var options: GlobalOptions
    @Argument(help: "The name of the log, which no other has: by custom an address without its scheme.")
    var origin: String
    @Argument(help: "The file that the secret key is written to. It must not exist.")
    var file: String

    private struct JSON: Encodable {
      var schema = "marketplace.audit.keygen/1"
      var verifier_key: String
      var file: String
    }

    func run() throws {
      let signer: NoteSigner
      do {
        signer = try NoteSigner(name: origin)
      } catch let error as NoteError {
        throw Failure(.usage, "audit_key", "\(error)")
      }
      let output = try NewFile(path: file)
      do {
        try output.write(Array("\(signer.secret)\n".utf8))
        try output.finish()
      } catch {
        output.abandon()
        throw error
      }
      guard options.output == .table else {
        return try JSONOutput.print(JSON(verifier_key: signer.verifier.text, file: file))
      }
      Console.data(signer.verifier.text)
      if options.quiet { return }
      Console.remark(
        """
          the secret key is in \(file); write into the configuration:

            audit:
              origin: \(origin)
              signing_keys: [\(URL(fileURLWithPath: file).path)]

          Whoever verifies elsewhere writes verifier_keys with the line above instead of signing_keys.
        """)
    }
  }

  /// `marketplace audit keys`
  struct Keys: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "keys", abstract: "Print the verifier keys that are configured: what whoever verifies needs.",
      discussion: "For example: marketplace audit keys")
    @OptionGroup var options: GlobalOptions

    private struct JSON: Encodable {
      var schema = "marketplace.audit.keys/1"
      var origin: String
      var keys: [String]
      var witnesses: [String]
    }

    func run() async throws {
      let policy = try Settings(options).auditKeys().policy
      let (keys, witnesses) = (policy.keys.map(\.text), policy.witnesses.map(\.text))
      switch options.output {
      case .json: try JSONOutput.print(JSON(origin: policy.origin, keys: keys, witnesses: witnesses))
      case .table: for key in keys + witnesses { Console.data(key) }
      }
    }
  }

  /// `marketplace audit seal`
  struct Seal: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "seal", abstract: "Give events their positions, and publish a signed checkpoint over them.",
      discussion: """
        Every job does so at its end. Exit code 8 when the database does not go on from what was published. For example:
          marketplace audit seal
        """)
    @OptionGroup var options: GlobalOptions
    @Flag(help: "Publish from the beginning where what was published is lost.") var anew = false
    @Flag(help: "Move tiles that no checkpoint holds, of events that a restored database has lost, out of the way.")
    var putAside = false

    private struct JSON: Encodable {
      var schema = "marketplace.audit.seal/1"
      var origin: String
      var size: Int64
      var added: Int64
      var put_aside: Int
      var root: String
    }

    func run() async throws {
      let settings = try Settings(options)
      let keys = try settings.auditKeys(signs: true)
      guard !keys.signers.isEmpty else {
        throw Failure(
          .usage, "audit_key", "audit: no signing_keys are configured here, so this machine cannot sign a checkpoint.")
      }
      let outcome = try await Workplace.use(settings, options: options) { place in
        try await place.publisher(settings, keys).publish(anew: anew, putsAside: putAside)
      }
      let checkpoint = outcome.checkpoint
      switch options.output {
      case .json:
        try JSONOutput.print(
          JSON(
            origin: checkpoint.origin, size: checkpoint.size, added: outcome.added, put_aside: outcome.aside,
            root: checkpoint.root.base64))
      case .table:
        Console.data(
          "  \(checkpoint.origin): \(Sentence.count(Int(checkpoint.size), "event")), "
            + "\(outcome.added == 0 ? "nothing new" : "\(outcome.added) more")   root \(checkpoint.root)"
            + (outcome.aside == 0 ? "" : "   \(Sentence.count(outcome.aside, "tile")) put aside"))
      }
    }
  }

  /// `marketplace audit verify`
  struct Verify: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "verify", abstract: "Recompute the ledger against every checkpoint that was ever published.",
      discussion: """
        Changes nothing. Names the first position that is wrong, and how: edited, deleted, inserted, reordered, truncated or \
        forked; and exits with 8 then. Events that no checkpoint holds yet are vouched for by the database alone. The tables \
        behind the catalog are compared with the events too, unless --log-only is given. For example:
          marketplace audit verify
          marketplace audit verify --export ledger.log
          marketplace audit verify --export ledger.log --offline
        """)
    @OptionGroup var options: GlobalOptions
    @Option(help: ArgumentHelp("Verify an export instead of the database.", valueName: "file"))
    var export: String?
    @Flag(help: "Ask external storage for nothing: hold the export against its own checkpoint alone.")
    var offline = false
    @Flag(help: "Do not compare the tables behind the catalog with the events.")
    var logOnly = false

    func validate() throws {
      if offline, export == nil {
        throw ValidationError("--offline needs --export: the database is verified by what is published.")
      }
    }

    private struct JSON: Encodable {
      var schema = "marketplace.audit.verify/1"
      var exit_code: Int32
      var events: Int64
      var checkpoints: Int
      var newest_size: Int64?
      var newest_root: String?
      var unpublished, unwitnessed, detached: Int64
      var findings_count: Int
      var findings: [Finding]
      /// Workspaces of which the tables behind the catalog stopped: they were compared up to there.
      var stale_workspaces: [String]
      /// Those of them that could not be compared: they have to be rebuilt before anything can be said of them.
      var uncompared_workspaces: [String]

      struct Finding: Encodable {
        var kind: String
        var position: Int64?
        var message: String
      }
    }

    func run() async throws {
      let settings = try Settings(options)
      let keys = try settings.auditKeys()
      let (report, tables) = try await verified(settings, keys)
      let status: ExitStatus =
        report.findingsCount > 0 ? .integrity : tables.uncompared.isEmpty ? .done : .someFailed
      switch options.output {
      case .json:
        try JSONOutput.print(
          JSON(
            exit_code: status.rawValue, events: report.entries, checkpoints: report.checkpoints,
            newest_size: report.newest?.size, newest_root: report.newest?.root.base64, unpublished: report.unpublished,
            unwitnessed: report.unwitnessed, detached: report.detached, findings_count: report.findingsCount,
            findings: report.findings.map {
              JSON.Finding(kind: $0.kind.rawValue, position: $0.position, message: $0.message)
            }, stale_workspaces: tables.stale, uncompared_workspaces: tables.uncompared))
      case .table: Self.tell(report, tables)
      }
      if status != .done { throw JobEnded(status: status) }
    }

    private func verified(
      _ settings: Settings, _ keys: AuditKeys
    ) async throws -> (report: LogVerification.Report, tables: Tables) {
      let log = offline ? nil : try settings.publishedLog(try settings.storage())
      guard let export else {
        return try await Workplace.use(settings, options: options) { place in
          let locks = PostgresPublicationLocks(place.pool)
          var report = try await LogVerification(
            of: log, policy: keys.policy, locks: locks, segments: try settings.segments()
          ).run(LedgerEntries(place.ledger))
          // Of tables beside events that are wrong themselves nothing can be said.
          guard !logOnly, report.findingsCount == 0 else { return (report, Tables()) }
          let tables = try await Self.compareProjections(place, &report)
          return (report, tables)
        }
      }
      let entries = try ExportedEntries(path: export)
      let verification = LogVerification(of: log, policy: keys.policy)
      return (try await verification.run(entries, with: try await entries.checkpoint()), Tables())
    }

    /// Workspaces of which the tables behind the catalog do not follow.
    struct Tables {
      var stale: [String] = []
      var uncompared: [String] = []
    }

    /// The rows behind the catalog that the events do not account for, and those that they call for.
    private static func compareProjections(
      _ place: Workplace, _ report: inout LogVerification.Report
    ) async throws -> Tables {
      var tables = Tables()
      let projections = Projections(place.pool)
      for workspace in try await projections.workspaces() {
        for difference in try await projections.check(workspace) {
          guard let table = difference.table else {
            // They stopped visibly, and claim nothing beyond: no harm, and what they claim is compared where it can be.
            guard difference.difference == "stale" else {
              tables.uncompared.append(workspace)
              continue
            }
            tables.stale.append(workspace)
            Console.remark(
              "  \(workspace): the tables behind the catalog are stale: \(difference.row). "
                + "'marketplace projections rebuild \(workspace)' takes the rest in.")
            continue
          }
          let event = difference.sequence.map { ", by event \(workspace)/\($0)" } ?? ""
          report.add(
            .projection, at: difference.position,
            "\(workspace): \(table): \(difference.difference)\(event): \(difference.row). "
              + "'marketplace projections rebuild \(workspace)' makes it what the events say.")
        }
      }
      return tables
    }

    private static func tell(_ report: LogVerification.Report, _ tables: Tables) {
      for finding in report.findings {
        Console.data("  \(finding.kind.rawValue)  \(Sentence.printable(finding.message))")
      }
      let events = Sentence.count(Int(report.entries), "event")
      let held = "held against \(Sentence.count(report.checkpoints, "checkpoint"))"
      let rest =
        (report.unpublished == 0 ? "" : ", \(report.unpublished) of them under none yet")
        + (report.unwitnessed == 0 ? "" : ", \(report.unwitnessed) of them under none that witnesses have signed yet")
        + (report.detached == 0 ? "" : ", the data of \(report.detached) in segments")
      Console.data(
        report.findingsCount == 0
          ? "  \(events) \(held)\(rest): all is as it was published"
            + (tables.uncompared.isEmpty
              ? ""
              : "; the tables behind the catalog of \(tables.uncompared.joined(separator: ", ")) could not be compared")
          : "  \(events) recomputed, \(held): \(Sentence.count(report.findingsCount, "finding"))")
    }
  }

  /// `marketplace audit export`
  struct Export: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "export", abstract: "Write the published log as lines that anyone can verify.",
      discussion: """
        For each event its leaf and, below it, its data; then an empty line and the signed checkpoint. ops/audit/verify.py \
        verifies it with nothing but Python. For example:
          marketplace audit export ledger.log
        """)
    @OptionGroup var options: GlobalOptions
    @Argument(help: "The file to write. It must not exist.") var file: String

    private struct JSON: Encodable {
      var schema = "marketplace.audit.export/1"
      var file: String
      var size: Int64
      var root: String
    }

    func run() async throws {
      let settings = try Settings(options)
      let keys = try settings.auditKeys()
      let output = try NewFile(path: file)
      let checkpoint: Checkpoint
      do {
        checkpoint = try await Workplace.use(settings, options: options) { place in
          try await LogExport(
            of: place.ledger, log: try settings.publishedLog(try settings.storage()), policy: keys.policy,
            segments: try settings.segments()
          ).run { try output.write($0) }
        }
        try output.finish()
      } catch {
        output.abandon()
        throw error
      }
      switch options.output {
      case .json: try JSONOutput.print(JSON(file: file, size: checkpoint.size, root: checkpoint.root.base64))
      case .table:
        Console.data("  \(file): \(Sentence.count(Int(checkpoint.size), "event"))   root \(checkpoint.root)")
      }
    }
  }

  /// `marketplace audit prove`
  struct Prove: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "prove", abstract: "Prove that an event is in the published log.",
      discussion: """
        Prints one JSON object: the leaf, the hashes beside its way to the root, and the signed checkpoint. A position needs no \
        database; what an event is called is looked up there. For example:
          marketplace audit prove 4711
          marketplace audit prove dev01/812
          marketplace audit prove 6ba7b810-9dad-11d1-80b4-00c04fd430c8
        """)
    @OptionGroup var options: GlobalOptions
    @Argument(help: "The event's position, workspace/sequence, or id.") var event: String

    struct JSON: Encodable {
      var schema = "marketplace.audit.inclusion/1"
      var position: Int64
      var leaf: String
      var leaf_hash: String
      var hashes: [String]
      var checkpoint: String

      init(_ proof: LogProofs.Inclusion) {
        position = proof.position
        leaf = String(decoding: proof.leaf, as: UTF8.self)
        leaf_hash = MerkleHash.leaf(proof.leaf).base64
        hashes = proof.hashes.map(\.base64)
        checkpoint = String(decoding: proof.checkpoint.encoded, as: UTF8.self)
      }
    }

    func run() async throws {
      let settings = try Settings(options)
      let proof = try await LogProofs(
        of: try settings.publishedLog(try settings.storage()), policy: try settings.auditKeys().policy
      ).inclusion(of: try await position(settings))
      try JSONOutput.print(JSON(proof))
    }

    private func position(_ settings: Settings) async throws -> Int64 {
      if let position = Int64(event) { return position }
      let places: [(workspace: String, sequence: Int64, position: Int64?)]
      if let id = UUID(uuidString: event) {
        places = try await Workplace.use(settings, options: options) { try await $0.ledger.places(of: id) }
      } else if let parts = event.wholeMatch(of: /([a-z0-9-]{1,63})\/([0-9]{1,18})/), let sequence = Int64(parts.2) {
        let workspace = String(parts.1)
        let position = try await Workplace.use(settings, options: options) {
          try await $0.ledger.position(of: sequence, in: workspace)
        }
        places = [(workspace, sequence, position)]
      } else {
        throw Failure(
          .usage, "bad_event", "'\(event)' is no event. Write its position, workspace/sequence, or its id.")
      }
      guard places.count <= 1 else {
        throw Failure(
          .usage, "ambiguous_event",
          "\(event) is the id of an event in \(places.count) workspaces. Write one of "
            + places.map { "\($0.workspace)/\($0.sequence)" }.joined(separator: ", "))
      }
      guard let position = places.first?.position else {
        throw Failure(
          .usage, "not_in_the_log",
          "\(event) is no event that has a position. 'marketplace audit seal' gives one to what was appended.")
      }
      return position
    }
  }

  /// `marketplace audit consistency`
  struct Consistency: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "consistency", abstract: "Prove that the log of one published size begins with that of another.",
      discussion: """
        Prints one JSON object: both signed checkpoints, and the hashes of RFC 6962. Needs no database. For example:
          marketplace audit consistency 4711 5000
        """)
    @OptionGroup var options: GlobalOptions
    @Argument(help: "The smaller size.") var earlier: Int64
    @Argument(help: "The larger one.") var later: Int64

    struct JSON: Encodable {
      var schema = "marketplace.audit.consistency/1"
      var earlier: String
      var later: String
      var hashes: [String]

      init(_ proof: LogProofs.Consistency) {
        earlier = String(decoding: proof.earlier.encoded, as: UTF8.self)
        later = String(decoding: proof.later.encoded, as: UTF8.self)
        hashes = proof.hashes.map(\.base64)
      }
    }

    func run() async throws {
      let settings = try Settings(options)
      let proof = try await LogProofs(
        of: try settings.publishedLog(try settings.storage()), policy: try settings.auditKeys().policy
      ).consistency(from: earlier, to: later)
      try JSONOutput.print(JSON(proof))
    }
  }
}
