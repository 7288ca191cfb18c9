import AsyncHTTPClient
import NIOCore
import NIOEmbedded
import NIOHTTP1
import Testing

@testable import Registry

@Suite("Reading a body that comes in crumbs")
struct ReadCoalescerTests {
  /// Counts the reads that reach the socket.
  private final class Socket: ChannelOutboundHandler {
    typealias OutboundIn = Any
    var reads = 0

    func read(context: ChannelHandlerContext) {
      reads += 1
      context.read()
    }
  }

  private let socket = Socket()
  private let channel: EmbeddedChannel
  private static let head = HTTPClientResponsePart.head(.init(version: .http1_1, status: .ok))

  init() throws {
    channel = EmbeddedChannel(handlers: [socket, ReadCoalescer()])
    try channel.connect(to: .init(ipAddress: "127.0.0.1", port: 1)).wait()
    socket.reads = 0
  }

  /// What one read brings.
  private func arrives(_ parts: HTTPClientResponsePart...) {
    for part in parts { channel.pipeline.fireChannelRead(part) }
    channel.pipeline.fireChannelReadComplete()
  }

  private func body(_ text: String) -> HTTPClientResponsePart { .body(ByteBuffer(string: text)) }

  private func handedOn() throws -> HTTPClientResponsePart? { try channel.readInbound() }

  /// Reads that bring crumbs until the next one waits.
  private func crumble() {
    arrives(Self.head)
    for _ in 0..<ReadCoalescer.crumbsMin {
      channel.read()
      arrives(body("crumb"))
    }
    socket.reads = 0
  }

  @Test("what was read at once is handed on as one, between head and end")
  func joins() throws {
    arrives(Self.head, body("a"), body("bc"), body("d"))
    arrives(body("e"), body("f"), .end(nil))
    #expect(try handedOn() == Self.head)
    #expect(try handedOn() == body("abcd"))
    #expect(try handedOn() == body("ef"))
    #expect(try handedOn() == .end(nil))
    #expect(try handedOn() == nil)
  }

  @Test("after some crumbs a read waits, and whoever asks meanwhile waits with it")
  func waits() {
    crumble()
    channel.read()
    channel.read()
    #expect(socket.reads == 0)
    channel.embeddedEventLoop.advanceTime(by: ReadCoalescer.delay)
    #expect(socket.reads == 1)
    arrives(body("crumb"))
    channel.read()
    #expect(socket.reads == 1)
  }

  @Test("a read that brings much, and the end of the answer, end the waiting", arguments: [true, false])
  func waitsNoMore(atEnd: Bool) {
    crumble()
    if atEnd {
      arrives(body("crumb"), .end(nil))
    } else {
      arrives(body(String(repeating: "x", count: ReadCoalescer.crumbBytesMax)))
    }
    channel.read()
    #expect(socket.reads == 1)
  }

  @Test("an answer of few reads never waits")
  func few() {
    arrives(Self.head)
    for _ in 1..<ReadCoalescer.crumbsMin {
      arrives(body("crumb"))
      channel.read()
    }
    #expect(socket.reads == ReadCoalescer.crumbsMin - 1)
  }

  @Test("a connection that ends while a read waits is not read again, and what came is handed on")
  func ends() throws {
    crumble()
    while try handedOn() != nil {}
    channel.read()
    channel.pipeline.fireChannelRead(body("last"))
    channel.pipeline.fireChannelInactive()
    #expect(try handedOn() == body("last"))
    try channel.close().wait()
    channel.embeddedEventLoop.advanceTime(by: ReadCoalescer.delay)
    #expect(socket.reads == 0)
  }

  @Test("an error comes after what was read before it")
  func fails() throws {
    struct Broken: Error {}
    channel.pipeline.fireChannelRead(body("before"))
    channel.pipeline.fireErrorCaught(Broken())
    #expect(try handedOn() == body("before"))
    #expect(throws: Broken.self) { try channel.throwIfErrorCaught() }
  }

  @Test("it is in the connections to a registry")
  func isInstalled() async throws {
    let body = [UInt8](repeating: 7, count: 5_000)
    try await ScriptedServer.with { _, _ in
      ScriptedAnswer(body: body, ending: .crumbs)
    } _: { server in
      let transport = try MLflowRegistry.at(server).transport
      let answer = try await transport.client.execute(HTTPClientRequest(url: server.url), timeout: .minutes(10))
      var (parts, all) = (0, [UInt8]())
      for try await part in answer.body {
        parts += 1
        all += Array(buffer: part)
      }
      #expect(all == body)
      // Without it each chunk is a part of its own.
      #expect(parts < body.count / 10)
    }
  }
}
