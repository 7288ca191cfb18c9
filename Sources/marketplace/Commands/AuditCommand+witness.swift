import ArgumentParser
import Audit
import Foundation
import Transparency

extension AuditCommand {
  /// `marketplace audit witness`
  struct Witness: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "witness", abstract: "Take in what a witness has signed of a published checkpoint.",
      discussion: """
        The file is the checkpoint with the witness's lines below, or, for the newest one, these lines alone, which is what a \
        witness answers with (C2SP tlog-witness). Needs no database. They are kept beside the checkpoint, which stays as it was \
        published. With witnesses_min, proofs, exports and evidence rest on the newest checkpoint that has so many. For example:
          marketplace audit witness cosigned.txt
        """)
    @OptionGroup var options: GlobalOptions
    @Argument(help: "The file; - for standard input.") var file: String

    private struct JSON: Encodable {
      var schema = "marketplace.audit.witness/1"
      var size: Int64
      var witnesses: [String]
      var witnesses_count, witnesses_min: Int
    }

    func run() async throws {
      let settings = try Settings(options)
      let policy = try settings.auditKeys().policy
      let input = file == "-" ? FileHandle.standardInput : FileHandle(forReadingAtPath: file)
      guard let input, let bytes = try input.read(upToCount: SignedNote.bytesMax + 1) else {
        throw Failure(.usage, "unreadable_file", "\(file) cannot be read.")
      }
      let outcome = try await settings.publishedLog(try settings.storage()).take(Array(bytes), policy: policy)
      switch options.output {
      case .json:
        try JSONOutput.print(
          JSON(
            size: outcome.checkpoint.size, witnesses: outcome.names, witnesses_count: outcome.count,
            witnesses_min: policy.witnessesMin))
      case .table:
        Console.data(
          "  checkpoint of \(Sentence.count(Int(outcome.checkpoint.size), "event")): signed by "
            + "\(outcome.names.joined(separator: ", ")); \(outcome.count) of \(policy.witnesses.count) witnesses by now, "
            + "\(policy.witnessesMin) are asked for")
      }
    }
  }
}
