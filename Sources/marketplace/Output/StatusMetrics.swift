import Foundation
import Postgres

/// The status in Prometheus' text format 0.0.4
/// (https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format), for a textfile collector.
struct StatusMetrics {
  /// What it holds; every line ends with a line feed, as the format asks.
  let text: String

  init(_ facts: StatusCommand.Facts, at now: Date) {
    var page = Page()
    page.add("build_info", "gauge", "The program that wrote this; always 1.", [(["version": ProgramVersion.text], "1")])
    page.add(
      "status_timestamp_seconds", "gauge", "When this was written, in seconds since 1970.",
      [([:], Page.seconds(Int64(now.timeIntervalSince1970 * 1_000_000)))])
    page.add("ledger_events_total", "counter", "Events in the ledger.", [([:], "\(facts.events)")])
    page.add(
      "ledger_unsealed_events", "gauge", "Events that have no place in the global order yet.",
      [([:], "\(facts.unsealed)")])
    for metric in Self.ofWorkspaces {
      page.add(
        "workspace_\(metric.name)", "gauge", metric.help,
        facts.by_workspace.map { (["workspace": $0.id], metric.value($0)) })
    }
    text = page.text
  }

  private struct WorkspaceMetric {
    let name: String
    let help: String
    let value: (WorkspaceStatus) -> String
  }

  private static var ofWorkspaces: [WorkspaceMetric] {
    [
      WorkspaceMetric(
        name: "last_success_timestamp_seconds",
        help: "When the workspace's registry was last read to the end, in seconds since 1970; 0 for never."
      ) { Page.seconds($0.last_success?.microseconds ?? 0) },
      WorkspaceMetric(name: "readable", help: "1 if the last run could read the workspace's registry.") {
        $0.state == "observed" ? "1" : "0"
      },
      WorkspaceMetric(name: "attended", help: "1 if the configuration names the workspace.") {
        $0.attended ? "1" : "0"
      },
      WorkspaceMetric(name: "current_versions", help: "Model versions that the source means.") { "\($0.current)" },
      WorkspaceMetric(name: "available_versions", help: "Model versions that can be loaded from the marketplace.") {
        "\($0.available)"
      },
      WorkspaceMetric(name: "pending_versions", help: "Model versions whose change is still to be followed.") {
        "\($0.pending)"
      },
      WorkspaceMetric(name: "failed_versions", help: "Model versions whose last export or import failed.") {
        "\($0.failed)"
      },
      WorkspaceMetric(name: "projection_stale", help: "1 if the catalog has stopped following the workspace's log.") {
        $0.stale ? "1" : "0"
      },
    ]
  }
}

/// A page in the text format.
private struct Page {
  private(set) var text = ""

  mutating func add(_ name: String, _ type: String, _ help: String, _ samples: [([String: String], String)]) {
    guard !samples.isEmpty else { return }
    text += "# HELP marketplace_\(name) \(help)\n# TYPE marketplace_\(name) \(type)\n"
    for (labels, value) in samples {
      let pairs = labels.sorted { $0.key < $1.key }.map { "\($0.key)=\"\(Self.escaped($0.value))\"" }
      text += "marketplace_\(name)\(pairs.isEmpty ? "" : "{\(pairs.joined(separator: ","))}") \(value)\n"
    }
  }

  static func seconds(_ microseconds: Int64) -> String {
    String(format: "%lld.%03lld", microseconds / 1_000_000, microseconds / 1_000 % 1_000)
  }

  private static func escaped(_ text: String) -> String {
    text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n")
  }
}
