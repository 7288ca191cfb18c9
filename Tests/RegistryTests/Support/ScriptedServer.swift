import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// What a request to a ``ScriptedServer`` was.
struct ScriptedRequest: Sendable {
  var method: HTTPMethod
  var path: String
  var query: String
  var headers: HTTPHeaders
  var body: [UInt8]

  /// The value of a query item, escapes left in.
  func item(_ name: String) -> String? {
    query.split(separator: "&").first { $0.hasPrefix(name + "=") }.map {
      String($0.dropFirst(name.utf8.count + 1))
    }
  }
}

/// How a ``ScriptedServer`` answers.
struct ScriptedAnswer: Sendable {
  enum Ending: Sendable {
    case whole
    /// States a longer body than it sends, then closes.
    case cutShort
    /// Sends a chunk for each byte, all at once.
    case crumbs
    /// Sends chunks and closes without the last.
    case brokenChunks
    /// Sends the body again and again for as long as somebody reads.
    case endless
    /// Closes before anything was sent.
    case closed
    /// Never answers.
    case silent
  }

  var status: HTTPResponseStatus = .ok
  var headers: [(String, String)] = []
  var body: [UInt8] = []
  var ending = Ending.whole

  static func json(_ text: String, status: HTTPResponseStatus = .ok, headers: [(String, String)] = []) -> Self {
    Self(status: status, headers: [("content-type", "application/json")] + headers, body: Array(text.utf8))
  }
}

/// A small HTTP server on loopback that says what a test wants, lies included.
final class ScriptedServer: Sendable {
  typealias Script = @Sendable (ScriptedRequest, _ number: Int) -> ScriptedAnswer

  private let channel: any Channel
  private let script: Script
  private let received = Mutex<[ScriptedRequest]>([])

  private init(channel: any Channel, script: @escaping Script) {
    self.channel = channel
    self.script = script
  }

  /// Runs `body` against a server that answers by `script`; requests are numbered from 1.
  static func with<T>(
    _ script: @escaping Script, _ body: (ScriptedServer) async throws -> T
  ) async throws -> T {
    let box = Box()
    let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.configureHTTPServerPipeline(withPipeliningAssistance: false)
          try channel.pipeline.syncOperations.addHandler(Connection(box: box))
        }
      }
      .bind(host: "127.0.0.1", port: 0).get()
    let server = ScriptedServer(channel: channel, script: script)
    box.server.withLock { $0 = server }
    do {
      let result = try await body(server)
      try await channel.close()
      box.server.withLock { $0 = nil }
      return result
    } catch {
      try? await channel.close()
      box.server.withLock { $0 = nil }
      throw error
    }
  }

  var url: String { "http://127.0.0.1:\(channel.localAddress?.port ?? 0)" }
  var requests: [ScriptedRequest] { received.withLock { $0 } }

  fileprivate func answer(_ request: ScriptedRequest) -> ScriptedAnswer {
    let number = received.withLock { received in
      received.append(request)
      return received.count
    }
    return script(request, number)
  }

  fileprivate final class Box: Sendable {
    let server = Mutex<ScriptedServer?>(nil)
  }
}

private final class Connection: ChannelInboundHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias OutboundOut = HTTPServerResponsePart

  private let box: ScriptedServer.Box
  private var head: HTTPRequestHead?
  private var body: [UInt8] = []

  init(box: ScriptedServer.Box) {
    self.box = box
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .head(let head):
      self.head = head
      body = []
    case .body(let part): body += Array(buffer: part)
    case .end:
      guard let head, let server = box.server.withLock({ $0 }) else { return context.close(promise: nil) }
      let parts = head.uri.split(separator: "?", maxSplits: 1).map(String.init)
      let request = ScriptedRequest(
        method: head.method, path: parts.first ?? "", query: parts.count > 1 ? parts[1] : "",
        headers: head.headers, body: body)
      write(server.answer(request), context)
    }
  }

  private func write(_ answer: ScriptedAnswer, _ context: ChannelHandlerContext) {
    switch answer.ending {
    case .closed: return context.close(promise: nil)
    case .silent: return
    case .whole, .cutShort, .crumbs, .brokenChunks, .endless: break
    }
    var headers = HTTPHeaders(answer.headers)
    switch answer.ending {
    case .cutShort: headers.add(name: "content-length", value: String(answer.body.count + 1000))
    case .crumbs, .brokenChunks, .endless: headers.add(name: "transfer-encoding", value: "chunked")
    default: headers.add(name: "content-length", value: String(answer.body.count))
    }
    context.write(
      wrapOutboundOut(.head(.init(version: .http1_1, status: answer.status, headers: headers))), promise: nil)
    switch answer.ending {
    case .endless: return repeated(answer.body, context)
    case .crumbs:
      for byte in answer.body { context.write(part([byte]), promise: nil) }
    default: context.writeAndFlush(part(answer.body), promise: nil)
    }
    switch answer.ending {
    case .whole, .crumbs: context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    default: context.close(promise: nil)
    }
  }

  private func part(_ bytes: [UInt8]) -> NIOAny { wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: bytes)))) }

  private func repeated(_ body: [UInt8], _ context: ChannelHandlerContext) {
    let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
    context.writeAndFlush(part(body)).whenSuccess {
      let (connection, context) = bound.value
      connection.repeated(body, context)
    }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    context.close(promise: nil)
  }
}
