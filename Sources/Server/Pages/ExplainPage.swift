import Catalog
import Foundation
import Postgres

/// Why one version is in the catalog, or is not.
struct ExplainPage {
  let request: PageRequest
  let explanation: Explanation
  let title: String
  let path: String

  private var workspace: String { explanation.model.workspace }

  var html: HTML {
    let steps: [HTML] = explanation.steps.map { step in
      let sign: HTML =
        step.isMet
        ? "<span class=\"badge good\"><span aria-hidden=\"true\">✓</span> yes</span>"
        : "<span class=\"badge waiting\"><span aria-hidden=\"true\">✕</span> no</span>"
      return
        "<tr><th scope=\"row\">\(Self.asked(step.question))</th><td>\(sign)</td><td>\(step.answer)</td><td>\(event(step.sequence))</td></tr>"
    }
    let lines: [HTML] = explanation.events.reversed().prefix(ModelPage.rowsMax).map { line in
      "<li>\(Words.element(line.recordedAt)) <span>\(line.what)</span> \(event(line.sequence))</li>"
    }
    return Layout(title: "\(title) v\(explanation.version)", request: request).page(
      """
      <nav class="crumbs" aria-label="Where this is"><a href="\(request.address("/models").text)">Models</a> / \
      <a href="\(request.address(path).text)">\(title)</a></nav>
      <h1>Version \(explanation.version) of the source</h1>
      <p class="lead">\(explanation.verdict)</p>
      <section aria-labelledby="asked"><h2 id="asked">What was asked, in order</h2>
      <div class="scroll" tabindex="0" role="group" aria-labelledby="asked"><table><thead><tr><th scope="col">Question</th><th scope="col">Answer</th><th scope="col">In words</th><th scope="col">Event</th></tr></thead>
      <tbody>\(steps)</tbody></table></div></section>
      <section aria-labelledby="timeline"><h2 id="timeline">What happened to this version</h2><ol class="timeline">\(lines)</ol></section>
      """)
  }

  private func event(_ sequence: Int64?) -> HTML {
    sequence.map { request.event(workspace, $0) } ?? "<span class=\"quiet\">none</span>"
  }

  private static func asked(_ question: Explanation.Step.Question) -> String {
    switch question {
    case .registered: "Does the source have it?"
    case .rule: "Does its workspace promote anything?"
    case .stands: "Does it stand at the source?"
    case .meant: "Is it the one that the source means?"
    case .exported: "Are its bytes in storage?"
    case .imported: "Is it in the marketplace registry?"
    case .available: "Can it be loaded?"
    }
  }
}

/// Two versions of a model side by side.
struct ComparePage {
  let request: PageRequest
  let model: ModelDetails
  let a, b: VersionDetails

  var html: HTML {
    Layout(title: "\(model.title): v\(a.version) and v\(b.version)", request: request).page(
      """
      <nav class="crumbs" aria-label="Where this is"><a href="\(request.address("/models").text)">Models</a> / \
      <a href="\(request.address(model.path).text)">\(model.title)</a></nav>
      <h1>Versions \(a.version) and \(b.version)</h1>
      \(table("Where they stand", standing))
      \(table("Metrics", numbers))
      \(table("Parameters", pairs(ModelDetails.texts(a.params), ModelDetails.texts(b.params))))
      \(table("Signature", pairs(columns(a), columns(b))))
      """)
  }

  private struct Row {
    let name: String
    let a, b: String?
    var difference: String?
    var isSame: Bool { a == b }
  }

  private var standing: [Row] {
    func stands(_ version: VersionDetails) -> String {
      version.isDeleted
        ? "deleted" : ([version.stage ?? "None"] + version.aliases.map { "@\($0)" }).joined(separator: " ")
    }
    func export(_ version: VersionDetails) -> ExportSummary? {
      model.exports.last { $0.version == version.version && $0.state == "live" }
    }
    func imported(_ version: VersionDetails) -> String? {
      model.imports.last { $0.version == version.version && $0.state == "live" }?.marketplaceVersion.map {
        "version \($0)"
      }
    }
    return [
      Row(name: "Stands at", a: stands(a), b: stands(b)),
      Row(name: "Created (UTC)", a: a.created.map(Words.time), b: b.created.map(Words.time)),
      Row(name: "Description", a: a.description, b: b.description), Row(name: "Owner", a: a.owner, b: b.owner),
      Row(name: "Flavours", a: a.flavors.joined(separator: ", "), b: b.flavors.joined(separator: ", ")),
      Row(name: "In the marketplace", a: imported(a), b: imported(b)),
      Row(
        name: "Size", a: export(a)?.bytes.map { Words.bytes(Int64($0)) },
        b: export(b)?.bytes.map { Words.bytes(Int64($0)) }),
      Row(name: "Manifest SHA-256", a: export(a)?.manifestSHA256, b: export(b)?.manifestSHA256),
      Row(name: "Run", a: a.runID, b: b.runID),
    ]
  }

  private var numbers: [Row] {
    let (a, b) = (ModelDetails.numbers(a.metrics), ModelDetails.numbers(b.metrics))
    let (before, after) = (Dictionary(a, uniquingKeysWith: { $1 }), Dictionary(b, uniquingKeysWith: { $1 }))
    return Set(before.keys).union(after.keys).sorted().map { name in
      let (x, y) = (before[name], after[name])
      var row = Row(name: name, a: x.map(Words.measure), b: y.map(Words.measure))
      if let x, let y, x.isFinite, y.isFinite { row.difference = (y > x ? "+" : "") + Words.measure(y - x) }
      return row
    }
  }

  private func pairs(_ a: [(name: String, value: String)], _ b: [(name: String, value: String)]) -> [Row] {
    let (before, after) = (Dictionary(a, uniquingKeysWith: { $1 }), Dictionary(b, uniquingKeysWith: { $1 }))
    return Set(before.keys).union(after.keys).sorted().map { Row(name: $0, a: before[$0], b: after[$0]) }
  }

  private func columns(_ version: VersionDetails) -> [(name: String, value: String)] {
    guard let signature = Signature(version.signature) else { return [] }
    func named(_ side: String, _ columns: [Signature.Column]) -> [(name: String, value: String)] {
      columns.map { ("\(side) \($0.name)", $0.type + ($0.isRequired ? "" : ", optional")) }
    }
    return named("input", signature.inputs) + named("output", signature.outputs) + named("parameter", signature.params)
  }

  private func table(_ title: String, _ rows: [Row]) -> HTML {
    let id = title.lowercased().replacing(" ", with: "-")
    guard !rows.isEmpty else { return .empty }
    let hasDifferences = rows.contains { $0.difference != nil }
    let body: [HTML] = rows.prefix(ModelPage.rowsMax).map { row in
      let mark: HTML = row.isSame ? "same" : "<strong>differs</strong>"
      let difference: HTML? = hasDifferences ? "<td class=\"number\">\(row.difference ?? "")</td>" : nil
      return
        "<tr><th scope=\"row\">\(row.name)</th><td>\(row.a ?? "–")</td><td>\(row.b ?? "–")</td>\(difference)<td>\(mark)</td></tr>"
    }
    let change: HTML? = hasDifferences ? "<th scope=\"col\" class=\"number\">Change</th>" : nil
    return """
      <section aria-labelledby="\(id)"><h2 id="\(id)">\(title)</h2>
      <div class="scroll" tabindex="0" role="group" aria-labelledby="\(id)"><table><thead><tr><th scope="col">What</th><th scope="col">Version \(a.version)</th><th scope="col">Version \(b.version)</th>\(change)<th scope="col">Same?</th></tr></thead>
      <tbody>\(body)</tbody></table></div></section>
      """
  }
}
