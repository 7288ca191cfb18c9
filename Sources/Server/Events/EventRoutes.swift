import Access
import HTTPTypes
import Hummingbird
import Ledger

/// Events for programs: appended, read, and followed.
struct EventRoutes: Sendable {
  /// Events of a page, unless told otherwise, and at most.
  static let pageDefault = 100
  static let pageMax: Int64 = 1_000
  /// Bytes of data of a page, unless its first event has more.
  static let pageBytesMax = 4_194_304
  /// Bytes of an idempotency key.
  static let keyBytesMax = 200

  let sources: ServiceSources
  let appends: GroupCommit
  let feed: EventFeed
  let guardian: Guardian
  let budget: BodyBudget
  let seats: FollowerSeats
  /// Requests with the same Idempotency-Key go one after the other.
  let keys = NamedTurns()

  func add(to routes: Routes) {
    let reading = Authorization(scope: .readEvents, guardian: guardian)
    let appending = Authorization(scope: .appendEvents, guardian: guardian)
    routes.at("/v1/events", reading, get: { request, context in try await all(request, context) })
    routes.at(
      "/v1/workspaces/:workspace/events", reading, get: { request, context in try await some(request, context) },
      post: (appending, { request, context in try await append(request, context) }))
    routes.at(
      "/v1/workspaces/:workspace/streams/:stream", reading,
      get: { request, context in try await stream(request, context) })
  }

  static var workspaceForm: Regex<Substring> { /[a-z0-9-]{1,63}/ }

  /// The workspace that an address names, whose events the caller reaches.
  static func workspace(_ context: ServerContext) throws -> String {
    let workspace = try named(context)
    try context.caller.reach(workspace)
    return workspace
  }

  /// The workspace that an address names.
  static func named(_ context: ServerContext) throws -> String {
    let workspace = try context.parameters.require("workspace")
    guard workspace.wholeMatch(of: workspaceForm) != nil else {
      throw Problem(
        .notFound, "unknown_workspace", "A workspace has 1 to 63 of a to z, 0 to 9 and '-' in its name.",
        field: "workspace")
    }
    return workspace
  }
}
