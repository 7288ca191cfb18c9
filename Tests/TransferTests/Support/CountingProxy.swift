import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization
import TestSupport

/// A door in front of a server, on loopback: everything passes, and every request is counted as the server gets it.
final class CountingProxy: Sendable {
  private static let bodyBytesMax = 64 * 1_048_576

  private let upstream: String
  private let seen = Mutex<[String]>([])

  private init(upstream: String) { self.upstream = upstream }

  /// Runs `body` with a door in front of `upstream`, an address without a path.
  static func with<T>(
    _ upstream: String, _ body: (_ proxy: CountingProxy, _ url: String) async throws -> T
  ) async throws -> T {
    let proxy = CountingProxy(upstream: upstream)
    let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.configureHTTPServerPipeline(withPipeliningAssistance: true)
          try channel.pipeline.syncOperations.addHandler(Door(proxy: proxy))
        }
      }
      .bind(host: "127.0.0.1", port: 0).get()
    do {
      let result = try await body(proxy, "http://127.0.0.1:\(channel.localAddress?.port ?? 0)")
      try await channel.close()
      return result
    } catch {
      try? await channel.close()
      throw error
    }
  }

  /// What was asked since the last call, as method and path.
  func takeRequests() -> [String] {
    seen.withLock { seen in
      defer { seen = [] }
      return seen
    }
  }

  fileprivate func pass(_ head: HTTPRequestHead, _ body: ByteBuffer) async throws -> (
    HTTPResponseStatus, HTTPHeaders, ByteBuffer
  ) {
    seen.withLock { $0.append("\(head.method) \(head.uri)") }
    var request = HTTPClientRequest(url: upstream + head.uri)
    request.method = head.method
    request.headers = head.headers
    for name in ["host", "content-length", "transfer-encoding", "connection"] { request.headers.remove(name: name) }
    if body.readableBytes > 0 { request.body = .bytes(body) }
    let response = try await HTTPClient.test.execute(request, timeout: .seconds(120))
    return (response.status, response.headers, try await response.body.collect(upTo: Self.bodyBytesMax))
  }
}

private final class Door: ChannelInboundHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias OutboundOut = HTTPServerResponsePart

  private let proxy: CountingProxy
  private var head: HTTPRequestHead?
  private var body = ByteBuffer()

  init(proxy: CountingProxy) { self.proxy = proxy }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .head(let head):
      self.head = head
      body = ByteBuffer()
    case .body(var part): body.writeBuffer(&part)
    case .end:
      guard let head else { return context.close(promise: nil) }
      let (proxy, body, channel) = (proxy, body, context.channel)
      Task {
        do {
          let (status, headers, content) = try await proxy.pass(head, body)
          var answered = headers
          for name in ["content-length", "transfer-encoding", "connection"] { answered.remove(name: name) }
          answered.add(name: "content-length", value: String(content.readableBytes))
          let start = HTTPResponseHead(version: .http1_1, status: status, headers: answered)
          channel.write(HTTPServerResponsePart.head(start), promise: nil)
          channel.write(HTTPServerResponsePart.body(.byteBuffer(content)), promise: nil)
          try await channel.writeAndFlush(HTTPServerResponsePart.end(nil))
        } catch {
          try? await channel.close()
        }
      }
    }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
