import Catalog
import Foundation
import Postgres

extension CatalogOutput {
  static func print(_ explanation: Explanation, _ options: GlobalOptions) throws {
    let workspace = explanation.model.workspace
    switch options.output {
    case .json:
      try JSONOutput.print(ExplanationDocument(explanation))
    case .table:
      Console.data("  " + Sentence.printable(explanation.verdict))
      Console.data("")
      var table = Table(["", "ASKED", "ANSWER", "EVENT"])
      for step in explanation.steps {
        table.add([
          step.isMet ? "✓" : "✗", step.question.rawValue, step.answer,
          step.sequence.map { "\(workspace)/\($0)" } ?? "–",
        ])
      }
      table.print()
      Console.data("")
      try print(explanation.events, options)
    }
  }

  private struct Answers: Encodable {
    var schema = "marketplace.catalog.production/1"
    var at: String
    var answers: [Answer]

    struct Answer: Encodable {
      var workspace: String
      var model, name: String?
      var version: Int?
      var answer: String
      var reason: String?
      var from_event, to_event: String?
    }
  }

  static func print(_ answers: [ProductionAnswer], at time: Timestamp, _ options: GlobalOptions) throws {
    switch options.output {
    case .json:
      try JSONOutput.print(
        Answers(
          at: time.rfc3339,
          answers: answers.map { answer in
            .init(
              workspace: answer.workspace, model: answer.spell?.model.uuidString.lowercased(), name: answer.spell?.name,
              version: answer.spell?.version, answer: answer.certainty.rawValue, reason: answer.reason,
              from_event: answer.spell.map { "\(answer.workspace)/\($0.fromSequence)" },
              to_event: answer.spell?.toSequence.map { "\(answer.workspace)/\($0)" })
          }))
    case .table:
      var table = Table(["MODEL", "VERSION", "ANSWER", "FROM", "UNTIL", "WHY"])
      for answer in answers {
        let spell = answer.spell
        table.add([
          spell.map { "\(answer.workspace)/\($0.name ?? "?")" } ?? answer.workspace,
          spell.map { "v\($0.version)" } ?? "–", answer.certainty.rawValue,
          spell.map { "\(answer.workspace)/\($0.fromSequence)" } ?? "–",
          spell.map { spell in spell.toSequence.map { "\(answer.workspace)/\($0)" } ?? "goes on" } ?? "–",
          answer.reason ?? "",
        ])
      }
      table.print()
      if answers.isEmpty { Console.remark("  no source promoted anything then") }
    }
  }
}
