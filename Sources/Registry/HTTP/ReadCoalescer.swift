import NIOCore
import NIOHTTP1

/// Reads a body that comes in crumbs a little later, so that more of it comes at once, and hands on as one what was read
/// at once.
///
/// MLflow 2 sends a file line by line: some 4,000 chunks for a megabyte of random bytes (2.22.5). Read as they come, a read
/// brings seven of them, and waking up for each read costs more than all else that a download does. The kernel keeps
/// what arrives meanwhile. It is what network cards do with interrupts; a body that comes in large reads, and an answer of
/// a few reads, is never held up.
final class ReadCoalescer: ChannelDuplexHandler {
  typealias InboundIn = HTTPClientResponsePart
  typealias InboundOut = HTTPClientResponsePart
  typealias OutboundIn = HTTPClientRequestPart
  typealias OutboundOut = HTTPClientRequestPart

  /// How much later.
  static let delay: TimeAmount = .microseconds(500)
  /// A read that brings fewer bytes brings a crumb. What comes faster than this in each delay, 32 MB/s, is read at once.
  static let crumbBytesMax = 16 * 1024
  /// So many reads in a row bring crumbs before the next one waits.
  static let crumbsMin = 4

  private var joined: ByteBuffer?
  private var bytesRead = 0
  private var crumbs = 0
  private var later: Scheduled<Void>?

  /// Puts one between the decoder of a connection and the client.
  static func add(to channel: any Channel) -> EventLoopFuture<Void> {
    channel.eventLoop.submit {
      let pipeline = channel.pipeline.syncOperations
      let decoder = try pipeline.handler(type: ByteToMessageHandler<HTTPResponseDecoder>.self)
      try pipeline.addHandler(ReadCoalescer(), position: .after(decoder))
    }
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .body(var part):
      bytesRead += part.readableBytes
      if joined?.writeBuffer(&part) == nil { joined = part }
    case .head, .end:
      handOn(context)
      crumbs = 0
      context.fireChannelRead(data)
    }
  }

  func channelReadComplete(context: ChannelHandlerContext) {
    handOn(context)
    if bytesRead > 0 { crumbs = bytesRead < Self.crumbBytesMax ? crumbs + 1 : 0 }
    bytesRead = 0
    context.fireChannelReadComplete()
  }

  func read(context: ChannelHandlerContext) {
    guard later == nil else { return }
    guard crumbs >= Self.crumbsMin else { return context.read() }
    let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
    later = context.eventLoop.scheduleTask(in: Self.delay) {
      let (coalescer, context) = bound.value
      coalescer.later = nil
      context.read()
    }
  }

  func channelInactive(context: ChannelHandlerContext) {
    handOn(context)
    context.fireChannelInactive()
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    handOn(context)
    context.fireErrorCaught(error)
  }

  func handlerRemoved(context: ChannelHandlerContext) {
    later?.cancel()
    later = nil
  }

  private func handOn(_ context: ChannelHandlerContext) {
    guard let joined = joined.take() else { return }
    context.fireChannelRead(wrapInboundOut(.body(joined)))
  }
}
