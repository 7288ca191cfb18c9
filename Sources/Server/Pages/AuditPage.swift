import Catalog
import Foundation
import Ledger
import Postgres

/// What vouches for all of this, and how to see for oneself.
struct AuditPage {
  let request: PageRequest
  let published: ServiceSources.Published?
  let checkpoint: String?
  let last: Int64

  var html: HTML {
    Layout(title: "Audit", request: request).page(
      """
      <h1>Audit</h1>
      <p class="lead">Everything here comes from a log that only grows. Each of its \(Words.grouped(Int(last))) numbered events is a leaf of a Merkle tree whose \
      root is signed and published outside the database, so that nobody can change, remove or slip in an event unseen.</p>
      \(proven)
      """)
  }

  private var proven: HTML {
    guard let published else {
      return
        "<p class=\"note\">This log is not published: nothing but the database vouches for it. Whoever runs it configures <code>audit</code>.</p>"
    }
    let keys: [HTML] = published.keys.map { "<li><code>\($0)</code></li>" }
    let newest: HTML =
      checkpoint.map {
        "<pre tabindex=\"0\"><code>\($0)</code></pre><p><a href=\"/v1/audit/checkpoint\">As a file</a></p>"
      } ?? "<p>None was published yet.</p>"
    let then: HTML? =
      request.asOf == .now
      ? nil : "<p class=\"note\">Checkpoints are shown as they are now: the newest one vouches for the past too.</p>"
    return """
      \(then)<section aria-labelledby="newest"><h2 id="newest">The newest checkpoint</h2>\(newest)
      <p class="quiet">Its name, how many events it holds, their root in base64, when the last of them got its place, and who signed it.</p></section>
      <section aria-labelledby="keys"><h2 id="keys">The keys that sign it</h2><ul class="plain">\(keys)</ul>
      <p class="quiet">Believe the key that you were given elsewhere, not the one that a page shows.</p></section>
      <section aria-labelledby="how"><h2 id="how">How to verify</h2>
      <p>An event: open it from any timeline and save its proof. A model: ask for its evidence,</p>
      <pre tabindex="0"><code>marketplace audit bundle NAME evidence.zip
      python3 verify.py evidence.zip VERIFIER_KEY --at 2026-03-01T09:30:00Z</code></pre>
      <p>Everything, as an export that needs nobody's word:</p>
      <pre tabindex="0"><code>marketplace audit export ledger.log
      python3 verify.py ledger.log VERIFIER_KEY</code></pre></section>
      """
  }
}

/// One event, as it stands in the log.
struct EventPage {
  let request: PageRequest
  let event: RecordedEvent
  let isPublished: Bool

  var html: HTML {
    let name = "\(event.workspace)/\(event.sequence)"
    var rows: [(String, HTML)] = [
      ("Type", "\(event.type)"), ("Stream", "<code>\(event.stream)</code>, version \(event.version)"),
      ("Id", "<code>\(event.id.uuidString.lowercased())</code>"),
      ("Recorded", "\(Words.element(event.recordedAt)) by \(event.principal)"),
    ]
    if let time = event.occurredAt { rows.append(("Occurred, says the source", Words.element(time))) }
    if let run = event.run { rows.append(("Run", "<code>\(run.uuidString.lowercased())</code>")) }
    if let cause = event.cause {
      rows.append(
        (
          "Because of",
          request.event(cause.workspace, cause.sequence)
        ))
    }
    rows.append(("Position", event.position.map { "\($0)" } ?? "not sealed yet"))
    rows.append(("Data SHA-256", "<code>\(event.dataHash.map { String(format: "%02x", $0) }.joined())</code>, salted"))
    return Layout(title: "Event \(name)", request: request).page(
      """
      <nav class="crumbs" aria-label="Where this is"><a href="\(request.address("/changes").text)">Changes</a> / \(event.workspace)</nav>
      <h1>Event \(name)</h1>
      <dl class="facts-list">\(rows.map { "<dt>\($0.0)</dt><dd>\($0.1)</dd>" as HTML })</dl>
      <section aria-labelledby="data"><h2 id="data">What happened</h2>
      <pre tabindex="0"><code>\(event.data.map(Self.pretty) ?? (event.salt == nil ? "Redacted: an event says so, and the hash above stays." : "Detached: a segment of the log holds it."))</code></pre></section>
      \(proof)
      """)
  }

  private var proof: HTML {
    guard isPublished, let position = event.position else { return .empty }
    return """
      <section aria-labelledby="proof"><h2 id="proof">Proof</h2>
      <p><a href="/v1/audit/proofs/\(position)">Inclusion proof of position \(position)</a>, up to the root of the newest signed checkpoint.</p>
      <pre tabindex="0"><code>python3 verify.py proof.json VERIFIER_KEY</code></pre></section>
      """
  }

  /// Bytes of data that are laid out; what is larger is shown as it is, since lines and indentation would make it many times that.
  private static let prettyBytesMax = 65_536

  /// JSON with lines and indentation, numbers as they were written.
  private static func pretty(_ json: String) -> String {
    guard json.utf8.count <= prettyBytesMax else { return json }
    var (result, depth, isText, isEscaped) = ("", 0, false, false)
    for scalar in json.unicodeScalars {
      if isText {
        result.unicodeScalars.append(scalar)
        if isEscaped {
          isEscaped = false
        } else if scalar == "\\" {
          isEscaped = true
        } else if scalar == "\"" {
          isText = false
        }
        continue
      }
      switch scalar {
      case "\"":
        isText = true
        result += "\""
      case "{", "[":
        depth += 1
        result += "\(scalar)\n" + String(repeating: "  ", count: depth)
      case "}", "]":
        depth -= 1
        result += "\n" + String(repeating: "  ", count: max(0, depth)) + "\(scalar)"
      case ",": result += ",\n" + String(repeating: "  ", count: depth)
      case ":": result += ": "
      default: if scalar.value > 0x20 { result.unicodeScalars.append(scalar) }
      }
    }
    return result
  }
}
