import Catalog
import Foundation
import Postgres

/// A model: what it does, whether it can be trusted, how to load it; then everything else that is known of it.
struct ModelPage {
  /// Files, versions and lines of history that the page lists; programs get more.
  static let rowsMax = 100
  /// Metrics that are plotted.
  static let plotsMax = 6
  /// Versions that are read for it, and plotted: more points than that are a line.
  static let versionsMax = 200

  let request: PageRequest
  let model: ModelDetails
  let registry: ServiceSources.Registry?
  let hasProofs: Bool

  private var workspace: String { model.reference.workspace }

  var html: HTML {
    Layout(title: model.title, request: request).page(
      """
      <nav class="crumbs" aria-label="Where this is"><a href="\(request.address("/models").text)">Models</a> / \
      <a href="\(request.address("/models", [("workspace", workspace)]).text)">\(workspace)</a></nav>
      <div class="row"><h1>\(model.title)</h1>\(model.entry?.state.badge ?? Self.absent)</div>
      \(lead)
      \(loading)
      \(facts)
      \(metrics)
      \(signature)
      \(files)
      \(lineage)
      \(versions)
      \(timeline)
      """)
  }

  private static let absent: HTML =
    "<span class=\"badge waiting\"><span aria-hidden=\"true\">–</span> Not in the catalog</span>"

  private var lead: HTML {
    let about = model.entry?.description ?? ""
    let version = model.entry?.versionDescription ?? ""
    let text: HTML =
      about.isEmpty
      ? "<p class=\"quiet\">Its source says nothing about what it is for.</p>" : "<p class=\"lead\">\(about)</p>"
    let more: HTML = version.isEmpty ? "" : "<p class=\"lead\"><strong>This version:</strong> \(version)</p>"
    let reason: HTML? = model.entry?.reason.map { "<p class=\"note\">\($0)</p>" }
    let gone: HTML? = model.entry == nil ? "<p class=\"note\">\(whyAbsent)</p>" : nil
    return "\(text)\(more)\(reason)\(gone)"
  }

  private var whyAbsent: HTML {
    let last = model.availability.last { $0.version != nil }
    let ended =
      last?.toRecordedAt.map { "It could be loaded until \(Words.time($0)) UTC." } ?? "It never could be loaded."
    let link: HTML? = model.versions.last.map {
      " <a href=\"\(request.address("\(model.path)/versions/\($0.version)").text)\">Why is it not in the catalog?</a>"
    }
    return "Its source promotes no version of it now. \(ended)\(link)"
  }

  private var loading: HTML {
    guard let entry = model.entry, let name = entry.marketplaceName, let number = entry.marketplaceVersion else {
      return .empty
    }
    return """
      <section aria-labelledby="load"><h2 id="load">Load it</h2>
      <div class="snippet"><pre tabindex="0" aria-label="Python that loads this version"><code id="snippet">\
      \(LoadSnippet(name: name, version: number, registry: registry, modelSHA256: entry.export?.modelSHA256).python)</code></pre>\
      <button type="button" class="copy" data-copies="snippet" hidden>Copy</button></div>
      <p class="quiet">Pinned to version \(number)\(entry.export?.modelSHA256 == nil ? "" : " and to the digest of its files: what is loaded is what was promoted").</p>
      </section>
      """
  }

  private var facts: HTML {
    let (entry, version) = (model.entry, model.version)
    var rows: [(String, HTML)] = []
    if let owner = entry?.owner ?? version?.owner { rows.append(("Owner", "\(owner)")) }
    rows.append(
      ("Workspace", "<a href=\"\(request.address("/models", [("workspace", workspace)]).text)\">\(workspace)</a>"))
    if let name = model.reference.name { rows.append(("Name at the source", "\(name)")) }
    if let entry {
      rows.append(("At the source", entry.sourceVersion.map { "version \($0) is meant" } ?? "no version is meant"))
      rows.append(
        (
          "In the marketplace",
          entry.marketplaceVersion.map { number in
            "version \(number)\(entry.availableVersion.map { ", which is version \($0) of the source" } ?? "")"
          } ?? "none yet"
        ))
      rows.append(("Since", Words.element(entry.since)))
    }
    if let flavors = entry?.flavors ?? version?.flavors, !flavors.isEmpty {
      rows.append(("Flavours", "\(flavors.joined(separator: ", "))"))
    }
    if let export = entry?.export {
      if let bytes = export.bytes, let count = export.files {
        rows.append(("Size", "\(Words.bytes(Int64(bytes))) in \(Words.count(count, "file"))"))
      }
      if let digest = export.modelSHA256 { rows.append(("Model SHA-256", "<code>\(digest)</code>")) }
      if let digest = export.manifestSHA256 { rows.append(("Manifest SHA-256", "<code>\(digest)</code>")) }
      if let uri = export.uri { rows.append(("Export", "<code>\(uri)</code>")) }
    }
    for tag in ModelDetails.texts(entry?.tags).prefix(Self.rowsMax) { rows.append(("Tag \(tag.name)", "\(tag.value)")) }
    rows.append(("Incarnation", "<code>\(model.reference.model.uuidString.lowercased())</code>"))
    return """
      <section aria-labelledby="facts"><h2 id="facts">Facts</h2>
      <dl class="facts-list">\(rows.map { "<dt>\($0.0)</dt><dd>\($0.1)</dd>" as HTML })</dl></section>
      """
  }

  private var metrics: HTML {
    let own = ModelDetails.numbers(model.version?.metrics)
    guard !own.isEmpty else { return .empty }
    let measured = model.versions.map { ($0.version, ModelDetails.numbers($0.metrics)) }
    let series = own.prefix(Self.plotsMax).map { metric in
      let points = measured.compactMap { version, numbers in
        // What is no number is told in the table, and nowhere on a plot.
        numbers.first { $0.name == metric.name && $0.value.isFinite }.map { (version: version, value: $0.value) }
      }
      return (metric.name, points)
    }
    let plots: [HTML] = series.filter { $0.1.count > 1 }.map { name, points in
      "<figure>\(Plot(name: name, points: points, marked: model.version?.version).svg)<figcaption>\(name) over versions</figcaption></figure>"
    }
    let rows: [HTML] = own.prefix(Self.rowsMax).map {
      "<tr><th scope=\"row\">\($0.name)</th><td class=\"number\">\(Words.measure($0.value))</td></tr>"
    }
    return """
      <section aria-labelledby="metrics"><h2 id="metrics">Metrics\(model.version.map { " of version \($0.version)" } ?? "")</h2>
      <div class="plots">\(plots)</div>
      <div class="scroll" tabindex="0" role="group" aria-labelledby="metrics"><table><thead><tr><th scope="col">Metric</th><th scope="col" class="number">Value</th></tr></thead>
      <tbody>\(rows)</tbody></table></div></section>
      """
  }

  private var signature: HTML {
    guard let signature = Signature(model.entry?.signature ?? model.version?.signature) else { return .empty }
    func side(_ name: String, _ columns: [Signature.Column]) -> [HTML] {
      columns.prefix(Self.rowsMax).map { column in
        "<tr><td>\(name)</td><th scope=\"row\">\(column.name)</th><td><code>\(column.type)</code></td><td>\(column.isRequired ? "required" : "optional")</td></tr>"
      }
    }
    return """
      <section aria-labelledby="signature"><h2 id="signature">Signature</h2>
      <div class="scroll" tabindex="0" role="group" aria-labelledby="signature"><table><thead><tr><th scope="col">Side</th><th scope="col">Name</th><th scope="col">Type</th><th scope="col">Need</th></tr></thead>
      <tbody>\(side("input", signature.inputs) + side("output", signature.outputs) + side("parameter", signature.params))</tbody></table></div></section>
      """
  }

  private var files: HTML {
    guard let files = model.files, !files.isEmpty else { return .empty }
    let rows: [HTML] = files.prefix(Self.rowsMax).map {
      "<tr><th scope=\"row\">\($0.path)</th><td class=\"number\">\(Words.bytes($0.size))</td><td><code>\($0.sha256)</code></td></tr>"
    }
    let rest: HTML =
      files.count > Self.rowsMax
      ? "<p class=\"quiet\">\(files.count - Self.rowsMax) more, in the same page as JSON.</p>" : ""
    return """
      <section aria-labelledby="files"><h2 id="files">Files</h2>
      <div class="scroll" tabindex="0" role="group" aria-labelledby="files"><table><thead><tr><th scope="col">File</th><th scope="col" class="number">Size</th><th scope="col">SHA-256</th></tr></thead>
      <tbody>\(rows)</tbody></table></div>\(rest)</section>
      """
  }

  /// From where to where, step by step, with the event of each.
  private var lineage: HTML {
    guard let version = model.version else { return .empty }
    var steps: [HTML] = ["<li>Workspace <strong>\(workspace)</strong></li>"]
    if let experiment = version.experiment { steps.append("<li>Experiment \(experiment)</li>") }
    if let run = version.runID { steps.append("<li>Run \(version.runName ?? "")  <code>\(run)</code></li>") }
    steps.append(
      "<li>Version \(version.version), created \(version.created.map(Words.element) ?? "at an unknown time")\(event(version.registeredSequence))</li>"
    )
    if let export = model.exports.last(where: { $0.version == version.version && $0.state == "live" }) {
      steps.append(
        "<li>Exported \(Words.element(export.recordedAt)) by \(export.principal ?? "?")\(event(export.sequence))</li>")
    }
    if let done = model.imports.last(where: { $0.version == version.version && $0.state == "live" }) {
      steps.append(
        "<li>Imported as \(done.marketplaceName ?? "?") version \(done.marketplaceVersion.map { "\($0)" } ?? "?") \(Words.element(done.recordedAt))\(event(done.sequence))</li>"
      )
    }
    return
      "<section aria-labelledby=\"lineage\"><h2 id=\"lineage\">Lineage</h2><ol class=\"steps\">\(steps)</ol></section>"
  }

  private func event(_ sequence: Int64?) -> HTML? {
    sequence.map { " \(request.event(workspace, $0))" }
  }

  private var versions: HTML {
    guard !model.versions.isEmpty else { return .empty }
    let imported = Dictionary(
      model.imports.filter { $0.state == "live" }.map { ($0.version, $0.marketplaceVersion) }, uniquingKeysWith: { $1 })
    let rows: [HTML] = model.versions.reversed().prefix(Self.rowsMax).map { version in
      let stands =
        version.isDeleted
        ? "deleted" : ([version.stage ?? "None"] + version.aliases.map { "@\($0)" }).joined(separator: " ")
      let number = (imported[version.version] ?? nil).map { "\($0)" } ?? "–"
      let why = request.address("\(model.path)/versions/\(version.version)").text
      return """
        <tr><th scope="row">v\(version.version)</th><td>\(stands)\(version.isCurrent ? ", meant" : "")</td><td>\(version.created.map(Words.element))</td>\
        <td>\(number)</td><td><a href="\(why)">Why, or why not?<span class="unseen"> Version \(version.version)</span></a></td></tr>
        """
    }
    let rest: HTML =
      model.versionsCount > Self.rowsMax
      ? "<p class=\"quiet\">\(Words.grouped(model.versionsCount - Self.rowsMax)) earlier ones, in the same page as JSON, with <code>before</code>.</p>"
      : ""
    return """
      <section aria-labelledby="versions"><h2 id="versions">Versions</h2>
      <div class="scroll" tabindex="0" role="group" aria-labelledby="versions"><table><thead><tr><th scope="col">At the source</th><th scope="col">Stands at</th><th scope="col">Created</th><th scope="col">In the marketplace</th><th scope="col">In the catalog</th></tr></thead>
      <tbody>\(rows)</tbody></table></div>\(rest)\(comparing)</section>
      """
  }

  private var comparing: HTML {
    guard model.versions.count > 1 else { return .empty }
    let numbers = model.versions.reversed().prefix(Self.rowsMax).map(\.version)
    func choice(_ name: String, _ chosen: Int) -> HTML {
      "<select name=\"\(name)\" id=\"\(name)\">\(numbers.map { "<option\($0 == chosen ? " selected" : "" as HTML)>\($0)</option>" as HTML })</select>"
    }
    let hidden: HTML? = request.asOfText.map { "<input type=\"hidden\" name=\"as_of\" value=\"\($0)\">" }
    return """
      <form class="compare" action="\(model.path)/compare" method="get">\(hidden)<label for="a">Compare version</label> \(choice("a", numbers[1])) \
      <label for="b">with</label> \(choice("b", numbers[0])) <button>Compare</button></form>
      """
  }

  private var timeline: HTML {
    let lines: [HTML] = model.history.reversed().prefix(Self.rowsMax).map { line in
      "<li>\(Words.element(line.recordedAt)) <span>\(line.what)</span>\(event(line.sequence))</li>"
    }
    let rest: HTML =
      model.history.count > Self.rowsMax || !model.historyIsWhole
      ? "<p class=\"quiet\">There are earlier lines: <code>marketplace catalog history</code> shows them all.</p>" : ""
    let proof: HTML = hasProofs ? " Each event has a page with its data and its proof." : ""
    return """
      <section aria-labelledby="timeline"><h2 id="timeline">Timeline</h2>
      <p class="quiet">By the record, newest first, in UTC. The source does not say when or who; two observations bracket each change.\(proof)</p>
      <ol class="timeline">\(lines)</ol>\(rest)</section>
      """
  }
}

/// Python that loads one version and nothing else.
struct LoadSnippet {
  let name: String
  let version: Int
  let registry: ServiceSources.Registry?
  let modelSHA256: String?

  var python: String {
    let address = "models:/\(name)/\(version)"
    var modules = modelSHA256 == nil ? ["mlflow"] : ["hashlib", "pathlib", "mlflow"]
    var place = registry.map { "mlflow.set_tracking_uri(\(Self.quoted($0.address)))\n" } ?? ""
    if let workspace = registry?.workspace {
      modules.insert("os", at: modelSHA256 == nil ? 0 : 1)
      place += "os.environ[\"MLFLOW_WORKSPACE\"] = \(Self.quoted(workspace))\n"
    }
    let imports = "import \(modules.joined(separator: ", "))\n\n\(place)"
    guard let modelSHA256 else { return "\(imports)model = mlflow.pyfunc.load_model(\(Self.quoted(address)))" }
    // `registered_model_meta` is MLflow's own note of where it loaded from, and no file of the model.
    return imports + """
      folder = pathlib.Path(mlflow.artifacts.download_artifacts(\(Self.quoted(address))))
      files = {f.relative_to(folder).as_posix(): f for f in folder.rglob("*") if f.is_file()}
      files.pop("registered_model_meta", None)
      lines = [f"{hashlib.sha256(files[p].read_bytes()).hexdigest()}  {p}\\n" for p in sorted(files, key=str.encode)]
      if hashlib.sha256("".join(lines).encode()).hexdigest() != \(Self.quoted(modelSHA256)):
          raise SystemExit("These are not the files that were promoted.")
      model = mlflow.pyfunc.load_model(str(folder))
      """
  }

  /// As Python reads it: a name from a registry is text in it, whatever it holds.
  private static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"", "\\": result += "\\\(scalar)"
      // What a page cannot show as it is would not be copied as it is either.
      case _ where Printable.text(String(scalar), keepsLines: false) != String(scalar):
        result += String(format: scalar.value > 0xffff ? "\\U%08x" : "\\u%04x", scalar.value)
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}
