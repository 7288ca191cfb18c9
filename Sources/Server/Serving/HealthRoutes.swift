import HTTPTypes
import Hummingbird

/// What machines ask that watch over the service.
struct HealthRoutes: Sendable {
  let sources: ServiceSources
  /// What the service counts of itself.
  let own: ServiceMetrics

  private struct Readiness: Encodable {
    var ready: Bool
    var obstacles: [String]
  }

  func add(to routes: Routes) {
    // Whether this process answers: nothing else is asked, so that nobody restarts it for a database that is away.
    routes.at("/livez", get: { _, _ in Answer.text("ok\n", type: "text/plain; charset=utf-8") })
    routes.at("/readyz", get: { _, _ in try await readiness() })
    routes.at("/metrics", get: { _, _ in await metrics() })
  }

  private func readiness() async throws -> Response {
    let obstacles = await sources.obstacles()
    return try Answer.json(
      Readiness(ready: obstacles.isEmpty, obstacles: obstacles), status: obstacles.isEmpty ? .ok : .serviceUnavailable)
  }

  private func metrics() async -> Response {
    // When the database is away the rest is wanted most.
    let (status, isUp) = (try? await sources.metrics()).map { ($0, 1) } ?? ("", 0)
    let up = """
      # HELP marketplace_database_up Whether the database answered when this was asked for.
      # TYPE marketplace_database_up gauge
      marketplace_database_up \(isUp)

      """
    let text = status + up + sources.ownMetrics() + own.text
    return Answer.text(text, type: "text/plain; version=0.0.4; charset=utf-8")
  }
}
