public import AsyncHTTPClient
import NIOHTTP1

extension SignedURLTransfer {
  /// Begins an answer with a file's bytes, asked with these headers, such as a `range`.
  ///
  /// - Throws: ``StorageError``, with `.changed` where a condition in the headers does not hold.
  public func open(
    _ url: SignedURL, headers: [(name: String, value: String)]
  ) async throws -> HTTPClientResponse {
    do {
      return try await repetition.run(Self.subject(url, "reading")) {
        try await attempt(.GET, url, adding: [], headers: headers, body: nil)
      }
    } catch let refusal as S3Refusal where refusal.status == 412 || refusal.status == 416 {
      throw StorageError(.changed, key: "\(url)", "is another file now than it was. Read it again.")
    } catch let refusal as S3Refusal {
      throw Self.words(refusal, url, "reading")
    }
  }

  /// Puts one part of a file that is joined elsewhere, and returns the tag by which it is named then.
  public func put(part: [[UInt8]], to url: SignedURL) async throws -> String {
    var body = S3Body()
    for chunk in part { body.append(chunk[...]) }
    let tag = try await explaining(url, "writing a part") {
      let response = try await attempt(.PUT, url, adding: [], headers: [], body: body.request)
      _ = try await collect(response)
      return response.headers.first(name: "etag")
    }
    guard let tag else { throw StorageError(.failed, key: "\(url)", "writing a part: the answer has no ETag.") }
    return tag
  }
}
