import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import NIOPosix
import Registry
import Synchronization
import TestSupport

/// What a job asked of a ``RegistryProxy``.
struct ProxiedRequest: Sendable {
  var method: HTTPMethod
  /// The path with its query, as it came.
  var uri: String
  var headers: HTTPHeaders
  var body: ByteBuffer

  /// Whether it is a page of the listing of registered models.
  var isModelListing: Bool { uri.contains("/registered-models/search") }
  /// Whether it is a later page of a listing.
  var isLaterPage: Bool { uri.contains("page_token=") }
}

/// How a ``RegistryProxy`` answers by itself.
struct ProxyAnswer: Sendable {
  enum Ending: Sendable {
    case whole
    /// States a longer body than it sends, then closes.
    case cutShort
    /// Closes before anything is sent, as a server that is down.
    case closed
  }

  var status: HTTPResponseStatus = .ok
  var headers: HTTPHeaders = [:]
  var body = ByteBuffer()
  var ending = Ending.whole

  static func json(_ text: String, status: HTTPResponseStatus = .ok) -> Self {
    Self(status: status, headers: ["content-type": "application/json"], body: ByteBuffer(string: text))
  }

  static func html(_ text: String, status: HTTPResponseStatus = .ok) -> Self {
    Self(status: status, headers: ["content-type": "text/html; charset=utf-8"], body: ByteBuffer(string: text))
  }

  static let down = Self(ending: .closed)
}

/// A proxy on loopback between a job and a real MLflow server. It passes everything on, until a test lets it lie.
final class RegistryProxy: Sendable {
  /// An answer of the proxy's own, or `nil` to pass the request on. It may change the world first.
  typealias Lie = @Sendable (ProxiedRequest) async throws -> ProxyAnswer?

  private let upstream: String
  private let lie = Mutex<Lie?>(nil)
  private let channel = Mutex<(any Channel)?>(nil)

  private init(upstream: String) { self.upstream = upstream }

  /// Runs `body` with a proxy before the MLflow 3 server.
  static func with<T>(_ body: (RegistryProxy) async throws -> T) async throws -> T {
    let proxy = RegistryProxy(upstream: MLflowServers.three ?? "")
    let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.configureHTTPServerPipeline(withPipeliningAssistance: false)
          try channel.pipeline.syncOperations.addHandler(ProxyConnection(proxy: proxy))
        }
      }
      .bind(host: "127.0.0.1", port: 0).get()
    proxy.channel.withLock { $0 = channel }
    do {
      let result = try await body(proxy)
      try await channel.close()
      return result
    } catch {
      try? await channel.close()
      throw error
    }
  }

  /// Tells lies from now on; `nil` for the truth.
  func tell(_ lie: Lie?) { self.lie.withLock { $0 = lie } }

  /// The MLflow workspace as a job behind the proxy sees it: it repeats calls at once, without a pause.
  func registry(
    _ mlflowWorkspace: String, modelsPerPage: Int = 1_000,
    change: (inout MLflowRegistry.Configuration) -> Void = { _ in }
  ) throws -> MLflowRegistry {
    let port = channel.withLock { $0?.localAddress?.port } ?? 0
    var configuration = MLflowRegistry.Configuration(
      url: "http://127.0.0.1:\(port)", mlflowWorkspace: mlflowWorkspace)
    configuration.effects.sleep = { _ in }
    configuration.bounds.modelsPerPage = modelsPerPage
    change(&configuration)
    return try MLflowRegistry(configuration)
  }

  fileprivate func answer(_ request: ProxiedRequest) async throws -> ProxyAnswer {
    let lie = lie.withLock { $0 }
    if let answer = try await lie?(request) { return answer }
    return try await pass(request)
  }

  /// What the server itself says.
  func pass(_ request: ProxiedRequest) async throws -> ProxyAnswer {
    var outgoing = HTTPClientRequest(url: upstream + request.uri)
    outgoing.method = request.method
    outgoing.headers = request.headers
    for name in ["host", "content-length", "transfer-encoding", "connection"] { outgoing.headers.remove(name: name) }
    if request.method != .GET { outgoing.body = .bytes(request.body) }
    let response = try await HTTPClient.test.execute(outgoing, timeout: .seconds(120))
    var headers = response.headers
    for name in ["content-length", "transfer-encoding", "connection"] { headers.remove(name: name) }
    return ProxyAnswer(
      status: response.status, headers: headers, body: try await response.body.collect(upTo: 64 << 20))
  }
}

private final class ProxyConnection: ChannelInboundHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias OutboundOut = HTTPServerResponsePart

  private let proxy: RegistryProxy
  private var head: HTTPRequestHead?
  private var body = ByteBuffer()

  init(proxy: RegistryProxy) { self.proxy = proxy }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .head(let head):
      self.head = head
      body = ByteBuffer()
    case .body(var part):
      body.writeBuffer(&part)
    case .end:
      guard let head else { return context.close(promise: nil) }
      let request = ProxiedRequest(method: head.method, uri: head.uri, headers: head.headers, body: body)
      let promise = context.eventLoop.makePromise(of: ProxyAnswer.self)
      promise.completeWithTask { [proxy] in try await proxy.answer(request) }
      promise.futureResult.assumeIsolated().whenComplete { result in
        switch result {
        case .success(let answer): self.write(answer, context)
        case .failure: context.close(promise: nil)
        }
      }
    }
  }

  private func write(_ answer: ProxyAnswer, _ context: ChannelHandlerContext) {
    guard answer.ending != .closed else { return context.close(promise: nil) }
    var headers = answer.headers
    let missing = answer.ending == .cutShort ? 1_000 : 0
    headers.replaceOrAdd(name: "content-length", value: String(answer.body.readableBytes + missing))
    let head = HTTPResponseHead(version: .http1_1, status: answer.status, headers: headers)
    context.write(wrapOutboundOut(.head(head)), promise: nil)
    context.writeAndFlush(wrapOutboundOut(.body(.byteBuffer(answer.body))), promise: nil)
    guard answer.ending == .whole else { return context.close(promise: nil) }
    context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
