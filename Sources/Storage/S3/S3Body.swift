import AsyncHTTPClient
import NIOCore

/// The body of a call: the chunks it came in, as they came. Nothing is copied together, so that the memory of a part is
/// many small pieces that are used again rather than one large one that is kept.
struct S3Body: Sendable {
  private var chunks: [ArraySlice<UInt8>] = []
  /// Size in bytes.
  private(set) var count = 0

  init() {}

  init(_ bytes: [UInt8]) { append(bytes[...]) }

  init(_ text: String) { self.init(Array(text.utf8)) }

  mutating func append(_ chunk: ArraySlice<UInt8>) {
    guard !chunk.isEmpty else { return }
    chunks.append(chunk)
    count += chunk.count
  }

  /// Hex SHA-256.
  var sha256: String {
    var digest = StreamDigest()
    for chunk in chunks { digest.update(chunk) }
    return digest.finish().sha256
  }

  /// What is handed to a connection, anew for each attempt.
  var request: HTTPClientRequest.Body {
    count == 0 ? .bytes(ByteBuffer()) : .stream(Slices(chunks: chunks[...]), length: .known(Int64(count)))
  }

  /// Slices small enough that back-pressure holds and TLS encrypts little at a time.
  private struct Slices: AsyncSequence, AsyncIteratorProtocol, Sendable {
    typealias Element = ByteBuffer
    var chunks: ArraySlice<ArraySlice<UInt8>>

    mutating func next() async -> ByteBuffer? {
      guard let first = chunks.first else { return nil }
      let slice = first.prefix(S3Client.sliceBytes)
      let rest = first.dropFirst(slice.count)
      if rest.isEmpty {
        chunks.removeFirst()
      } else {
        chunks[chunks.startIndex] = rest
      }
      return ByteBuffer(bytes: slice)
    }

    func makeAsyncIterator() -> Self { self }
  }
}
