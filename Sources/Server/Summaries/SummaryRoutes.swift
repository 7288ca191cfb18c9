import Access
import Catalog
import Foundation
import HTTPTypes
import Hummingbird
import Ledger

/// What was exported and imported from a workspace, and which runs of jobs did it, for programs.
struct SummaryRoutes: Sendable {
  /// Runs of a page, unless told otherwise, and at most.
  static let runsDefault: Int64 = 20
  static let runsMax: Int64 = 100

  let sources: ServiceSources
  let guardian: Guardian

  func add(to routes: Routes) {
    let catalog = Authorization(scope: .catalog, guardian: guardian)
    let reading = Authorization(scope: .readEvents, guardian: guardian)
    routes.at(
      "/v1/workspaces/:workspace/exports", catalog,
      get: { request, context in try await exports(request, context) })
    routes.at(
      "/v1/workspaces/:workspace/imports", catalog,
      get: { request, context in try await imports(request, context) })
    routes.at("/v1/workspaces/:workspace/runs", reading, get: { request, context in try await runs(request, context) })
  }

  private func exports(_ request: Request, _ context: ServerContext) async throws -> Response {
    let asked = try await SummaryRequest(request, context, states: ["live", "invalidated", "failed"], sources)
    let found = try await sources.catalog.exportSummary(
      asOf: asked.asOf, workspace: asked.workspace, model: asked.model, state: asked.state, page: asked.page)
    var document = SummaryDocument("marketplace.exports/1", asked, found.map(\.sequence))
    document.exports = found.map { ExportDocument($0) }
    return try Answer.json(document)
  }

  private func imports(_ request: Request, _ context: ServerContext) async throws -> Response {
    let asked = try await SummaryRequest(request, context, states: ["live", "lost", "failed"], sources)
    let found = try await sources.catalog.importSummary(
      asOf: asked.asOf, workspace: asked.workspace, model: asked.model, state: asked.state, page: asked.page)
    var document = SummaryDocument("marketplace.imports/1", asked, found.map(\.sequence))
    document.imports = found.map { ImportDocument($0) }
    return try Answer.json(document)
  }

  private func runs(_ request: Request, _ context: ServerContext) async throws -> Response {
    let workspace = try EventRoutes.workspace(context)
    let query = try RequestQuery(request.uri.query)
    let limit = try query.number("limit", within: 1...Self.runsMax) ?? Self.runsDefault
    let before = try query["cursor"].map { try EventCursor.number($0, .run) }
    try await sources.expect(workspace: workspace)
    return try Answer.json(
      RunsDocument(try await sources.ledger.runs(of: workspace, before: before, limit: Int(limit)), of: workspace))
  }
}

/// Which part of a summary is asked for.
struct SummaryRequest {
  let workspace: String
  let asOf: AsOf
  let asOfText: String?
  let model: UUID?
  let state: String?
  let page: SummaryPage

  init(
    _ request: Request, _ context: ServerContext, states: [String], _ sources: ServiceSources
  ) async throws {
    let moment = try PageRequest(request)
    (asOf, asOfText) = (moment.asOf, moment.asOfText)
    // Of the catalog, every workspace is read by whoever reads any.
    workspace = try EventRoutes.named(context)
    let query = moment.query
    try query.expectOnce("state")
    state = query["state"]
    if let state, !states.contains(state) {
      throw Problem(
        .badRequest, "bad_parameter", "state is '\(state.prefix(60))': \(states.joined(separator: ", ")) are known.",
        field: "state")
    }
    model = try query["model"].map { text in
      guard let model = UUID(uuidString: text) else {
        throw Problem(
          .badRequest, "bad_parameter", "model is '\(text.prefix(60))': the incarnation of a model, a UUID, is wanted.",
          field: "model")
      }
      return model
    }
    page = SummaryPage(
      after: try query["cursor"].map { try EventCursor.number($0, .sequence) } ?? 0, limit: try EventRoutes.limit(query)
    )
    try await sources.expect(workspace: workspace)
  }
}

extension ServiceSources {
  /// - Throws: ``Problem`` where there is no such workspace.
  func expect(workspace: String) async throws {
    guard try await ledger.heads()[workspace] != nil else {
      throw Problem(.notFound, "unknown_workspace", "There is no workspace \(workspace).", field: "workspace")
    }
  }
}
