import Foundation
import NIOCore
import NIOHTTP1
import Synchronization
import TestSupport
import Testing

@testable import Storage

/// A file of Azure's behind one signature.
private final class BlockServer: Sendable {
  private let state = Mutex(AzureFile())

  var file: String? { state.withLock { $0.content } }
  var calls: [String] { state.withLock { $0.calls } }

  func answer(_ request: FaultyRequest) -> Fault {
    let items = request.items
    guard items["sig"] == "s3cr+t/sig=nature" else {
      let said = "Signature did not match: \(items["sig"] ?? "")"
      return .answer(.forbidden, body: "<Error><Code>AuthenticationFailed</Code><Message>\(said)</Message></Error>")
    }
    return state.withLock {
      $0.answer(request.method, items: items, headers: request.headers, body: String(buffer: request.body))
    }
  }
}

@Suite("Signed URLs")
struct SignedURLTests {
  private static let query = "sv=2024-11-04&sr=b&sig=s3cr%2Bt%2Fsig%3Dnature"

  private func transfer(pieceBytes: Int = 1_000_000) throws -> SignedURLTransfer {
    try SignedURLTransfer(
      policy: StoragePolicy(), effects: S3Server.hurried, userAgent: "test", caFile: nil, firstPieceBytes: pieceBytes)
  }

  /// Lines, so that a mistake in the order of pieces shows.
  private func text(_ bytes: Int) -> String {
    String(
      (0...bytes / 8).map { String($0).padding(toLength: 7, withPad: " ", startingAt: 0) + "\n" }.joined().prefix(bytes)
    )
  }

  private func body(_ text: String) -> @Sendable () async throws -> Chunks {
    { Chunks(rest: Array(text.utf8)[...]) }
  }

  /// Bytes in chunks that fit no piece.
  private struct Chunks: AsyncSequence, AsyncIteratorProtocol, Sendable {
    var rest: ArraySlice<UInt8>
    mutating func next() async -> [UInt8]? {
      guard !rest.isEmpty else { return nil }
      let chunk = rest.prefix(77_777)
      rest = rest.dropFirst(77_777)
      return Array(chunk)
    }
    func makeAsyncIterator() -> Self { self }
  }

  @Test(
    "take a file in blocks or appended pieces, and give it back, also over a bad line",
    arguments: [SignedURLTransfer.Form.azureBlocks, .azureAppend], [0, 10, 1_000_000, 2_500_000])
  func azure(_ form: SignedURLTransfer.Form, _ size: Int) async throws {
    let server = BlockServer()
    let tries = S3FaultTests.Counters()
    try await FaultyProxy.with(
      nil,
      { request, _ in
        let number = tries.next("\(request.method) \(request.uri)")
        if number == 1 { return .closed }
        return number == 2 ? .answer(.serviceUnavailable) : server.answer(request)
      }
    ) { proxy in
      let url = try SignedURL("\(proxy.url)/container/a%20b?\(Self.query)", allowsPlain: true)
      let transfer = try transfer()
      let whole = text(size)
      let written = try await transfer.write(to: url, as: form, length: Int64(size), body: body(whole))
      #expect(written == StreamDigest.of(whole.utf8))
      #expect(server.file == whole)
      var read = StreamDigest()
      for try await chunk in transfer.read(url) { read.update(chunk) }
      #expect(read.finish() == written)
      let pieces = (size + 999_999) / 1_000_000
      #expect(server.calls.count == pieces + (form == .azureBlocks ? 1 : 2) + 1)
    }
  }

  @Test("of S3 are put and got, and verified by the server", arguments: S3Server.available)
  func presigned(_ server: S3Server) async throws {
    let storage = try await server.storage()
    let key = try StorageKey(["exports", "a b+ü"])
    let whole = text(3_000_000)
    let transfer = try transfer()
    let put = try await storage.presigned("PUT", key, seconds: 60)
    let written = try await transfer.write(to: put, as: .put, length: 3_000_000, body: body(whole))
    #expect(written == StreamDigest.of(whole.utf8))
    #expect(try await storage.readBack(key) == written)
    var read = StreamDigest()
    for try await chunk in transfer.read(try await storage.presigned("GET", key, seconds: 60)) { read.update(chunk) }
    #expect(read.finish() == written)
  }

  @Test("that a body belies in length are an error", arguments: [SignedURLTransfer.Form.put, .azureBlocks])
  func wrongLength(_ form: SignedURLTransfer.Form) async throws {
    let server = BlockServer()
    try await FaultyProxy.with(nil, { request, _ in server.answer(request) }) { proxy in
      let url = try SignedURL("\(proxy.url)/x?\(Self.query)", allowsPlain: true)
      let transfer = try transfer()
      for length in [9, 11] as [Int64] {
        let error = try await storageError {
          _ = try await transfer.write(to: url, as: form, length: length, body: body("0123456789"))
        }
        #expect(error.code == .changed)
      }
    }
  }

  @Test("never show their permission")
  func redacted() async throws {
    let server = BlockServer()
    try await FaultyProxy.with(nil, { request, _ in server.answer(request) }) { proxy in
      let url = try SignedURL(
        "\(proxy.url)/container/x?sig=other%2Bsecret", headers: ["x-key": "very-secret-header-value"], allowsPlain: true
      )
      let transfer = try transfer()
      var said: [String] = ["\(url)", String(reflecting: url)]
      for form in [SignedURLTransfer.Form.put, .azureBlocks, .azureAppend] {
        let error = try await storageError {
          _ = try await transfer.write(to: url, as: form, length: 1, body: body("x"))
        }
        #expect(error.code == .notAuthenticated)
        said.append("\(error)")
      }
      said.append("\(try await storageError { for try await _ in transfer.read(url) {} })")
      var dumped = ""
      dump(url, to: &dumped)
      said.append(dumped)
      for text in said {
        #expect(!text.contains("secret"), "\(text)")
        #expect(!text.contains("sig="), "\(text)")
      }
    }
    let gone = try SignedURL("http://127.0.0.1:1/x?sig=secretsecret", allowsPlain: true)
    let error = try await storageError { for try await _ in try transfer().read(gone) {} }
    #expect(error.code == .unreachable)
    #expect(!"\(error)".contains("secret"))
  }

  @Test(
    "are https, without a user",
    arguments: ["http://h/x?sig=secret", "https://u:secret@h/x", "ftp://h/x?secret", "https:///x?secret", "secret"])
  func addresses(_ text: String) async throws {
    let error = try await storageError { _ = try SignedURL(text) }
    #expect(error.code == .configuration)
    if text != "secret", !text.contains("@") { #expect(!error.description.contains("secret")) }
  }
}
