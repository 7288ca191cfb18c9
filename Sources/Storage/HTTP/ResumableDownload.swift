import AsyncHTTPClient
import NIOCore
import NIOHTTP1

/// Where a download comes from.
struct DownloadSource: Sendable {
  /// The file, as errors name it.
  var name: String
  var policy: StoragePolicy
  var effects: StorageEffects
  /// A refusal in words.
  var words: @Sendable (S3Refusal) -> StorageError
  /// Begins an answer, asked with these headers.
  var open: @Sendable ([(name: String, value: String)]) async throws -> HTTPClientResponse
}

/// A file on its way to us. A broken connection is taken up where it broke, as long as the file is the same.
actor ResumableDownload {
  /// A chunk holds at least so many bytes unless it is the last.
  private static let chunkBytes = 256 * 1_024
  /// A break counts as the first again when so many bytes came since the last one. Few: what had arrived and was not
  /// yet asked for is lost with the connection.
  private static let progressBytes: Int64 = 65_536

  private let source: DownloadSource
  private var iterator: HTTPClientResponse.Body.AsyncIterator?
  private var received: Int64 = 0
  private var size: Int64?
  private var tag: String?
  /// Bytes to drop, where a server answers a range with the whole.
  private var surplus: Int64 = 0
  private var breaks = 0
  private var receivedAtBreak: Int64 = 0
  private var isDone = false

  init(_ source: DownloadSource) { self.source = source }

  /// What asks for the rest.
  private var headers: [(name: String, value: String)] {
    guard received > 0 else { return [] }
    let range = (name: "range", value: "bytes=\(received)-")
    guard let tag, !tag.hasPrefix("W/") else { return [range] }
    return [range, ("if-match", tag)]
  }

  /// The next bytes, at most ``StorageLimits/chunkBytes``; `nil` at the end.
  func next() async throws -> [UInt8]? {
    var chunk: [UInt8] = []
    while !isDone, chunk.count < Self.chunkBytes {
      if iterator == nil {
        // What has come goes out before anything is waited for.
        guard chunk.isEmpty else { return chunk }
        try await connect()
      }
      do {
        var reading = iterator
        guard let buffer = try await reading?.next(isolation: self) else {
          try end()
          continue
        }
        iterator = reading
        take(buffer, into: &chunk)
      } catch let error as StorageError {
        throw error
      } catch {
        try Task.checkCancellation()
        try await pause(after: error)
      }
    }
    return chunk.isEmpty ? nil : chunk
  }

  private func take(_ buffer: ByteBuffer, into chunk: inout [UInt8]) {
    var buffer = buffer
    let dropped = Int(min(surplus, Int64(buffer.readableBytes)))
    buffer.moveReaderIndex(forwardBy: dropped)
    surplus -= Int64(dropped)
    received += Int64(buffer.readableBytes)
    chunk.append(contentsOf: buffer.readableBytesView)
  }

  /// The body ended of its own.
  private func end() throws {
    iterator = nil
    guard let size, received != size else {
      isDone = true
      return
    }
    throw BodyEnded(received: received, size: size)
  }

  private struct BodyEnded: Error, CustomStringConvertible {
    let received: Int64
    let size: Int64
    var description: String { "the body ended after \(received) of \(size) bytes" }
  }

  private func pause(after error: any Error) async throws {
    iterator = nil
    breaks = received - receivedAtBreak >= Self.progressBytes ? 1 : breaks + 1
    receivedAtBreak = received
    guard breaks < source.policy.attemptsMax else {
      throw StorageError(
        .unreachable, key: source.name,
        "reading: the connection broke \(breaks) times, the last time after "
          + "\(received) of \(size.map(String.init) ?? "an unknown number of") bytes: "
          + "\(S3Refusal.bounded(String(describing: error))).")
    }
    try await source.effects.sleep(
      RetryRule.backoff(afterAttempt: breaks, policy: source.policy, random: source.effects.random()))
  }

  private func connect() async throws {
    let response: HTTPClientResponse
    do {
      response = try await source.open(headers)
    } catch let refusal as S3Refusal {
      // 412: If-Match did not hold. 416: it is shorter now.
      guard received > 0, refusal.status == 412 || refusal.status == 416 || refusal.status == 404 else {
        throw source.words(refusal)
      }
      throw changed()
    }
    if received == 0 {
      size = response.headers.first(name: "content-length").flatMap { Int64($0) }
      tag = response.headers.first(name: "etag")
    } else {
      surplus = try offset(of: response)
    }
    iterator = response.body.makeAsyncIterator()
  }

  /// How many bytes of a resumed answer have come already.
  private func offset(of response: HTTPClientResponse) throws -> Int64 {
    // Some servers do not heed If-Match.
    if let found = response.headers.first(name: "etag"), found != tag { throw changed() }
    // `bytes 5-9/10`. The header tells that it is a part; rclone sends one with status 200.
    guard let range = response.headers.first(name: "content-range") else { return received }
    let parts = range.split(whereSeparator: { " -/".contains($0) })
    guard parts.count == 4, Int64(parts[1]) == received else {
      throw StorageError(
        .failed, key: source.name,
        "reading: bytes from \(received) on were asked for, the server sent "
          + "'\(S3Refusal.bounded(range))'.")
    }
    if let size, let total = Int64(parts[3]), total != size { throw changed() }
    return 0
  }

  private func changed() -> StorageError {
    StorageError(
      .changed, key: source.name,
      "was replaced or removed while it was read, after \(received) bytes. Read it "
        + "again from the start.")
  }
}
