public import AsyncHTTPClient
import NIOCore

extension HTTPClient {
  /// For what tests ask of servers themselves. It keeps no connection as long as any of the servers does, since a request
  /// that meets the server's closing of the connection fails, and not every request may be made twice.
  public static let test: HTTPClient = {
    var configuration = HTTPClient.Configuration()
    configuration.connectionPool.idleTimeout = .milliseconds(500)
    return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
  }()
}
