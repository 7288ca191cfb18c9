import Access
import Catalog
import Foundation
import HTTPTypes
import Hummingbird
import Ledger
import Postgres

/// The catalog: pages for people, and under the same addresses objects for programs.
struct CatalogRoutes: Sendable {
  /// Characters, as Unicode counts code points, that a search may have.
  static let searchCharactersMax = 250

  let sources: ServiceSources
  let snapshots: Snapshots
  let guardian: Guardian
  /// Whether the service itself speaks TLS.
  let isSecure: Bool
  /// The time, in microseconds since 1970.
  let now: @Sendable () -> Timestamp
  /// Two moments are read whole to be compared.
  private let comparisons = Turnstile(max: Snapshots.loadsMax)

  init(
    sources: ServiceSources, snapshots: Snapshots, guardian: Guardian, isSecure: Bool,
    now: @escaping @Sendable () -> Timestamp
  ) {
    self.sources = sources
    self.snapshots = snapshots
    self.guardian = guardian
    self.isSecure = isSecure
    self.now = now
  }

  func add(to routes: Routes) {
    let catalog = Authorization(scope: .catalog, guardian: guardian)
    routes.at("/", get: { request, _ in Answer.redirect(to: try PageRequest(request).address("/models")) })
    routes.at("/models", catalog, get: { request, _ in try await list(request) })
    routes.at("/models/:model", catalog, get: { request, context in try await model(request, context) })
    routes.at("/models/:model/compare", catalog, get: { request, context in try await compare(request, context) })
    routes.at(
      "/models/:model/versions/:version", catalog, get: { request, context in try await explain(request, context) })
    routes.at("/workspaces", catalog, get: { request, _ in try await workspaces(request) })
    routes.at("/changes", catalog, get: { request, _ in try await changes(request) })
    routes.at("/changes.atom", catalog, get: { request, _ in try await feed(request) })
    for asset in Assets.all { routes.at(RouterPath(asset.path), get: { _, _ in asset.response }) }
  }

  private func list(_ request: Request) async throws -> Response {
    let page = try PageRequest(request)
    let text = page.query["q"] ?? ""
    guard text.unicodeScalars.count <= Self.searchCharactersMax else {
      throw Problem(
        .badRequest, "search_too_long", "A search may have \(Self.searchCharactersMax) characters.", field: "q")
    }
    var order = CatalogQuery.Order.relevance
    if let wanted = page.query["order"] {
      guard let known = CatalogQuery.Order(rawValue: wanted) else {
        throw Problem(
          .badRequest, "bad_parameter",
          "order is '\(wanted)': \(CatalogQuery.Order.allCases.map(\.rawValue).joined(separator: ", ")) are known.",
          field: "order")
      }
      order = known
    }
    let query = CatalogQuery(
      text: text,
      wanted: Dictionary(
        uniqueKeysWithValues: CatalogQuery.Facet.allCases.map { ($0, Set(page.query.all($0.rawValue))) }),
      order: order)
    let answer = try await snapshots.at(page.asOf).answer(query)
    let number = Int(try page.query.number("page", within: 1...1_000_000) ?? 1)
    // Beyond the end is the end: there may have been more when somebody kept the address.
    let list = ModelListPage(
      request: page, query: query, answer: answer, page: min(number, ModelListPage.pages(of: answer.count)))
    return page.wantsPage ? Answer.page(list.html) : try Answer.json(ModelListDocument(list))
  }

  /// A part of the path, as it was before it was encoded.
  private static func part(_ name: String, of context: ServerContext) throws -> String {
    guard let text = Address.decoded(try context.parameters.require(name), plusIsSpace: false), !text.contains("\0")
    else {
      throw Problem(.badRequest, "path_malformed", "The address is not encoded as it should be.")
    }
    return text
  }

  private func details(_ page: PageRequest, _ context: ServerContext) async throws -> ModelDetails {
    let before = try page.query.number("before", within: 1...Int64(Int32.max))
    return try await ModelDetails(
      named: try Self.part("model", of: context), asOf: page.asOf, sources,
      rowsMax: page.wantsPage ? ModelPage.versionsMax : ModelDetails.rowsMax,
      before: page.wantsPage ? nil : before.map { Int($0) })
  }

  private func model(_ request: Request, _ context: ServerContext) async throws -> Response {
    let page = try PageRequest(request)
    let model = try await details(page, context)
    guard page.wantsPage else {
      return try Answer.json(ModelDocument(model, asOf: page.asOfText, registry: sources.registry))
    }
    return Answer.page(
      ModelPage(request: page, model: model, registry: sources.registry, hasProofs: sources.published != nil).html)
  }

  private func compare(_ request: Request, _ context: ServerContext) async throws -> Response {
    let page = try PageRequest(request)
    let model = try await details(page, context)
    func version(_ name: String) async throws -> VersionDetails {
      guard let number = try page.query.number(name, within: 0...Int64(Int32.max)) else {
        throw Problem(
          .badRequest, "bad_parameter", "\(name) is missing: the number of a version is wanted.", field: name)
      }
      let found = try await sources.catalog.version(
        Int(number), of: model.reference.model, in: model.reference.workspace, asOf: page.asOf)
      guard let version = found else {
        throw Problem(
          .notFound, "unknown_version", "\(model.title) has no version \(number) that was ever seen.", field: name)
      }
      return version
    }
    let (a, b) = (try await version("a"), try await version("b"))
    let comparison = ComparePage(request: page, model: model, a: a, b: b)
    return page.wantsPage ? Answer.page(comparison.html) : try Answer.json(ComparisonDocument(comparison))
  }

  private func explain(_ request: Request, _ context: ServerContext) async throws -> Response {
    let page = try PageRequest(request)
    let name = try Self.part("model", of: context)
    guard let number = Int(try Self.part("version", of: context)), (0...Int(Int32.max)).contains(number) else {
      throw Problem(
        .notFound, "unknown_version", "The address names no version: it ends with its number at the source.")
    }
    let references = try await sources.models(named: name, asOf: page.asOf)
    var found: [Explanation] = []
    for reference in references {
      if let one = try await sources.catalog.explain(version: number, of: reference, asOf: page.asOf) {
        found.append(one)
      }
    }
    // A re-created model goes on under its predecessor's name: the one that had the version last is meant.
    guard let last = found.max(by: { ($0.steps.first?.sequence ?? 0) < ($1.steps.first?.sequence ?? 0) }) else {
      throw Problem(.notFound, "unknown_version", "\(name) has no version \(number) that was ever seen.")
    }
    guard page.wantsPage else { return try Answer.json(ExplanationDocument(last)) }
    return Answer.page(
      ExplainPage(
        request: page, explanation: last, title: name, path: CatalogEntry.path(name, last.model.model.uuidString)
      ).html)
  }

  private func workspaces(_ request: Request) async throws -> Response {
    let page = try PageRequest(request)
    let workspaces = try await sources.catalog.workspaces(asOf: page.asOf)
    guard page.wantsPage else { return try Answer.json(WorkspacesDocument(workspaces, asOf: page.asOfText)) }
    return Answer.page(WorkspacesPage(request: page, workspaces: workspaces, now: now()).html)
  }

  private func changes(_ request: Request) async throws -> Response {
    let page = try PageRequest(request)
    let number = Int(try page.query.number("page", within: 1...1_000_000) ?? 1)
    let titles = try await titles(page.asOf)
    var comparison: ChangesPage.Comparison?
    var recent: [RecentChange] = []
    if page.query["from"] != nil || page.query["to"] != nil {
      let from = try await position("from", page, otherwise: .position(0))
      let to = try await position("to", page, otherwise: page.asOf)
      guard from <= to else {
        throw Problem(.unprocessableContent, "bad_moment", "'from' comes after 'to'. Turn them round.", field: "from")
      }
      comparison = try await compared(from, to, page: number)
    } else {
      recent = try await lately(page.asOf)
    }
    let changes = ChangesPage(request: page, recent: recent, comparison: comparison, titles: titles)
    return page.wantsPage ? Answer.page(changes.html) : try Answer.json(ChangesDocument(changes))
  }

  private func compared(_ from: Int64, _ to: Int64, page: Int) async throws -> ChangesPage.Comparison {
    let first = (page - 1) * ChangesPage.modelsMax
    let (changes, count) = try await comparisons.pass {
      try await sources.catalog.changes(
        from: from, to: to, models: first..<first + ChangesPage.modelsMax, linesMax: ChangesPage.linesMax)
    }
    // Beyond the end there is nothing that says how many there are.
    guard !changes.isEmpty || page == 1 else { return try await compared(from, to, page: 1) }
    return ChangesPage.Comparison(from: from, to: to, changes: changes, count: count, page: page)
  }

  private func feed(_ request: Request) async throws -> Response {
    let page = try PageRequest(request)
    let titles = try await titles(page.asOf)
    // Its entries are known by what does not hang on how somebody reached it.
    let host = request.head.authority.map { "\(isSecure(request) ? "https" : "http")://\($0)" } ?? ""
    return Answer.text(
      ChangesPage.feed(
        try await lately(page.asOf), titles: titles, host: host, address: page.address("/changes.atom")),
      type: "application/atom+xml; charset=utf-8")
  }

  /// Whether it came over TLS: to here, or to the proxy before, which says so.
  private func isSecure(_ request: Request) -> Bool {
    isSecure || HTTPField.Name("X-Forwarded-Proto").flatMap { request.headers[$0] } == "https"
  }

  private func titles(_ asOf: AsOf) async throws -> [UUID: String] {
    let entries = try await snapshots.at(asOf).answer(CatalogQuery()).entries
    return Dictionary(entries.map { ($0.model, $0.title) }, uniquingKeysWith: { $1 })
  }

  private func lately(_ asOf: AsOf) async throws -> [RecentChange] {
    let last = try await sources.position(asOf)
    var recent: [RecentChange] = []
    for positions in ChangesPage.recentPositions {
      let earlier = max(0, last - positions)
      recent =
        asOf == .now
        ? try await sources.catalog.recent(after: earlier, limit: Int(positions))
        : try await sources.catalog.recent(after: earlier, through: last)
      if recent.count >= ChangesPage.linesMax || earlier == 0 { break }
    }
    return recent
  }

  private func position(_ name: String, _ page: PageRequest, otherwise: AsOf) async throws -> Int64 {
    guard let text = page.query[name] else { return try await sources.position(otherwise) }
    guard let moment = AsOf(text: text) else {
      throw Problem(
        .badRequest, "bad_moment",
        "\(name) '\(text)' is neither a position nor a time. Write 4711, 2026-03-01 or 2026-03-01T09:30:00Z.",
        field: name)
    }
    try PageRequest.expect(moment, as: text, field: name)
    return try await sources.position(moment, field: name)
  }
}
