import Foundation
import Marketplace
import Transfer

extension JobOutput {
  /// `marketplace.sync/1` and its like.
  struct JSON: Encodable {
    var schema: String
    var run: String
    var dry_run: Bool
    var exit_code: Int32
    var seconds: Double
    var requests: Int
    var summary: Summary
    var workspaces: [Workspace]
    var unattended: [String]
    var marketplace_error: Problem?
    /// Whether the deadline came, where one was given and it kept something from being begun.
    var deadline_passed: Bool

    struct Summary: Encodable {
      var planned: Int
      var done: Int
      var skipped: Int
      var failed: Int
      /// Due, and not begun before the deadline or the interruption.
      var left: Int
      var bytes: Int64
      /// Items by what was done.
      var actions: [String: Int]
    }

    struct Workspace: Encodable {
      var id: String
      var models: Int
      var changes: Int
      var promotions: Int
      var first_sequence: Int64?
      var last_sequence: Int64?
      var error: Problem?
      var items: [Entry]
    }

    struct Entry: Encodable {
      var action: String
      var model: String
      var version: Int?
      var from_version: Int?
      var marketplace_name: String?
      var bytes: Int64
      var error: Problem?
    }

    struct Problem: Encodable {
      var code: String
      var message: String
      var retriable: Bool

      init(_ trouble: Trouble) {
        code = trouble.code
        message = trouble.message
        retriable = trouble.retriable
      }
    }
  }

  /// The same facts as the table.
  var json: JSON {
    let items = report.workspaces.flatMap(\.items)
    let failed = items.count(where: \.isFailure)
    let skipped = items.count { $0.action == .busy || $0.action == .notImported }
    return JSON(
      schema: "marketplace.\(name)/1", run: report.run.uuidString.lowercased(), dry_run: isDryRun,
      exit_code: status.rawValue, seconds: seconds, requests: requests,
      summary: .init(
        planned: items.count, done: isDryRun ? 0 : items.count - failed - skipped - left.items,
        skipped: skipped, failed: failed, left: left.items,
        bytes: items.reduce(0) { $0 + ($1.action == .exported ? $1.bytes : 0) },
        actions: Dictionary(grouping: items, by: \.action.rawValue).mapValues(\.count)),
      workspaces: report.workspaces.map { workspace in
        .init(
          id: workspace.workspace.text, models: workspace.models, changes: workspace.changes,
          promotions: workspace.promotions, first_sequence: workspace.sequences?.lowerBound,
          last_sequence: workspace.sequences?.upperBound, error: workspace.trouble.map(JSON.Problem.init),
          items: workspace.items.map { item in
            .init(
              action: item.action.rawValue, model: item.model, version: item.version, from_version: item.from,
              marketplace_name: item.marketplaceName, bytes: item.bytes, error: item.trouble.map(JSON.Problem.init))
          })
      }, unattended: report.unattended.map(\.text),
      marketplace_error: report.marketplaceTrouble.map(JSON.Problem.init),
      deadline_passed: deadline != nil && left != (0, 0))
  }
}
