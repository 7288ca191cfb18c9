import CLibPQ

/// A NOTICE, WARNING or the like of the server.
public struct PostgresNotice: Sendable, Hashable {
  /// NOTICE, WARNING, INFO, LOG or DEBUG; never translated.
  public var severity: String
  /// The five-character SQLSTATE.
  public var sqlState: String
  /// The server's message.
  public var message: String
}

/// Receives the notices of one connection; libpq would print them to standard error.
final class NoticeReceiver {
  private let receive: (@Sendable (PostgresNotice) -> Void)?
  /// The server has said that it ends the connection, outside any statement.
  private(set) var hasSeenFatal = false

  init(_ receive: (@Sendable (PostgresNotice) -> Void)?) { self.receive = receive }

  /// The receiver must live as long as `connection`.
  func attach(to connection: OpaquePointer) {
    let context = Unmanaged.passUnretained(self).toOpaque()
    PQsetNoticeReceiver(
      connection,
      { context, result in
        guard let context, let result else { return }
        Unmanaged<NoticeReceiver>.fromOpaque(context).takeUnretainedValue().handle(result)
      }, context)
  }

  private func handle(_ result: OpaquePointer) {
    func field(_ code: Unicode.Scalar) -> String {
      PQresultErrorField(result, Int32(code.value)).map { String(cString: $0) } ?? ""
    }
    let severity = field("V")
    if severity == "FATAL" || severity == "PANIC" { hasSeenFatal = true }
    receive?(PostgresNotice(severity: severity, sqlState: field("C"), message: field("M")))
  }
}
