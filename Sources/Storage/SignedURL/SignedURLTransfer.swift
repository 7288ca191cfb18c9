import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import Synchronization

/// Moves files to and from signed URLs with bounded memory: S3 and Google by one `PUT`, Azure by blocks or by appending.
///
/// Every call throws ``StorageError``, in which no permission is ever shown.
public final class SignedURLTransfer: Sendable {
  /// How a file is put where it belongs.
  public enum Form: Sendable, Hashable {
    /// One `PUT` of the whole: S3 presigned URLs, Google Cloud Storage.
    case put
    /// Blocks and a list of them: Azure Blob storage (`comp=block`, `comp=blocklist`).
    case azureBlocks
    /// Create, append and flush: Azure Data Lake Storage Gen2.
    case azureAppend
  }

  /// Blocks and appended pieces have so many bytes; one is held in memory.
  static let pieceBytes = 8 * 1_048_576
  /// Azure takes at most so many blocks; they double in size after each thousand.
  static let blocksMax = 50_000

  private let policy: StoragePolicy
  private let effects: StorageEffects
  private let userAgent: String
  private let client: HTTPClient
  let repetition: Repetition
  let firstPieceBytes: Int

  /// Transfers with this patience.
  ///
  /// - Parameter caFile: a PEM file of the authorities that are trusted instead of the system's.
  public convenience init(
    policy: StoragePolicy = StoragePolicy(), effects: StorageEffects, userAgent: String = "model-marketplace",
    caFile: String? = nil
  ) throws {
    try self.init(
      policy: policy, effects: effects, userAgent: userAgent, caFile: caFile, firstPieceBytes: Self.pieceBytes)
  }

  init(
    policy: StoragePolicy, effects: StorageEffects, userAgent: String, caFile: String?, firstPieceBytes: Int
  ) throws {
    self.policy = policy
    self.effects = effects
    self.userAgent = userAgent
    self.firstPieceBytes = firstPieceBytes
    repetition = Repetition(
      policy: policy, effects: effects, limit: AdaptiveLimit(limitMax: policy.concurrentRequestsMax))
    client = HTTPClient(
      eventLoopGroupProvider: .singleton,
      configuration: try StorageHTTP.settings(policy: policy, caFile: caFile, hostAddresses: [:]))
  }

  deinit { client.shutdown { _ in } }

  // MARK: Reading

  /// The bytes of a file, read as they are asked for. A broken connection is taken up where it broke.
  public func read(_ url: SignedURL) -> StorageBody {
    let source = DownloadSource(
      name: "\(url)", policy: policy, effects: effects, words: { Self.words($0, url, "reading") },
      open: { headers in
        try await self.repetition.run(Self.subject(url, "reading")) {
          try await self.attempt(.GET, url, adding: [], headers: headers, body: nil)
        }
      })
    return StorageBody {
      let download = ResumableDownload(source)
      return { try await download.next() }
    }
  }

  // MARK: Writing

  /// Writes a file of known length; `body` is asked anew whenever it has to be sent from the start.
  ///
  /// - Parameter renewed: asked for another address of the same file when the permission ends between two pieces; what
  ///   Azure has by then stays.
  /// - Returns: size and digest of what was sent.
  /// - Throws: ``StorageError`` with `.changed` when the body has another length.
  public func write<Body: AsyncSequence & Sendable>(
    to url: SignedURL, as form: Form, length: Int64, renewed: (@Sendable () async throws -> SignedURL)? = nil,
    body: @escaping @Sendable () async throws -> Body
  ) async throws -> WrittenFile where Body.Element == [UInt8] {
    let place = RenewableURL(url: url, renewed: renewed ?? { url })
    let written =
      switch form {
      case .put: try await put(url, length: length, body: body)
      case .azureBlocks: try await blocks(place, body: body)
      case .azureAppend: try await append(place, body: body)
      }
    guard written.size == length else { throw wrongLength(url, written.size, length) }
    return written
  }

  private func wrongLength(_ url: SignedURL, _ size: Int64, _ length: Int64) -> StorageError {
    StorageError(.changed, key: "\(url)", "was to have \(length) bytes, its source gave \(size). Send it again.")
  }

  private func put<Body: AsyncSequence & Sendable>(
    _ url: SignedURL, length: Int64, body: @escaping @Sendable () async throws -> Body
  ) async throws -> WrittenFile where Body.Element == [UInt8] {
    try await explaining(url, "writing") {
      let passing = PassingBody(base: try await body(), length: length)
      let sent: HTTPClientRequest.Body = length == 0 ? .bytes(ByteBuffer()) : .stream(passing, length: .known(length))
      do {
        let response = try await self.attempt(.PUT, url, adding: [], headers: [], body: sent)
        _ = try await self.collect(response)
      } catch {
        // What the source itself threw matters more than what became of the connection.
        if let cause = passing.outcome.failure { throw SourceFailure(cause: cause) }
        throw error
      }
      return passing.outcome.written
    }
  }

  private func blocks<Body: AsyncSequence & Sendable>(
    _ place: RenewableURL, body: @escaping @Sendable () async throws -> Body
  ) async throws -> WrittenFile where Body.Element == [UInt8] {
    var place = place
    var names: [String] = []
    let written = try await pieces(of: body) { piece, number, _ in
      guard number < Self.blocksMax else {
        throw StorageError(
          .tooLarge, key: "\(place.url)", "needs more than \(Self.blocksMax) blocks, which Azure does not take.")
      }
      // All names of a blob's blocks have one length.
      let digits = String(number)
      let name = Data((String(repeating: "0", count: 6 - digits.count) + digits).utf8).base64EncodedString()
      try await self.send(
        .block, .PUT, &place, adding: [("comp", "block"), ("blockid", name)], body: piece,
        operation: "writing a block")
      names.append(name)
    }
    let list =
      "<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>"
      + names.map { "<Latest>\($0)</Latest>" }.joined() + "</BlockList>"
    try await send(
      .blockList, .PUT, &place, adding: [("comp", "blocklist")], body: ByteBuffer(string: list),
      operation: "joining blocks")
    return written
  }

  private func append<Body: AsyncSequence & Sendable>(
    _ place: RenewableURL, body: @escaping @Sendable () async throws -> Body
  ) async throws -> WrittenFile where Body.Element == [UInt8] {
    var place = place
    try await send(
      .create, .PUT, &place, adding: [("resource", "file")], body: ByteBuffer(), operation: "creating a file")
    let written = try await pieces(of: body) { piece, _, position in
      // The same bytes at the same place may be appended again: nothing counts before the flush.
      try await self.send(
        .append, .PATCH, &place, adding: [("action", "append"), ("position", String(position))], body: piece,
        operation: "appending")
    }
    try await send(
      .flush, .PATCH, &place, adding: [("action", "flush"), ("position", String(written.size))], body: ByteBuffer(),
      operation: "flushing")
    return written
  }

  /// Cuts a body into pieces and hands them on one by one, with their number and place.
  private func pieces<Body: AsyncSequence & Sendable>(
    of body: @Sendable () async throws -> Body, _ take: (ByteBuffer, Int, Int64) async throws -> Void
  ) async throws -> WrittenFile where Body.Element == [UInt8] {
    var digest = StreamDigest()
    var piece = ByteBuffer()
    var number = 0
    var place: Int64 = 0
    for try await chunk in try await body() {
      await digest.take(chunk)
      var rest = chunk[...]
      while !rest.isEmpty {
        let pieceBytes = S3Upload.partBytes(first: firstPieceBytes, sent: min(number, S3Upload.partsMax - 1))
        let taken = rest.prefix(pieceBytes - piece.readableBytes)
        piece.writeBytes(taken)
        rest = rest.dropFirst(taken.count)
        guard piece.readableBytes == pieceBytes else { continue }
        try await take(piece, number, place)
        number += 1
        place += Int64(piece.readableBytes)
        piece = ByteBuffer()
      }
    }
    if piece.readableBytes > 0 { try await take(piece, number, place) }
    return digest.finish()
  }

  // MARK: Calls

  /// Makes one of Azure's calls; where the permission has ended, once more with another.
  private func send(
    _ call: AzureCall, _ method: HTTPMethod, _ place: inout RenewableURL, adding items: [(String, String)],
    body: ByteBuffer, operation: String
  ) async throws {
    do {
      return try await sendWhole(
        method, place.url.keepingHeaders(call.takes), adding: items, body: body, operation: operation)
    } catch let error as StorageError where error.code == .notAuthenticated {
      guard try await place.renew() else { throw error }
    }
    try await sendWhole(
      method, place.url.keepingHeaders(call.takes), adding: items, body: body, operation: operation)
  }

  private func sendWhole(
    _ method: HTTPMethod, _ url: SignedURL, adding items: [(String, String)], body: ByteBuffer, operation: String
  ) async throws {
    try await explaining(url, operation) {
      let sent: HTTPClientRequest.Body =
        body.readableBytes <= S3Client.sliceBytes
        ? .bytes(body) : .stream(SlicedBody(body: body), length: .known(Int64(body.readableBytes)))
      _ = try await self.collect(try await self.attempt(method, url, adding: items, headers: [], body: sent))
    }
  }

  /// Makes a call again where that helps, and puts refusals into words.
  func explaining<T>(
    _ url: SignedURL, _ operation: String, _ attempt: () async throws -> T
  ) async throws -> T {
    do {
      return try await repetition.run(Self.subject(url, operation), attempt: attempt)
    } catch let refusal as S3Refusal {
      throw Self.words(refusal, url, operation)
    }
  }

  func attempt(
    _ method: HTTPMethod, _ url: SignedURL, adding items: [(String, String)],
    headers: [(name: String, value: String)], body: HTTPClientRequest.Body?
  ) async throws -> HTTPClientResponse {
    var request = HTTPClientRequest(url: url.adding(items))
    request.method = method
    for (name, value) in url.headers { request.headers.replaceOrAdd(name: name, value: value) }
    for (name, value) in headers { request.headers.add(name: name, value: value) }
    request.headers.add(name: "accept-encoding", value: "identity")
    request.headers.add(name: "user-agent", value: userAgent)
    request.body = body
    let response = try await client.execute(request, deadline: .now() + TimeAmount(policy.transferTimeout))
    let status = Int(response.status.code)
    guard (200..<300).contains(status) else {
      let body = (try? await collect(response)) ?? []
      throw S3Refusal(response, body: body, now: effects.now())
    }
    return response
  }

  func collect(_ response: HTTPClientResponse) async throws -> [UInt8] {
    var bytes: [UInt8] = []
    for try await chunk in response.body {
      bytes.append(contentsOf: chunk.readableBytesView)
      if bytes.count > StorageLimits.chunkBytes { break }
    }
    return bytes
  }

  static func subject(_ url: SignedURL, _ operation: String) -> Repetition.Subject {
    Repetition.Subject(name: "\(url)", operation: operation, server: "its server")
  }

  static func words(_ refusal: S3Refusal, _ url: SignedURL, _ operation: String) -> StorageError {
    let facts = ["HTTP \(refusal.status)", refusal.code].compactMap { $0 }.joined(separator: ", ")
    let said = refusal.message.map { " The server says: \(url.redacted($0))" } ?? ""
    let ended = "The permission has ended, or is for something else: ask for a new one."
    let (code, advice): (StorageError.Code, String) =
      switch refusal.status {
      case 401, 403: (.notAuthenticated, ended)
      // Google, and S3 where the signer's own credentials ended, say so with 400.
      case _ where refusal.meaning == .credentialsEnded: (.notAuthenticated, ended)
      case 404: (.notFound, "It does not exist.")
      case 300..<400: (.failed, "Redirects are not followed.")
      case 429, 503: (.overloaded, "The server asks to be called less.")
      default: (.failed, refusal.meaning == .final ? "The server does not take it." : "Try again later.")
      }
    return StorageError(code, key: "\(url)", "\(operation) failed (\(facts)).\(said) \(advice)")
  }
}

/// A body on its way out, hashed and counted as it passes, with its source's own error kept.
struct PassingBody<Base: AsyncSequence & Sendable>: AsyncSequence, Sendable where Base.Element == [UInt8] {
  typealias Element = ByteBuffer

  /// What became of it; read once it has passed.
  final class Outcome: Sendable {
    private struct State {
      var written = StreamDigest.of([UInt8]())
      var failure: (any Error)?
    }
    private let state = Mutex(State())

    var failure: (any Error)? { state.withLock { $0.failure } }
    /// What has passed, once all of it has.
    var written: WrittenFile { state.withLock { $0.written } }
    func end(_ written: WrittenFile) { state.withLock { $0.written = written } }
    func fail(_ error: any Error) { state.withLock { $0.failure = error } }
  }

  let base: Base
  let length: Int64
  let outcome = Outcome()

  struct AsyncIterator: AsyncIteratorProtocol {
    var base: Base.AsyncIterator
    let length: Int64
    let outcome: Outcome
    var digest = StreamDigest()

    mutating func next() async throws -> ByteBuffer? {
      do {
        while let chunk = try await base.next() {
          await digest.take(chunk)
          guard digest.size <= length else { throw wrongLength("more") }
          // Before the last chunk is handed over: the server may answer, and nobody ask for more, as soon as it has it.
          if digest.size == length { outcome.end(digest.finish()) }
          if !chunk.isEmpty { return ByteBuffer(bytes: chunk) }
        }
        guard digest.size == length else { throw wrongLength("less") }
        return nil
      } catch {
        outcome.fail(error)
        throw error
      }
    }

    private func wrongLength(_ what: String) -> StorageError {
      StorageError(.changed, key: "a file", "gave \(what) than the \(length) bytes it was to have. Send it again.")
    }
  }

  func makeAsyncIterator() -> AsyncIterator {
    AsyncIterator(base: base.makeAsyncIterator(), length: length, outcome: outcome)
  }
}
