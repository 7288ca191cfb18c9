import Synchronization

/// What the service counts of itself, in Prometheus' text format 0.0.4.
final class ServiceMetrics: Sendable {
  /// The upper bounds of the times that are counted, in milliseconds.
  private static let bounds: [Int64] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 5_000]

  private struct Key: Hashable {
    let method: String
    let route: String
    let status: Int
  }

  private struct Times {
    var counts = [Int](repeating: 0, count: ServiceMetrics.bounds.count)
    var count = 0
    var microseconds: Int64 = 0
  }

  private struct State {
    var requests: [Key: Int] = [:]
    var times: [String: Times] = [:]
    var open = 0
  }

  private let state = Mutex(State())

  func begin() { state.withLock { $0.open += 1 } }

  /// - Parameter route: the pattern of the address, so that there are as many as the service has, and not as people ask for.
  func end(method: String, route: String, status: Int, took duration: Duration) {
    let microseconds = duration.components.seconds * 1_000_000 + duration.components.attoseconds / 1_000_000_000_000
    state.withLock { state in
      state.open -= 1
      state.requests[Key(method: method, route: route, status: status), default: 0] += 1
      var times = state.times[route] ?? Times()
      times.count += 1
      times.microseconds += microseconds
      for (place, bound) in Self.bounds.enumerated() where microseconds <= bound * 1_000 { times.counts[place] += 1 }
      state.times[route] = times
    }
  }

  var text: String {
    let state = state.withLock { $0 }
    var lines = [
      "# HELP marketplace_http_requests_open Requests that are being answered.",
      "# TYPE marketplace_http_requests_open gauge", "marketplace_http_requests_open \(state.open)",
      "# HELP marketplace_http_requests_total Requests that were answered, by method, route and status.",
      "# TYPE marketplace_http_requests_total counter",
    ]
    for (key, count) in state.requests.sorted(by: { "\($0.key)" < "\($1.key)" }) {
      lines.append(
        "marketplace_http_requests_total{method=\"\(key.method)\",route=\"\(key.route)\",status=\"\(key.status)\"} \(count)"
      )
    }
    lines += [
      "# HELP marketplace_http_request_seconds How long answers took until they began to be sent, by route.",
      "# TYPE marketplace_http_request_seconds histogram",
    ]
    for (route, times) in state.times.sorted(by: { $0.key < $1.key }) {
      for (bound, count) in zip(Self.bounds, times.counts) {
        lines.append(
          "marketplace_http_request_seconds_bucket{route=\"\(route)\",le=\"\(Double(bound) / 1_000)\"} \(count)")
      }
      lines.append("marketplace_http_request_seconds_bucket{route=\"\(route)\",le=\"+Inf\"} \(times.count)")
      lines.append("marketplace_http_request_seconds_sum{route=\"\(route)\"} \(Double(times.microseconds) / 1_000_000)")
      lines.append("marketplace_http_request_seconds_count{route=\"\(route)\"} \(times.count)")
    }
    return lines.joined(separator: "\n") + "\n"
  }
}
