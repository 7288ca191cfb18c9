public import Access
import Foundation
import HTTPTypes
import Hummingbird

/// Lets in who may. What is said to a stranger tells nothing about what there is.
struct Authorization: RouterMiddleware {
  typealias Context = ServerContext

  /// What it asks for.
  let scope: Scope
  let guardian: Guardian

  func handle(
    _ request: Request, context: Context, next: (Request, Context) async throws -> Response
  ) async throws -> Response {
    var context = context
    context.caller = try await guardian.admit(request, for: scope)
    return try await next(request, context)
  }
}

/// Who says whom a request is from.
public struct Guardian: Sendable {
  let isCatalogOpen: Bool
  let caller: @Sendable (String) async throws -> Caller

  /// Who says whom a request is from.
  ///
  /// - Parameters:
  ///   - isCatalogOpen: whether the catalog is read without a token.
  ///   - caller: who shows a token; throws `AccessRefusal`, or what keeps it from being told.
  public init(isCatalogOpen: Bool, caller: @escaping @Sendable (String) async throws -> Caller) {
    self.isCatalogOpen = isCatalogOpen
    self.caller = caller
  }

  /// Who asks; `nil` where nobody is asked.
  ///
  /// - Throws: ``Problem`` for whoever may not.
  func admit(_ request: Request, for scope: Scope) async throws -> Caller? {
    if scope == .catalog, isCatalogOpen { return nil }
    guard let header = request.headers[.authorization] else {
      throw Self.stranger(
        "unauthenticated", "This needs a token: send it as 'Authorization: Bearer …'.", request, error: nil)
    }
    guard let shown = Self.shown(in: header) else {
      throw Self.stranger(
        "unauthenticated", "The Authorization header has no bearer token.", request, error: "invalid_request")
    }
    let caller: Caller
    do {
      caller = try await self.caller(shown)
    } catch let refusal as AccessRefusal where refusal.code == .unknownCaller {
      throw Problem(.forbidden, "unknown_caller", refusal.description)
    } catch let refusal as AccessRefusal {
      throw Self.stranger("token_\(refusal.code.rawValue)", refusal.description, request, error: "invalid_token")
    }
    guard caller.scopes.contains(scope) else {
      throw Problem(
        .forbidden, "insufficient_scope", "This needs scope \(scope.rawValue), which the token does not have.",
        headers: [
          .wwwAuthenticate: "Bearer realm=\"marketplace\", error=\"insufficient_scope\", scope=\"\(scope.rawValue)\""
        ]
      )
    }
    return caller
  }

  /// The token in a header: a bearer's, or the password that a browser asks for.
  private static func shown(in header: String) -> String? {
    let parts = header.split(separator: " ", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) }
    guard parts.count == 2 else { return nil }
    switch parts[0].lowercased() {
    case "bearer": return parts[1]
    case "basic":
      guard let bytes = Data(base64Encoded: parts[1]), let text = String(validating: bytes, as: UTF8.self),
        let colon = text.firstIndex(of: ":")
      else { return nil }
      return String(text[text.index(after: colon)...])
    default: return nil
    }
  }

  private static func stranger(
    _ code: String, _ description: String, _ request: Request, error: String?
  ) -> Problem {
    // A browser asks its user for a password, which is the token.
    let challenge =
      Answer.wantsPage(request)
      ? "Basic realm=\"marketplace: a token as the password\", charset=\"UTF-8\""
      : "Bearer realm=\"marketplace\"" + (error.map { ", error=\"\($0)\"" } ?? "")
    return Problem(.unauthorized, code, description, headers: [.wwwAuthenticate: challenge])
  }
}

extension Caller? {
  /// Whether events of a workspace may be had. Where nobody had to be asked, everybody may.
  func reaches(_ workspace: String) -> Bool { self?.workspaces.contains(workspace) ?? true }

  /// - Throws: ``Problem`` where events of a workspace may not be had, whether there is such a workspace or not.
  func reach(_ workspace: String) throws {
    guard reaches(workspace) else {
      throw Problem(.forbidden, "workspace_not_allowed", "The token does not reach workspace \(workspace).")
    }
  }
}
