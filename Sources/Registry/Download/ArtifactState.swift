import AsyncHTTPClient
import NIOHTTP1

/// Which of its states a file is in, by the word of the server that sends it: as long as both are the same, so are its
/// bytes.
public struct ArtifactState: Sendable, Hashable {
  /// The strong entity tag (RFC 9110 §8.8.3), quotes included. Never a hash of the content.
  public var tag: String
  /// The size in bytes.
  public var size: Int64

  /// A state.
  public init(tag: String, size: Int64) {
    self.tag = tag
    self.size = size
  }
}

/// What an answer to a request for bytes begins with. Pure.
struct AnswerHead: Hashable {
  /// Whole, a part, or anything else.
  var status: Int
  /// The strong entity tag, if there is one.
  var tag: String?
  /// The part that follows, and the whole file's size.
  var part: (range: Range<Int64>, total: Int64)? {
    guard let first, let last, let total, first <= last, last < total else { return nil }
    return (first..<last + 1, total)
  }
  /// Whether a part follows, and not the whole. rclone 1.75 answers one with 200, and says which in `Content-Range`.
  var isPart: Bool { status == 206 || status == 200 && part != nil }
  /// Bytes that follow, where the server says so.
  var length: Int64?

  private var first: Int64?
  private var last: Int64?
  private var total: Int64?

  init(_ response: HTTPClientResponse) {
    self.init(status: Int(response.status.code), headers: response.headers)
  }

  init(status: Int, headers: HTTPHeaders) {
    self.status = status
    length = headers.first(name: "content-length").flatMap { Int64($0) }
    if let found = headers.first(name: "etag"), !found.isEmpty, !found.hasPrefix("W/") { tag = found }
    // `bytes 5-9/10`
    let words = headers.first(name: "content-range")?.split(whereSeparator: { " -/".contains($0) }) ?? []
    guard words.count == 4, words[0].lowercased() == "bytes" else { return }
    first = Int64(words[1])
    last = Int64(words[2])
    total = Int64(words[3])
  }
}
