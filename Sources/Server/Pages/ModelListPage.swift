import Catalog

/// The catalog: what is there, narrowed down by words and facets.
struct ModelListPage {
  /// Models on a page.
  static let modelsMax = 25
  /// Values of a facet that are shown at once; the rest unfolds.
  static let valuesMax = 8
  /// Characters of a description in the list.
  static let descriptionMax = 220

  let request: PageRequest
  let query: CatalogQuery
  let answer: CatalogAnswer
  /// From 1.
  let page: Int

  var pages: Int { Self.pages(of: answer.count) }

  static func pages(of count: Int) -> Int { max(1, (count + modelsMax - 1) / modelsMax) }

  var shown: [CatalogEntry] { answer.entries((page - 1) * Self.modelsMax..<page * Self.modelsMax) }

  var html: HTML {
    let found = Words.count(answer.count, "model")
    let words: HTML = query.text.isEmpty ? "" : " for “\(query.text)”"
    return Layout(title: query.text.isEmpty ? "Models" : query.text, request: request, search: query.text).page(
      """
      <h1 class="unseen">Models</h1>
      <div class="columns">
      <aside aria-label="Filters">\(CatalogQuery.Facet.allCases.map(facet))</aside>
      <section aria-labelledby="found">
      <div class="row"><p id="found" class="found"><strong>\(found)</strong>\(words)\(chosen)</p>\(orders)</div>
      \(list)
      \(Turning(request: request, page: page, pages: pages).html)
      </section>
      </div>
      """)
  }

  /// The filters that hold, each with a way to give it up.
  private var chosen: [HTML] {
    CatalogQuery.Facet.allCases.flatMap { facet in
      (query.wanted[facet] ?? []).sorted().map { value in
        let address = request.own.with("page", nil).toggling(facet.rawValue, value)
        return
          " <a class=\"chip\" href=\"\(address.text)\">\(label(value, of: facet)) <span aria-hidden=\"true\">×</span><span class=\"unseen\">remove this filter</span></a>"
      }
    }
  }

  private var orders: HTML {
    let links = CatalogQuery.Order.allCases.filter { $0 != .relevance || !query.text.isEmpty }.map { order -> HTML in
      let isHere = order == query.order || (order == .name && query.order == .relevance && query.text.isEmpty)
      let current: HTML = isHere ? " aria-current=\"true\"" : ""
      let address = request.own.with("page", nil).with("order", order == .relevance ? nil : order.rawValue)
      return "<li><a href=\"\(address.text)\"\(current)>\(name(order))</a></li>"
    }
    return "<nav class=\"orders\" aria-label=\"Order\"><ul>\(links)</ul></nav>"
  }

  private func name(_ order: CatalogQuery.Order) -> String {
    switch order {
    case .relevance: "Best match"
    case .name: "Name"
    case .newest: "Newest"
    case .largest: "Largest"
    }
  }

  private func facet(_ facet: CatalogQuery.Facet) -> HTML {
    let counts = answer.facets[facet] ?? []
    guard counts.count > 1 || counts.contains(where: \.isWanted) else { return .empty }
    let name = heading(facet)
    // What is chosen never folds away.
    let first = counts.prefix(Self.valuesMax) + counts.dropFirst(Self.valuesMax).filter(\.isWanted)
    let rest = counts.dropFirst(Self.valuesMax).filter { !$0.isWanted }
    let more: HTML =
      rest.isEmpty
      ? ""
      : "<details><summary>\(rest.count) more<span class=\"unseen\"> of \(name)</span></summary><ul>\(rest.map { value($0, of: facet) })</ul></details>"
    return """
      <section class="facet" aria-labelledby="facet-\(facet.rawValue)"><h2 id="facet-\(facet.rawValue)">\(name)</h2>
      <ul>\(first.map { value($0, of: facet) })</ul>\(more)</section>

      """
  }

  private func value(_ count: CatalogAnswer.Count, of facet: CatalogQuery.Facet) -> HTML {
    let address = request.own.with("page", nil).toggling(facet.rawValue, count.value)
    let current: HTML = count.isWanted ? " aria-current=\"true\"" : ""
    return
      "<li><a href=\"\(address.text)\"\(current)><span>\(label(count.value, of: facet))</span> <span class=\"number\">\(Words.grouped(count.count))</span></a></li>"
  }

  private func heading(_ facet: CatalogQuery.Facet) -> String {
    switch facet {
    case .workspace: "Workspace"
    case .state: "State"
    case .flavor: "Flavour"
    case .owner: "Owner"
    }
  }

  private func label(_ value: String, of facet: CatalogQuery.Facet) -> String {
    facet == .state ? CatalogEntry.State(rawValue: value).words : value
  }

  private var list: HTML {
    guard answer.count > 0 else {
      return """
        <div class="nothing"><p>Nothing fits.</p>
        <p>Fewer words or filters find more. A model that is not promoted at its source, or was withdrawn, is not in the catalog: \
        its own page, <code>/models/workspace.name</code>, says what became of it.</p>
        <p><a href="\(request.address("/models").text)">All models</a></p></div>
        """
    }
    return "<ol class=\"models\" start=\"\((page - 1) * Self.modelsMax + 1)\">\(shown.map(item))</ol>"
  }

  private func item(_ entry: CatalogEntry) -> HTML {
    let description: HTML? = entry.description.flatMap { text in
      text.isEmpty ? nil : "<p class=\"about\">\(Self.shortened(text))</p>"
    }
    var facts: [HTML] = ["<li>\(entry.workspace)\(entry.version.map { " v\($0)" } ?? "")</li>"]
    if let number = entry.marketplaceVersion { facts.append("<li>version \(number)</li>") }
    if let flavors = entry.flavors, !flavors.isEmpty {
      facts.append(
        "<li>\(flavors.filter { $0 != "python_function" || flavors.count == 1 }.joined(separator: ", "))</li>")
    }
    if let owner = entry.owner { facts.append("<li>\(owner)</li>") }
    if let bytes = entry.export?.bytes { facts.append("<li>\(Words.bytes(Int64(bytes)))</li>") }
    facts.append("<li>since \(Words.element(entry.since))</li>")
    return """
      <li><article><div class="row"><h2><a href="\(request.address(entry.path).text)">\(entry.title)</a></h2>\(entry.state.badge)</div>
      \(description)<ul class="facts">\(facts)</ul></article></li>

      """
  }

  static func shortened(_ text: String) -> String {
    let line = text.split(whereSeparator: \.isNewline).joined(separator: " ")
    return line.count <= descriptionMax ? line : line.prefix(descriptionMax - 1) + "…"
  }
}
