import Catalog
import Foundation
import Ledger
import Postgres
import Transparency

/// The evidence of a model, to read and to print: one page without anything from elsewhere.
struct EvidencePage {
  private let evidence: Evidence

  init(of evidence: Evidence) { self.evidence = evidence }

  var html: String {
    let name = evidence.marketplaceName ?? "\(evidence.reference.workspace)/\(evidence.reference.name ?? "?")"
    return """
      <!doctype html>
      <html lang="en">
      <meta charset="utf-8">
      <meta name="viewport" content="width=device-width, initial-scale=1">
      <title>Evidence: \(Self.escaped(name))</title>
      <style>\(Self.style)</style>
      <main>
      <h1>\(Self.escaped(name))</h1>
      \(facts)
      <h2>What could be loaded from the marketplace, and when</h2>
      \(loadable)
      <h2>What the source meant to be in production, and when</h2>
      \(meant)
      <h2>The bytes</h2>
      \(bytes)
      <h2>What happened</h2>
      \(history)
      <h2>The events</h2>
      \(events)
      <h2>How to verify this</h2>
      <p>Whoever has the verifier key, from elsewhere than this archive, needs Python 3 and nothing else:</p>
      <pre>python3 verify.py THIS_ARCHIVE VERIFIER_KEY</pre>
      <p>It recomputes every leaf and proof in <code>evidence.json</code> up to the root that the checkpoint signs, the hash of
      every event's data, and the digests of the manifests, and sees to it that no event of the model, or of its
      workspace's own stream, is left out before the last one. With <code>--at 2026-03-01T09:30:00Z</code> it says what was in production then, from the events alone.</p>
      <p>Not proven is that nothing happened to the model after the last event shown here, nor what the source did between two
      observations.</p>
      </main>
      </html>

      """
  }

  private static let style = """
    :root{color-scheme:light dark}
    body{font:16px/1.5 system-ui,sans-serif;margin:0}
    main{max-width:70rem;margin:0 auto;padding:1rem}
    h1{font-size:1.6rem;overflow-wrap:anywhere}
    h2{font-size:1.15rem;margin-top:2rem}
    table{border-collapse:collapse;width:100%;font-size:.9rem}
    th,td{text-align:left;vertical-align:top;padding:.3rem .6rem .3rem 0;border-bottom:1px solid #8886;overflow-wrap:anywhere}
    th{font-weight:600;white-space:nowrap}
    code,pre{font-family:ui-monospace,monospace;font-size:.85em;overflow-wrap:anywhere;white-space:pre-wrap}
    .scroll{overflow-x:auto}
    @media print{
    :root{color-scheme:light}
    body{font-size:9.5pt}
    main{max-width:none;padding:0}
    thead{display:table-header-group}
    tr{break-inside:avoid}
    h2{break-after:avoid}
    }
    """

  private var facts: String {
    let rows: [(String, String)] = [
      ("Workspace", evidence.reference.workspace), ("Model at the source", evidence.reference.name ?? "?"),
      ("Incarnation", evidence.reference.model.uuidString.lowercased()),
      ("As it was known at", "position \(evidence.position) of \(evidence.checkpoint.origin)"),
      ("Signed checkpoint", "\(evidence.checkpoint.size) events, root \(evidence.checkpoint.root)"),
      ("Events here", "\(evidence.document.events.count), each with its proof"),
    ]
    return "<table>" + rows.map { "<tr><th scope=row>\(Self.escaped($0.0))<td>\(Self.escaped($0.1))" }.joined()
      + "</table>"
  }

  private func event(_ sequence: Int64?) -> String { sequence.map { "\(evidence.reference.workspace)/\($0)" } ?? "" }

  private var loadable: String {
    Self.table(
      ["From", "Until", "Version", "At the source", "Why", "Event"],
      evidence.available.map { spell in
        [
          spell.fromRecordedAt.rfc3339, spell.toRecordedAt?.rfc3339 ?? "goes on",
          spell.marketplaceVersion.map { "\(spell.marketplaceName ?? "?") version \($0)" } ?? "none",
          spell.version.map { "v\($0)" } ?? "", spell.beganBy ?? "", event(spell.fromSequence),
        ]
      }, none: "Never any version.")
  }

  private var meant: String {
    Self.table(
      ["Version", "Certainly from", "Certainly until", "Possibly from", "Possibly until", "Event"],
      evidence.meant.map { spell in
        [
          "v\(spell.version)", spell.certain?.lower?.rfc3339 ?? "–", spell.certain?.upper?.rfc3339 ?? "–",
          spell.possible?.lower?.rfc3339 ?? "before it was observed", spell.possible?.upper?.rfc3339 ?? "goes on",
          event(spell.fromSequence),
        ]
      }, none: "Never any version.")
  }

  private var bytes: String {
    Self.table(
      ["Version", "Manifest SHA-256", "Where", "In this archive"],
      evidence.manifests.map { manifest in
        [
          "v\(manifest.version)", manifest.sha256, manifest.uri,
          manifest.bytes == nil ? "no: it is not in storage as it was recorded" : "manifests/\(manifest.sha256).json",
        ]
      }, none: "Never exported.")
  }

  private var history: String {
    Self.table(
      ["Recorded", "What", "Event"],
      evidence.history.map { [$0.recordedAt.rfc3339, $0.what, "\($0.workspace)/\($0.sequence)"] }, none: "Nothing.")
  }

  private var events: String {
    Self.table(
      ["Position", "Event", "Type", "Recorded", "Principal", "Data"],
      evidence.recorded.map { event in
        [
          event.position.map { "\($0)" } ?? "", "\(event.workspace)/\(event.sequence)", event.type,
          event.recordedAt.rfc3339, event.principal, event.data ?? "redacted",
        ]
      }, none: "None.")
  }

  private static func table(_ head: [String], _ rows: [[String]], none: String) -> String {
    guard !rows.isEmpty else { return "<p>\(escaped(none))</p>" }
    let header = head.map { "<th scope=col>\(escaped($0))" }.joined()
    let body = rows.map { "<tr>" + $0.map { "<td>\(escaped($0))" }.joined() }.joined(separator: "\n")
    return "<div class=scroll><table><thead><tr>\(header)</thead><tbody>\n\(body)\n</tbody></table></div>"
  }

  /// Text of a source is text, whatever it looks like.
  static func escaped(_ text: String) -> String {
    Sentence.printable(text).replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
      .replacing("\"", with: "&quot;")
  }
}
