import HTTPTypes
import Hummingbird

/// Routes that say, to whoever asks with another method, which ones there are.
struct Routes {
  typealias Handler = @Sendable (Request, ServerContext) async throws -> Response

  /// The methods that have a meaning to everybody (RFC 9110, RFC 5789 and QUERY). Any other is unknown here.
  static let methods: [HTTPRequest.Method] =
    [.get, .head, .post, .put, .patch, .delete, .options, .trace, .connect]
    + [HTTPRequest.Method("QUERY")].compactMap(\.self)

  private let router: Router<ServerContext>

  init(_ router: Router<ServerContext>) { self.router = router }

  /// Answers a path.
  ///
  /// - Parameters:
  ///   - scope: what whoever asks needs; nil where everybody may.
  ///   - get: how it is read. HEAD is answered alike.
  ///   - post: how something is sent to it, and what that needs.
  func at(
    _ path: RouterPath, _ scope: Authorization? = nil, get: Handler? = nil, post: (Authorization?, Handler)? = nil
  ) {
    var allowed: [HTTPRequest.Method] = []
    func add(_ method: HTTPRequest.Method, _ authorization: Authorization?, _ handler: @escaping Handler) {
      let group = router.group()
      if let authorization { group.add(middleware: authorization) }
      group.on(path, method: method, use: handler)
      allowed.append(method)
    }
    if let get {
      add(.get, scope, get)
      // The router makes it of the other.
      allowed.append(.head)
    }
    if let post { add(.post, post.0, post.1) }
    let list = (allowed + [.options]).map(\.rawValue).joined(separator: ", ")
    for method in Self.methods where !allowed.contains(method) {
      router.on(path, method: method) { _, _ -> Response in
        guard method != .options else { return Response(status: .noContent, headers: [.allow: list]) }
        throw Problem(
          .methodNotAllowed, "method_not_allowed", "This address takes \(list), not \(method.rawValue).",
          headers: [.allow: list])
      }
    }
  }
}
