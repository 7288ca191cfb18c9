import Catalog
import Postgres

/// The workspaces, and how well each is known.
struct WorkspacesPage {
  /// A workspace that was not read for so many hours is silent, whatever came of the last reading.
  static let silentHours: Int64 = 48

  let request: PageRequest
  let workspaces: [WorkspaceSummary]
  /// When the page is made, for how long ago something was.
  let now: Timestamp

  var html: HTML {
    let rows: [HTML] = workspaces.map { workspace in
      let seen: HTML =
        workspace.observedTo.map { time in
          request.asOf == .now
            ? "\(Words.age(of: time, at: now)) ago<br><span class=\"quiet\">\(Words.element(time))</span>"
            : Words.element(time)
        } ?? "never"
      let promoted = (workspace.promotedAliases.map { "@\($0)" } + workspace.promotedStages).joined(separator: ", ")
      return """
        <tr><th scope="row"><a href="\(request.address("/models", [("workspace", workspace.workspace)]).text)">\(workspace.workspace)</a></th>\
        <td>\(badge(workspace))\(workspace.message.map { "<p class=\"quiet\">\($0)</p>" as HTML })</td><td>\(seen)</td>\
        <td class="number">\(workspace.models.map(Words.grouped) ?? "–")</td><td class="number">\(workspace.versions.map(Words.grouped) ?? "–")</td>\
        <td>\(promoted)</td><td>\(workspace.kind ?? "")</td></tr>

        """
    }
    let troubled = workspaces.count { $0.isUnreadable || $0.staleFrom != nil || isSilent($0) && $0.state == "observed" }
    return Layout(title: "Workspaces", request: request).page(
      """
      <h1>Workspaces</h1>
      <p>\(Words.count(workspaces.count, "workspace"))\(troubled == 0 ? "" : ", \(troubled) of which somebody has to see to"). What is said of a model is as \
      fresh as the last time its workspace was read to the end.</p>
      <div class="scroll" tabindex="0" role="group" aria-label="Workspaces"><table><thead><tr><th scope="col">Workspace</th><th scope="col">State</th><th scope="col">Last read</th>\
      <th scope="col" class="number">Models</th><th scope="col" class="number">Versions</th><th scope="col">Counts as production</th><th scope="col">Registry</th></tr></thead>
      <tbody>\(rows)</tbody></table></div>
      """)
  }

  private func isSilent(_ workspace: WorkspaceSummary) -> Bool {
    guard request.asOf == .now, let last = workspace.observedTo else { return false }
    return now.microseconds - last.microseconds > Self.silentHours * 3_600_000_000
  }

  private func badge(_ workspace: WorkspaceSummary) -> HTML {
    if workspace.staleFrom != nil {
      return "<span class=\"badge bad\"><span aria-hidden=\"true\">✕</span> catalog stale</span>"
    }
    return switch workspace.state {
    case "observed" where isSilent(workspace):
      "<span class=\"badge waiting\"><span aria-hidden=\"true\">…</span> silent</span>"
    case "observed": "<span class=\"badge good\"><span aria-hidden=\"true\">✓</span> read</span>"
    case "unreadable": "<span class=\"badge bad\"><span aria-hidden=\"true\">✕</span> cannot be read</span>"
    default: "<span class=\"badge waiting\"><span aria-hidden=\"true\">…</span> \(workspace.state)</span>"
    }
  }
}
