import Foundation
import Postgres
import Testing

@testable import marketplace

@Suite("The status as metrics")
struct StatusMetricsTests {
  static let facts = StatusCommand.Facts(
    workspaces: 2, available: 3, pending: [], failing: [], unreadable: [], unattended: [], stale: [], events: 78,
    unsealed: 1,
    by_workspace: [
      WorkspaceStatus(
        id: "dev01", state: "observed", attended: true,
        last_success: Timestamp(microseconds: 1_795_431_448_220_999), current: 3, available: 2, pending: 1, failed: 0,
        stale: false),
      WorkspaceStatus(
        id: "dev02", state: "unreadable", attended: false, last_success: nil, current: 1, available: 1, pending: 0,
        failed: 1, stale: true),
    ])

  @Test("is text format 0.0.4: help, type and samples of each metric together, a line feed at the end of each line")
  func format() throws {
    let text = StatusMetrics(Self.facts, at: Date(timeIntervalSince1970: 1_795_431_449.25)).text
    #expect(text.hasSuffix("\n"))
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
    let name = /[a-z_]+/
    var current = ""
    for line in lines {
      if let help = try? /# HELP ([a-z_]+) .+/.wholeMatch(in: line) {
        current = String(help.1)
      } else if let type = try? /# TYPE ([a-z_]+) (gauge|counter)/.wholeMatch(in: line) {
        #expect(type.1 == current)
      } else {
        let sample = try #require(try /([a-z_]+)(\{[a-z]+="[^"]*"\})? [0-9.]+/.wholeMatch(in: line), "\(line)")
        #expect(sample.1 == current)
      }
    }
    #expect(current.wholeMatch(of: name) != nil)
    for line in [
      "marketplace_workspace_last_success_timestamp_seconds{workspace=\"dev01\"} 1795431448.220",
      "marketplace_workspace_last_success_timestamp_seconds{workspace=\"dev02\"} 0.000",
      "marketplace_workspace_readable{workspace=\"dev02\"} 0", "marketplace_workspace_attended{workspace=\"dev02\"} 0",
      "marketplace_workspace_current_versions{workspace=\"dev01\"} 3",
      "marketplace_workspace_pending_versions{workspace=\"dev01\"} 1",
      "marketplace_workspace_failed_versions{workspace=\"dev02\"} 1",
      "marketplace_workspace_projection_stale{workspace=\"dev02\"} 1",
      "marketplace_ledger_events_total 78", "marketplace_status_timestamp_seconds 1795431449.250",
    ] {
      #expect(lines.contains(Substring(line)), "\(line)")
    }
  }

  @Test("for people it is shown again and again until Ctrl-C")
  func watched() async throws {
    let world = try await CommandWorld.make()
    try world.configure(["{id: dev01, registry: \"http://127.0.0.1:1\"}"])
    let call = try Program.start(["status", "--watch", "--config", world.configuration])
    try await call.prints("Ctrl-C ends it", times: 2)
    call.interrupt()
    let outcome = try await call.outcome()
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(outcome.output.contains("nothing needs doing") && outcome.output.contains("WORKSPACE"))
    // No terminal: nothing moves its cursor.
    #expect(!outcome.output.contains("\u{1b}"))
  }
}
