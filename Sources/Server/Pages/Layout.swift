import Catalog
import Foundation
import HTTPTypes
import Postgres

/// What is the same on every page.
struct Layout {
  let title: String
  let request: PageRequest
  /// Where a search looks from; nothing for the page's own words.
  var search = ""

  /// The whole page around its content.
  func page(_ content: HTML) -> HTML {
    """
    <!doctype html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <title>\(title) · Model Marketplace</title>
    <link rel="stylesheet" href="\(Assets.style.path)">
    <link rel="icon" href="\(Assets.icon.path)" type="image/svg+xml">
    <link rel="alternate" type="application/atom+xml" title="Recent changes" href="/changes.atom">
    <script src="\(Assets.copy.path)" defer></script>
    </head>
    <body>
    <a class="skip" href="#main">Skip to content</a>
    <header class="top">
    <div class="bar">
    <a class="brand" href="\(request.address("/models").text)">Model Marketplace</a>
    <form class="find" role="search" action="/models" method="get">
    <label class="unseen" for="q">Search models</label>
    <input id="q" name="q" type="search" value="\(exactly: search)" placeholder="Name, purpose, owner, tag …" spellcheck="false">
    \(hidden(["as_of"]))<button>Search</button>
    </form>
    </div>
    <div class="bar">
    <nav aria-label="Main"><ul>\(Self.places.map(place))</ul></nav>
    <form class="moment" action="\(request.path)" method="get">
    \(hiddenOthers)<label for="as_of">As known at</label>
    <input id="as_of" name="as_of" value="\(request.asOfText ?? "")" placeholder="now" aria-describedby="moments" size="20">
    <span id="moments" class="unseen">A day, a time in UTC, or a position of the log; nothing for now</span>
    <button>Show</button>
    </form>
    </div>
    </header>
    \(banner)
    <main id="main" tabindex="-1">
    \(content)
    </main>
    </body>
    </html>

    """
  }

  private static let places = [
    (name: "Models", path: "/models"), (name: "Workspaces", path: "/workspaces"), (name: "Changes", path: "/changes"),
    (name: "Audit", path: "/audit"),
  ]

  private func place(_ place: (name: String, path: String)) -> HTML {
    let isHere = request.path == place.path || request.path.hasPrefix(place.path + "/")
    let current: HTML = isHere ? " aria-current=\"page\"" : ""
    return "<li><a href=\"\(request.address(place.path).text)\"\(current)>\(place.name)</a></li>"
  }

  private func hidden(_ names: [String]) -> [HTML] {
    names.flatMap { name in
      request.query.all(name).map { "<input type=\"hidden\" name=\"\(name)\" value=\"\(exactly: $0)\">" }
    }
  }

  /// What else the address asks stays when the moment changes, but for the place in a list.
  private var hiddenOthers: [HTML] {
    request.query.pairs.filter { $0.name != "as_of" && $0.name != "page" && !$0.value.isEmpty }.map {
      "<input type=\"hidden\" name=\"\(exactly: $0.name)\" value=\"\(exactly: $0.value)\">"
    }
  }

  private var banner: HTML? {
    guard let text = request.asOfText else { return nil }
    let moment =
      switch request.asOf {
      case .position: "position \(text) of the log"
      case .time(let time): Words.time(time) + " UTC"
      case .now: "now"
      }
    return """
      <aside class="past" aria-label="Moment"><p>You are looking at the past: the catalog as it was known at <strong>\(moment)</strong>. \
      <a href="\(request.own.with("as_of", nil).text)">Back to now</a></p></aside>
      """
  }
}

/// From one page of a list to the next.
struct Turning {
  let request: PageRequest
  let page: Int
  let pages: Int

  /// Nothing where there is but one.
  var html: HTML? {
    guard pages > 1 else { return nil }
    func link(_ to: Int, _ words: String, _ rel: String) -> HTML {
      (1...pages).contains(to)
        ? "<a rel=\"\(rel)\" href=\"\(request.own.with("page", to == 1 ? nil : "\(to)").text)\">\(words)</a>"
        : "<span></span>"
    }
    return """
      <nav class="turning" aria-label="Pages">\(link(page - 1, "← Earlier", "prev"))<span>Page \(page) of \(Words.grouped(pages))</span>\
      \(link(page + 1, "Later →", "next"))</nav>
      """
  }
}

/// How numbers and times are written on pages.
enum Words {
  /// `4.2 MB`; decimal, as storage is sold.
  static func bytes(_ count: Int64) -> String { Printable.bytes(count) }

  /// `2026-11-23 09:14`, in UTC.
  static func time(_ time: Timestamp) -> String { String(time.rfc3339.prefix(16)).replacing("T", with: " ") }

  /// A time that programs read too.
  static func element(_ time: Timestamp) -> HTML {
    "<time datetime=\"\(time.rfc3339)\" title=\"\(time.rfc3339)\">\(Self.time(time))</time>"
  }

  /// `1 model`, `3 models`.
  static func count(_ number: Int, _ noun: String) -> String { "\(grouped(number)) \(noun)\(number == 1 ? "" : "s")" }

  /// `12,345`.
  static func grouped(_ number: Int) -> String {
    var (digits, groups) = (Substring("\(abs(number))"), [Substring]())
    while digits.count > 3 {
      groups.append(digits.suffix(3))
      digits = digits.dropLast(3)
    }
    return (number < 0 ? "-" : "") + ([digits] + groups.reversed()).joined(separator: ",")
  }

  /// How long ago, roughly: `5 minutes`, `3 hours`, `12 days`.
  static func age(of time: Timestamp, at now: Timestamp) -> String {
    let minutes = Int(max(0, (now.microseconds - time.microseconds) / 60_000_000))
    if minutes < 120 { return count(minutes, "minute") }
    return minutes < 48 * 60 ? count(minutes / 60, "hour") : count(minutes / 1_440, "day")
  }

  /// A number as it was measured, in few digits.
  static func measure(_ value: Double) -> String {
    guard value.isFinite else { return value.isNaN ? "NaN" : value < 0 ? "−∞" : "∞" }
    if value == value.rounded(), abs(value) < 1e9 { return grouped(Int(value)) }
    return String(format: "%.4g", value)
  }
}

extension CatalogEntry.State {
  /// What it means, in words that a person needs no key for.
  var words: String {
    switch self {
    case .available: "Available"
    case .pending: "Not loadable yet"
    case .failed: "Not loadable: failed"
    case .supersededPending: "Newer version coming"
    case .supersededFailed: "Newer version failed"
    case .withdrawalPending: "Being withdrawn"
    default: rawValue
    }
  }

  private var kind: String {
    switch self {
    case .available: "good"
    case .failed, .supersededFailed: "bad"
    default: "waiting"
    }
  }

  private var sign: String {
    switch self {
    case .available: "✓"
    case .failed, .supersededFailed: "✕"
    default: "…"
    }
  }

  /// A mark that says it by a sign, a word and a colour.
  var badge: HTML { "<span class=\"badge \(kind)\"><span aria-hidden=\"true\">\(sign)</span> \(words)</span>" }
}

/// Why there is no page.
struct ProblemPage {
  let problem: Problem
  /// Where all models are: as of the same moment.
  let models: Address

  init(_ problem: Problem, models: Address) {
    self.problem = problem
    self.models = models
  }

  var html: HTML {
    """
    <!doctype html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <title>\(problem.status.reasonPhrase) · Model Marketplace</title>
    <link rel="stylesheet" href="\(Assets.style.path)">
    <link rel="icon" href="\(Assets.icon.path)" type="image/svg+xml">
    </head>
    <body>
    <main id="main">
    <h1>\(problem.status.reasonPhrase)</h1>
    <p>\(problem.description)</p>
    <p><a href="\(models.text)">All models</a></p>
    </main>
    </body>
    </html>

    """
  }
}
