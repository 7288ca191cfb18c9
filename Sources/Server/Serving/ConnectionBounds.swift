import HTTPTypes
import NIOCore
import NIOHTTPTypes

/// Closes connections that hold the service up: one whose other end asked for something and does not read it, which would make
/// writing wait for ever; and one that was answered and goes on sending what nobody reads any more.
final class ConnectionBounds: ChannelDuplexHandler, RemovableChannelHandler {
  typealias InboundIn = HTTPRequestPart
  typealias InboundOut = HTTPRequestPart
  typealias OutboundIn = HTTPResponsePart
  typealias OutboundOut = HTTPResponsePart

  /// How long somebody may go on sending after the answer, in seconds: long enough to read it.
  static let afterAnswerSeconds: Int64 = 5

  private let patience: TimeAmount
  private var unread: Scheduled<Void>?
  private var afterAnswer: Scheduled<Void>?
  private var requestsRead = 0
  private var answersWritten = 0

  init(unreadSeconds: Int64) { patience = .seconds(unreadSeconds) }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    if case .end = unwrapInboundIn(data) {
      requestsRead += 1
      afterAnswer?.cancel()
      afterAnswer = nil
    }
    context.fireChannelRead(data)
  }

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    if case .end = unwrapOutboundIn(data) {
      answersWritten += 1
      if requestsRead < answersWritten, afterAnswer == nil {
        afterAnswer = Self.close(context, in: .seconds(Self.afterAnswerSeconds))
      }
    }
    context.write(data, promise: promise)
  }

  func channelWritabilityChanged(context: ChannelHandlerContext) {
    unread?.cancel()
    unread = context.channel.isWritable ? nil : Self.close(context, in: patience)
    context.fireChannelWritabilityChanged()
  }

  func channelInactive(context: ChannelHandlerContext) {
    unread?.cancel()
    afterAnswer?.cancel()
    context.fireChannelInactive()
  }

  private static func close(_ context: ChannelHandlerContext, in time: TimeAmount) -> Scheduled<Void> {
    let channel = context.channel
    return context.eventLoop.scheduleTask(in: time) { channel.close(promise: nil) }
  }
}
