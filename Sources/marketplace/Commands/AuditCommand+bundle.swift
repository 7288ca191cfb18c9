import ArgumentParser
import Audit
import Catalog
import Foundation
import Transparency

extension AuditCommand {
  /// `marketplace audit bundle`
  struct Bundle: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "bundle", abstract: "Write one archive with everything an auditor keeps of a model.",
      discussion: """
        Its events with their proofs, the signed checkpoint, the manifests of its exports, a summary to read and to print, and \
        the verifier, which needs nothing but Python. For example:
          marketplace audit bundle dev01.readmission-risk evidence.zip
          marketplace audit bundle dev01.readmission-risk march.zip --as-of 2026-03-01
        """)
    @OptionGroup var options: GlobalOptions
    @OptionGroup var asOf: CatalogCommand.AsOfOption
    @Argument(help: "Its name in the marketplace, or workspace/name.") var model: String
    @Argument(help: "The archive to write, a ZIP file. It must not exist.") var file: String

    private struct JSON: Encodable {
      var schema = "marketplace.audit.bundle.written/1"
      var file: String
      var workspace, model: String
      var as_of: Int64
      var events: Int
      var checkpoint_size: Int64
      var manifests, manifests_missing: Int
    }

    func run() async throws {
      let settings = try Settings(options)
      let keys = try settings.auditKeys()
      let output = try NewFile(path: file)
      let evidence: Evidence
      do {
        evidence = try await Workplace.use(settings, options: options) { place in
          let replay = Replay(place.pool)
          let moment = try await asOf.moment(place, settings)
          let newest = try await Self.publishedSize(settings, keys)
          let position =
            switch moment {
            case .now: newest
            case .position(let position): position
            case .time(let time): try await replay.position(at: time)
            }
          guard position <= newest else {
            throw Failure(
              .usage, "not_in_the_log",
              "Position \(position) is not published yet: the newest checkpoint holds \(newest). 'marketplace audit seal' "
                + "publishes what is sealed.")
          }
          let reference = try await Self.reference(model, in: Catalog(place.pool), asOf: .position(position))
          return try await Evidence.collect(reference, at: position, place, settings, keys)
        }
        try output.write(try evidence.archive())
        try output.finish()
      } catch {
        output.abandon()
        throw error
      }
      tell(evidence)
    }

    private static func publishedSize(_ settings: Settings, _ keys: AuditKeys) async throws -> Int64 {
      try await settings.publishedLog(try settings.storage()).newest(believedBy: keys.policy).checkpoint.size
    }

    private static func reference(_ name: String, in catalog: Catalog, asOf: AsOf) async throws -> ModelReference {
      let found = try await catalog.models(named: name, asOf: asOf)
      guard let reference = found.first else { throw CatalogOutput.unknown(name, asOf: asOf) }
      guard found.count == 1 else {
        let names = found.map { "\($0.workspace)/\($0.name ?? "?") (\($0.model.uuidString.lowercased()))" }
        throw Failure(
          .usage, "ambiguous_model",
          "'\(name)' is the name of \(found.count) models: \(names.joined(separator: ", ")). Name the incarnation.")
      }
      return reference
    }

    private func tell(_ evidence: Evidence) {
      let missing = evidence.manifests.filter { $0.bytes == nil }
      switch options.output {
      case .json:
        try? JSONOutput.print(
          JSON(
            file: file, workspace: evidence.reference.workspace,
            model: evidence.reference.model.uuidString.lowercased(), as_of: evidence.position,
            events: evidence.document.events.count, checkpoint_size: evidence.checkpoint.size,
            manifests: evidence.manifests.count - missing.count, manifests_missing: missing.count))
      case .table:
        Console.data(
          "  \(file): \(Sentence.count(evidence.document.events.count, "event")) of \(evidence.reference.workspace)/"
            + "\(Sentence.printable(evidence.reference.name ?? "?")) as of position \(evidence.position), proven by the checkpoint of "
            + "\(evidence.checkpoint.size) events")
        for manifest in missing {
          Console.data("  the manifest of v\(manifest.version) is not in storage as it was recorded: \(manifest.uri)")
        }
      }
    }
  }
}
