import ArgumentParser
import Foundation
import Ledger
import Marketplace
import Transfer

/// `marketplace check`
struct CheckCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check", abstract: "Test what must always hold, against ledger, storage and registry.",
    discussion: """
      Changes nothing. Exit code 8 when something does not hold. For example:
        marketplace check
        marketplace check --read-data --without-registry
      """)
  @OptionGroup var options: GlobalOptions

  @Flag(help: "Read and hash every byte of every live export, not only manifests and sizes.")
  var readData = false

  @Flag(help: "Leave the marketplace registry out.")
  var withoutRegistry = false

  @Flag(
    help: ArgumentHelp(
      "Give up exports that storage no longer holds as they were, so that the next sync makes them again, and remove empty "
        + "runs and logged models that a job which died left in the marketplace."))
  var repair = false

  private struct JSON: Encodable {
    var schema = "marketplace.check/1"
    var violations: [Entry]
    var workspaces: [String]

    struct Entry: Encodable {
      var invariant: String
      var message: String
      var pending: Bool
    }
  }

  func run() async throws {
    let settings = try Settings(options)
    let target = withoutRegistry ? nil : try settings.target()
    let (violations, workspaces) = try await Workplace.use(settings, options: options) { place in
      var violations = try await place.ledger.check()
      let ids = try await place.workspaceIDs()
      for id in ids { violations += try await place.projectionDifferences(of: id) }
      let context = try place.jobContext(settings, isDryRun: !repair)
      violations += try await CheckJob(
        context: context, workspaces: ids.filter { $0 != .marketplace }, target: target, readsData: readData,
        repairs: repair
      ).run()
      return (violations, ids)
    }
    switch options.output {
    case .json:
      try JSONOutput.print(
        JSON(
          violations: violations.map { .init(invariant: $0.invariant, message: $0.message, pending: $0.isPending) },
          workspaces: workspaces.map(\.text)))
    case .table:
      for violation in violations {
        Console.data(
          "  \(violation.isPending ? "pending" : violation.invariant)  \(Sentence.printable(violation.message))")
      }
      let tested = withoutRegistry ? "L3–L5, P1, J1–J3 and J5" : "L3–L5, P1, J1–J5 and J8"
      let wrong = violations.count { !$0.isPending }
      let verdict = wrong == 0 ? "all hold" : Sentence.count(wrong, "violation")
      Console.data("  \(tested) over \(Sentence.count(workspaces.count, "workspace")): \(verdict)")
    }
    if violations.contains(where: { !$0.isPending }) { throw JobEnded(status: .integrity) }
  }
}
