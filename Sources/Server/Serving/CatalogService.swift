import Foundation
public import Hummingbird
import HummingbirdCore
import HummingbirdTLS
import Ledger
public import Logging
import NIOCore
public import Postgres
public import ServiceLifecycle
import UnixSignals

/// The service: the catalog for people and programs, over HTTP.
public struct CatalogService: Sendable {
  /// Where it listens, and how much it takes.
  public struct Configuration: Sendable {
    /// The address, loopback unless told otherwise.
    public var host = "127.0.0.1"
    /// The port; 0 for any that is free.
    public var port = 8080
    /// Who the service is on the wire; nil for plain HTTP.
    public var tls: ServiceTLS?
    /// Connections that are served at once; others wait to be accepted.
    public var connectionsMax = 2_048
    /// Seconds after which a connection on which nothing comes is closed.
    public var idleSeconds: Int64 = 60
    /// Seconds after which a connection is closed whose other end does not read what it asked for.
    public var stuckSeconds: Int64 = 60
    /// Seconds that answers may take once it is told to stop.
    public var stopSeconds: Int64 = 20
    /// Bytes that the head of a request may have.
    public var headBytesMax = 32_768

    /// Those of them that may follow: the rest is for requests that end, such as those that ask whether the service lives.
    public var followersMax: Int { connectionsMax - min(64, connectionsMax / 4) }

    /// Whether only this machine reaches it.
    public var isLoopback: Bool { host == "localhost" || host == "::1" || host.hasPrefix("127.") }

    /// The usual.
    public init() {}
  }

  private let sources: ServiceSources
  private let guardian: Guardian
  private let appends: GroupCommit
  private let feed: EventFeed
  private let configuration: Configuration
  private let logger: Logger
  private let now: @Sendable () -> Timestamp

  /// A service.
  ///
  /// - Parameters:
  ///   - guardian: who says whom a request is from.
  ///   - now: the time.
  public init(
    _ sources: ServiceSources, guardian: Guardian, configuration: Configuration = Configuration(), logger: Logger,
    now: @escaping @Sendable () -> Timestamp
  ) {
    self.sources = sources
    self.guardian = guardian
    appends = GroupCommit(sources.ledger)
    feed = EventFeed(sources.ledger, logger: logger)
    self.configuration = configuration
    self.logger = logger
    self.now = now
  }

  /// Everything that it answers.
  public func router() -> Router<ServerContext> {
    let router = Router(context: ServerContext.self, options: .autoGenerateHeadEndpoints)
    let metrics = ServiceMetrics()
    router.middlewares.add(Reception(metrics: metrics))
    let routes = Routes(router)
    CatalogRoutes(
      sources: sources, snapshots: Snapshots(sources), guardian: guardian, isSecure: configuration.tls != nil, now: now
    ).add(to: routes)
    AuditRoutes(sources: sources, guardian: guardian).add(to: routes)
    EventRoutes(
      sources: sources, appends: appends, feed: feed, guardian: guardian, budget: BodyBudget(),
      seats: FollowerSeats(max: configuration.followersMax)
    ).add(to: routes)
    SummaryRoutes(sources: sources, guardian: guardian).add(to: routes)
    WebhookRoutes(webhooks: sources.webhooks, now: now).add(to: routes)
    HealthRoutes(sources: sources, own: metrics).add(to: routes)
    routes.at("/openapi.yaml", get: { _, _ in OpenAPI.response })
    return router
  }

  /// What runs beside the router.
  var services: [any Service] { [feed] }

  /// Serves until it is told to stop by SIGTERM or SIGINT; what is being answered is finished then.
  ///
  /// - Parameters:
  ///   - services: what runs beside it and ends with it.
  ///   - isListening: called with the port once requests are taken.
  /// - Throws: ``ServiceError`` for what keeps it from listening; what a service beside it throws.
  public func run(
    beside services: [any Service] = [], isListening: @escaping @Sendable (_ port: Int?) async -> Void = { _ in }
  ) async throws {
    let http = HTTP1Channel.Configuration(
      additionalChannelHandlers: [ConnectionBounds(unreadSeconds: configuration.stuckSeconds)],
      idleTimeout: .seconds(configuration.idleSeconds),
      httpDecoderConfiguration: .init(
        maxHeaderFieldSize: configuration.headBytesMax, maxHeaderListSize: configuration.headBytesMax,
        maxHeaderFieldCount: 100))
    let application = Application(
      router: router(),
      server: try configuration.tls.map {
        try .tls(.http1(configuration: http), tlsConfiguration: $0.configuration())
      } ?? .http1(configuration: http),
      configuration: ApplicationConfiguration(
        address: .hostname(configuration.host, port: configuration.port),
        availableConnectionsDelegate: MaximumAvailableConnections(configuration.connectionsMax, logger: logger)),
      services: services, onServerRunning: { await isListening($0.localAddress?.port) }, logger: logger)
    // Services are told to end in turn, the last first: whoever follows has to, before the server waits for its connections.
    var group = ServiceGroupConfiguration(
      services: [application] + self.services, gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
    // Whoever does not read what was asked for keeps nobody from ending.
    group.maximumGracefulShutdownDuration = .seconds(configuration.stopSeconds)
    do {
      try await ServiceGroup(configuration: group).run()
    } catch let error as IOError {
      throw ServiceError(
        "\(configuration.host):\(configuration.port) cannot be listened on: \(String(cString: strerror(error.errnoCode))). Another service may be there; "
          + "'--listen' names another address.")
    }
  }
}

/// What keeps the service from listening.
public struct ServiceError: Error, Sendable, CustomStringConvertible {
  /// What, why, and what to do.
  public let description: String

  init(_ description: String) { self.description = description }
}
