import Access
import Catalog
import Foundation
import HTTPTypes
import Hummingbird
import Ledger
import Marketplace

/// The log itself: its checkpoint, single events, and their proofs.
struct AuditRoutes: Sendable {
  let sources: ServiceSources
  let guardian: Guardian

  func add(to routes: Routes) {
    let catalog = Authorization(scope: .catalog, guardian: guardian)
    routes.at("/audit", catalog, get: { request, _ in try await audit(request) })
    routes.at("/events/:workspace/:sequence", catalog, get: { request, context in try await event(request, context) })
    routes.at("/v1/audit/checkpoint", catalog, get: { _, _ in try await checkpoint() })
    routes.at("/v1/audit/proofs/:position", catalog, get: { _, context in try await proof(context) })
    routes.at("/v1/audit/consistency/:earlier/:later", catalog, get: { _, context in try await consistency(context) })
  }

  private func audit(_ request: Request) async throws -> Response {
    let page = try PageRequest(request)
    let (checkpoint, last) = (try await sources.published?.checkpoint(), try await sources.position(page.asOf))
    let audit = AuditPage(request: page, published: sources.published, checkpoint: checkpoint, last: last)
    return page.wantsPage ? Answer.page(audit.html) : try Answer.json(AuditDocument(audit))
  }

  private func checkpoint() async throws -> Response {
    guard let text = try await sources.published?.checkpoint() else {
      throw Problem(.notFound, "nothing_published", "No checkpoint of this log was published.")
    }
    return Answer.text(text, type: "text/plain; charset=utf-8")
  }

  private func published() throws -> ServiceSources.Published {
    guard let published = sources.published else {
      throw Problem(.notFound, "nothing_published", "This log is not published, so there is nothing to prove against.")
    }
    return published
  }

  private func consistency(_ context: ServerContext) async throws -> Response {
    let published = try published()
    func size(_ name: String) throws -> Int64 {
      guard let size = context.parameters.get(name).flatMap({ Int64($0) }), size > 0 else {
        throw Problem(.notFound, "not_published", "The address ends with two sizes of the published log, from 1.")
      }
      return size
    }
    let (earlier, later) = (try size("earlier"), try size("later"))
    guard earlier <= later else {
      throw Problem(.unprocessableContent, "bad_sizes", "The first size is the smaller one. Turn them round.")
    }
    return Answer.text(try await published.consistency(earlier, later), type: "application/json")
  }

  private func proof(_ context: ServerContext) async throws -> Response {
    let published = try published()
    guard let position = context.parameters.get("position").flatMap({ Int64($0) }), position > 0 else {
      throw Problem(.notFound, "not_in_the_log", "The address ends with no position: those are numbers from 1.")
    }
    return Answer.text(try await published.inclusion(position), type: "application/json")
  }

  /// Whether the data of an event is shown: what the catalog is made of is part of it; anything else, such as what batch jobs
  /// append, needs a token that reads events of its workspace.
  private func mayRead(_ event: RecordedEvent, _ request: Request) async -> Bool {
    switch DomainEvent.Kind(rawValue: event.type) {
    case .tokenCreated, .tokenRevoked, nil: break
    default: return true
    }
    guard let caller = try? await guardian.admit(request, for: .readEvents) else { return false }
    return caller.workspaces.contains(event.workspace)
  }

  private func event(_ request: Request, _ context: ServerContext) async throws -> Response {
    let page = try PageRequest(request)
    let (workspace, number) = (try context.parameters.require("workspace"), try context.parameters.require("sequence"))
    guard workspace.wholeMatch(of: /[a-z0-9-]{1,63}/) != nil, let sequence = Int64(number),
      let event = try await sources.ledger.event(sequence, of: workspace)
    else { throw Problem(.notFound, "unknown_event", "There is no event \(workspace)/\(number).") }
    if page.asOf != .now {
      guard let position = event.position, position <= (try await sources.position(page.asOf)) else {
        throw Problem(.notFound, "unknown_event", "There was no event \(workspace)/\(number) then.", field: "as_of")
      }
    }
    let shown = await mayRead(event, request) ? event : event.withoutData
    guard page.wantsPage else { return try Answer.json(EventDocument(shown)) }
    return Answer.page(EventPage(request: page, event: shown, isPublished: sources.published != nil).html)
  }
}

extension RecordedEvent {
  /// The same, but for what it says.
  fileprivate var withoutData: RecordedEvent {
    var event = self
    (event.data, event.salt) = (nil, nil)
    return event
  }
}
