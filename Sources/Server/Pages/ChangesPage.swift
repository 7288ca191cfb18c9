import Catalog
import Foundation
import Postgres

/// What happened lately, or what is otherwise at one moment than at another.
struct ChangesPage {
  /// How many of the last positions are looked at for what is recent: more where the fewer do not fill the page.
  static let recentPositions: [Int64] = [250, recentPositionsMax]
  static let recentPositionsMax: Int64 = 2_000
  /// Lines that are shown.
  static let linesMax = 100
  /// Models of a page, where two moments are compared.
  static let modelsMax = 50

  /// The pages that so many models take.
  static func pages(of count: Int) -> Int { max(1, (count + modelsMax - 1) / modelsMax) }

  let request: PageRequest
  let recent: [RecentChange]
  /// What two moments were compared, and came to; `nil` where none were asked for.
  let comparison: Comparison?
  /// What models of the catalog are called, by their incarnation.
  let titles: [UUID: String]

  struct Comparison {
    let from, to: Int64
    /// Those of the page.
    let changes: [CatalogChange]
    /// How many models changed.
    let count: Int
    let page: Int
  }

  var html: HTML {
    Layout(title: "Changes", request: request).page(
      """
      <h1>Changes</h1>
      <form class="compare" action="/changes" method="get">\(request.asOfText.map { "<input type=\"hidden\" name=\"as_of\" value=\"\($0)\">" as HTML })<label for="from">What changed in the catalog from</label> \
      <input id="from" name="from" value="\(exactly: request.query["from"] ?? "")" placeholder="2026-03-01" size="20" required> <label for="to">to</label> \
      <input id="to" name="to" value="\(exactly: request.query["to"] ?? "")" placeholder="now" size="20"> <button>Compare</button></form>
      <p class="quiet">A day, a time in UTC, or a position of the log. <a href="/changes.atom">As a feed</a></p>
      \(comparison.map(compared) ?? lately)
      """)
  }

  private var lately: HTML {
    guard !recent.isEmpty else {
      return "<p>Nothing happened to a model in the last \(Words.grouped(Int(Self.recentPositionsMax))) events.</p>"
    }
    let lines: [HTML] = recent.prefix(Self.linesMax).map { change in
      let (title, line) = (change.title(titles), change.line)
      return
        "<li>\(Words.element(line.recordedAt)) <span><a href=\"\(request.address(CatalogEntry.path(title, change.model.uuidString)).text)\">\(title)</a> \(line.what)</span> \(request.event(line.workspace, line.sequence))</li>"
    }
    return "<h2>Lately</h2><ol class=\"timeline\">\(lines)</ol>"
  }

  private func compared(_ comparison: Comparison) -> HTML {
    let changes: [HTML] = comparison.changes.map { change in
      let title = change.marketplaceName ?? "\(change.workspace)/\(change.name ?? "?")"
      let fields: [HTML] = change.fields.filter { Self.shown.contains($0.name) }.map { field in
        "<li>\(field.name.replacing("_", with: " ")): \(field.before ?? "–") → \(field.after ?? "–")</li>"
      }
      let events: [HTML] = change.events.map { line in
        "<li>\(Words.element(line.recordedAt)) <span>\(line.what)</span> \(request.event(line.workspace, line.sequence))</li>"
      }
      return """
        <li><article><div class="row"><h3><a href="\(request.address(CatalogEntry.path(title, change.model.uuidString)).text)">\(title)</a></h3><span class="chip">\(change.kind.rawValue)</span></div>
        <ul class="plain">\(fields)</ul><ol class="timeline">\(events)</ol></article></li>
        """
    }
    return """
      <h2>From position \(comparison.from) to \(comparison.to)</h2><p>\(Words.count(comparison.count, "model")) of the catalog changed.</p>
      <ol class="models">\(changes)</ol>
      \(Turning(request: request, page: comparison.page, pages: Self.pages(of: comparison.count)).html)
      """
  }

  private static let shown: Set<String> = [
    "state", "source_version", "available_version", "marketplace_version", "name", "owner",
  ]

  /// The same as an Atom feed (RFC 4287).
  static func feed(_ recent: [RecentChange], titles: [UUID: String], host: String, address: Address) -> String {
    func entry(_ change: RecentChange) -> HTML {
      let line = change.line
      let address = "\(host)/events/\(line.workspace)/\(line.sequence)"
      return """
        <entry><id>tag:marketplace,2026:\(line.workspace)/\(line.sequence)</id><title>\(change.title(titles)): \(line.what)</title><updated>\(line.recordedAt.rfc3339)</updated><link href="\(address)"/></entry>

        """
    }
    let page: HTML = """
      <?xml version="1.0" encoding="utf-8"?>
      <feed xmlns="http://www.w3.org/2005/Atom">
      <id>tag:marketplace,2026:changes</id><title>Model Marketplace: changes</title><updated>\(recent.first?.line.recordedAt.rfc3339 ?? "1970-01-01T00:00:00Z")</updated>
      <author><name>Model Marketplace</name></author><link rel="self" href="\(host)\(address.text)"/>
      \(recent.prefix(linesMax).map(entry))</feed>

      """
    return page.text
  }
}

extension RecentChange {
  /// What the model is called: as the catalog has it, else as its source calls it.
  func title(_ titles: [UUID: String]) -> String { titles[model] ?? "\(line.workspace)/\(name ?? "?")" }
}
