import Access
import Catalog
import HTTPTypes
import Hummingbird
import Ledger
import Logging
import Postgres

/// Counts and logs each request, and answers for what went wrong on the way.
struct Reception: RouterMiddleware {
  typealias Context = ServerContext

  /// Bytes of an address that are read.
  static let addressBytesMax = 8_192

  let metrics: ServiceMetrics

  func handle(
    _ request: Request, context: Context, next: (Request, Context) async throws -> Response
  ) async throws -> Response {
    let clock = ContinuousClock()
    let start = clock.now
    metrics.begin()
    var context = context
    let trace = Self.trace(of: request) ?? Self.newTrace()
    context.logger[metadataKey: "trace"] = "\(trace)"
    var response: Response
    do {
      guard request.head.path?.utf8.count ?? 0 <= Self.addressBytesMax else {
        throw Problem(.uriTooLong, "address_too_long", "An address may have \(Self.addressBytesMax) bytes.")
      }
      guard Routes.methods.contains(request.method) else {
        throw Problem(
          .notImplemented, "unknown_method", "There is no method \(request.method.rawValue.prefix(40)) here.")
      }
      response = try await next(request, context)
    } catch {
      let problem = Problem(of: error)
      if problem.status.code >= 500 {
        context.logger.error("\(problem.code)", metadata: ["why": "\(error)", "path": "\(request.uri.path)"])
      }
      response = Answer.problem(problem, to: request, context)
    }
    for (name, value) in Self.always {
      guard let name, !response.headers.contains(name) else { continue }
      response.headers[name] = value
    }
    let route = context.endpointPath ?? "none"
    let took = clock.now - start
    metrics.end(method: request.method.rawValue, route: route, status: response.status.code, took: took)
    context.logger.info(
      "request",
      metadata: [
        "method": "\(request.method)", "path": "\(request.uri.path)", "route": "\(route)",
        "status": "\(response.status.code)", "ms": "\(took / .milliseconds(1))",
      ])
    return response
  }

  /// What a browser is told with each answer: nothing from elsewhere, nowhere else, and no script but ours.
  private static let always: [(HTTPField.Name?, String)] = [
    (
      .contentSecurityPolicy,
      "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
        + "frame-ancestors 'none'"
    ),
    (.xContentTypeOptions, "nosniff"),
    (HTTPField.Name("Referrer-Policy"), "same-origin"),
    (.vary, "accept"),
  ]

  /// The id of a trace that begins here.
  private static func newTrace() -> String {
    (0..<2).map { _ in
      let half = String(UInt64.random(in: 1 ... .max), radix: 16)
      return String(repeating: "0", count: 16 - half.count) + half
    }.joined()
  }

  /// The id of the trace that a request belongs to (W3C Trace Context), where it says so.
  private static func trace(of request: Request) -> String? {
    let parts = HTTPField.Name("traceparent").flatMap { request.headers[$0] }?.split(separator: "-")
    guard let parts, parts.count >= 4, parts[1].count == 32, parts[1].allSatisfy(\.isHexDigit) else { return nil }
    return String(parts[1])
  }
}

extension Problem {
  /// What an error means to whoever asked.
  init(of error: any Error) {
    switch error {
    case let error as Problem: self = error
    case let error as CatalogError where error.code == .positionNotSealed:
      self.init(.notFound, "position_not_sealed", error.description, field: "as_of")
    case let error as HTTPError:
      self.init(error.status, "http_error", error.body ?? error.status.reasonPhrase)
    case let error as ServiceSources.Missing: self.init(.notFound, "not_published", error.description)
    case is ServiceSources.Away:
      self.init(
        .serviceUnavailable, "storage_unavailable", "What is published cannot be read now. Try again later.",
        headers: [.retryAfter: "5"])
    case is AccessUnavailable:
      self.init(
        .serviceUnavailable, "identity_provider_unavailable",
        "Who you are cannot be found out now: the keys of your identity provider cannot be had. Try again later.",
        headers: [.retryAfter: "10"])
    case is PostgresError, is LedgerError:
      self.init(
        .serviceUnavailable, "database_unavailable", "The database does not answer as it should. Try again later.",
        headers: [.retryAfter: "5"])
    case is CancellationError:
      self.init(
        .serviceUnavailable, "stopping", "The service is being stopped. Try again.", headers: [.retryAfter: "5"])
    default:
      self.init(.internalServerError, "internal", "This went wrong here, not with you. It is in the service's log.")
    }
  }
}
