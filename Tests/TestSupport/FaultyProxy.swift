import AsyncHTTPClient
import Foundation
public import NIOCore
public import NIOHTTP1
import NIOPosix
import Synchronization

/// A request that came to a ``FaultyProxy``.
public struct FaultyRequest: Sendable {
  /// Its method.
  public var method: HTTPMethod
  /// Path and query.
  public var uri: String
  /// Its headers.
  public var headers: HTTPHeaders
  /// Its body, whole.
  public var body: ByteBuffer
}

/// What a ``FaultyProxy`` does with a request.
public enum Fault: Sendable {
  /// Passes it on.
  case none
  /// Closes the connection; the server sees nothing.
  case closed
  /// Passes it on and closes the connection instead of answering.
  case answerLost
  /// Passes it on and closes the connection after so many bytes of the answer's body.
  case cut(after: Int)
  /// Answers by itself.
  case answer(HTTPResponseStatus, headers: [(String, String)] = [], body: String = "")
}

/// A proxy on loopback in front of a server, or in place of one. Requests are numbered from 1.
public final class FaultyProxy: Sendable {
  /// Decides on a request.
  public typealias Script = @Sendable (FaultyRequest, _ number: Int) -> Fault

  private let upstream: String?
  private let script: Script
  private let channel = Mutex<(any Channel)?>(nil)
  private let received = Mutex<[FaultyRequest]>([])

  private init(upstream: String?, script: @escaping Script) {
    self.upstream = upstream
    self.script = script
  }

  /// Runs `body` with a proxy.
  public static func with<T>(
    _ upstream: String?, _ script: @escaping Script, _ body: (FaultyProxy) async throws -> T
  ) async throws -> T {
    let proxy = FaultyProxy(upstream: upstream, script: script)
    let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.configureHTTPServerPipeline(withPipeliningAssistance: false)
          try channel.pipeline.syncOperations.addHandler(FaultyConnection(proxy: proxy))
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

  /// Its address.
  public var url: String { "http://127.0.0.1:\(channel.withLock { $0?.localAddress?.port } ?? 0)" }

  /// What came so far.
  public var requests: [FaultyRequest] { received.withLock { $0 } }

  fileprivate func decide(_ request: FaultyRequest) -> Fault {
    let number = received.withLock { received in
      received.append(request)
      return received.count
    }
    return script(request, number)
  }

  /// What the server itself says; the `Host` header stays, for it is signed.
  fileprivate func pass(_ request: FaultyRequest) async throws -> FaultyAnswer {
    var outgoing = HTTPClientRequest(url: (upstream ?? "") + request.uri)
    outgoing.method = request.method
    outgoing.headers = request.headers
    for name in ["content-length", "transfer-encoding"] { outgoing.headers.remove(name: name) }
    // A kept connection may be closed by the server as it is used again, and then a request would be seen twice.
    outgoing.headers.replaceOrAdd(name: "connection", value: "close")
    if request.method == .PUT || request.method == .POST { outgoing.body = .bytes(request.body) }
    let response = try await HTTPClient.test.execute(outgoing, timeout: .seconds(60))
    var headers = response.headers
    for name in ["transfer-encoding", "connection"] { headers.remove(name: name) }
    let body = try await response.body.collect(upTo: 64 << 20)
    if request.method != .HEAD { headers.replaceOrAdd(name: "content-length", value: String(body.readableBytes)) }
    return FaultyAnswer(status: response.status, headers: headers, body: body)
  }
}

private struct FaultyAnswer: Sendable {
  var status: HTTPResponseStatus
  var headers: HTTPHeaders
  var body: ByteBuffer
  var isCut = false
}

private final class FaultyConnection: ChannelInboundHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias OutboundOut = HTTPServerResponsePart

  private let proxy: FaultyProxy
  private var head: HTTPRequestHead?
  private var body = ByteBuffer()

  init(proxy: FaultyProxy) { self.proxy = proxy }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .head(let head):
      self.head = head
      body = ByteBuffer()
    case .body(var part):
      body.writeBuffer(&part)
    case .end:
      guard let head else { return context.close(promise: nil) }
      let request = FaultyRequest(method: head.method, uri: head.uri, headers: head.headers, body: body)
      let promise = context.eventLoop.makePromise(of: FaultyAnswer?.self)
      promise.completeWithTask { [proxy] in try await Self.answer(request, proxy) }
      promise.futureResult.assumeIsolated().whenComplete { result in
        switch result {
        case .success(let answer?): self.write(answer, context)
        case .success(nil), .failure: context.close(promise: nil)
        }
      }
    }
  }

  private static func answer(_ request: FaultyRequest, _ proxy: FaultyProxy) async throws -> FaultyAnswer? {
    switch proxy.decide(request) {
    case .none: return try await proxy.pass(request)
    case .closed: return nil
    case .answerLost:
      _ = try await proxy.pass(request)
      return nil
    case .cut(let bytes):
      var answer = try await proxy.pass(request)
      answer.body = answer.body.readSlice(length: min(bytes, answer.body.readableBytes)) ?? ByteBuffer()
      answer.isCut = true
      return answer
    case .answer(let status, let headers, let body):
      var all = HTTPHeaders(headers)
      all.replaceOrAdd(name: "content-length", value: String(body.utf8.count))
      return FaultyAnswer(
        status: status, headers: all, body: request.method == .HEAD ? ByteBuffer() : ByteBuffer(string: body))
    }
  }

  private func write(_ answer: FaultyAnswer, _ context: ChannelHandlerContext) {
    let head = HTTPResponseHead(version: .http1_1, status: answer.status, headers: answer.headers)
    context.write(wrapOutboundOut(.head(head)), promise: nil)
    guard !answer.isCut else {
      // Closed at once, what is not yet with the kernel would be dropped.
      context.writeAndFlush(wrapOutboundOut(.body(.byteBuffer(answer.body)))).assumeIsolated().whenComplete { _ in
        context.close(promise: nil)
      }
      return
    }
    context.writeAndFlush(wrapOutboundOut(.body(.byteBuffer(answer.body))), promise: nil)
    context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
