import NIOHTTP1

/// A listing of a bucket, page after page.
actor S3Listing {
  /// A listing has at most so many pages; a server that never ends one is not followed for ever.
  static let pagesMax = 100_000

  /// What is asked, and how the next page is found.
  struct Kind: Sendable {
    var operation: String
    /// The object it is about; `nil` for the bucket.
    var object: String?
    var query: [(String, String)]
    /// The parameter that limits a page.
    var counted: String
    /// What the next page is asked with, nothing where the server does not say how.
    var next: @Sendable (XMLElement) -> [(String, String)]

    /// Every object below a prefix.
    static func objects(_ prefix: String) -> Kind {
      Kind(
        operation: "listing", query: [("list-type", "2"), ("prefix", prefix), ("encoding-type", "url")],
        counted: "max-keys"
      ) { page in
        page.text("NextContinuationToken").map { [("continuation-token", $0)] } ?? []
      }
    }

    /// Every upload in parts below a prefix that was begun and neither joined nor abandoned.
    static func uploads(_ prefix: String) -> Kind {
      Kind(
        operation: "listing unfinished uploads",
        query: [("uploads", ""), ("prefix", prefix), ("encoding-type", "url")], counted: "max-uploads"
      ) { page in
        guard let key = S3Listing.name(page.text("NextKeyMarker"), in: page), let id = page.text("NextUploadIdMarker")
        else { return [] }
        return [("key-marker", key), ("upload-id-marker", id)]
      }
    }

    /// The parts of an upload that has not been joined; none of one that is not there.
    static func parts(of object: String, uploadID: String) -> Kind {
      Kind(
        operation: "listing parts", object: object, query: [("uploadId", uploadID)], counted: "max-parts"
      ) { page in
        page.text("NextPartNumberMarker").map { [("part-number-marker", $0)] } ?? []
      }
    }
  }

  private let client: S3Client
  private let kind: Kind
  private var following: [(String, String)]? = []
  private var count = 0

  init(_ client: S3Client, _ kind: Kind) {
    self.client = client
    self.kind = kind
  }

  /// The next page; `nil` after the last.
  func next() async throws -> XMLElement? {
    guard let asked = following else { return nil }
    count += 1
    guard count <= Self.pagesMax else {
      throw failure("the listing has not ended after \(Self.pagesMax) pages.")
    }
    guard let page = try await page(asked) else {
      following = nil
      return nil
    }
    following = nil
    guard page.text("IsTruncated") == "true" else { return page }
    let next = kind.next(page)
    guard !next.isEmpty, !next.elementsEqual(asked, by: { $0 == $1 }) else {
      throw failure("the server says that there is more and not how to get it.")
    }
    following = next
    return page
  }

  private func page(_ asked: [(String, String)]) async throws -> XMLElement? {
    var call = S3Call(operation: kind.operation, method: .GET, object: kind.object, query: kind.query + asked)
    if let count = client.configuration.keysPerPage { call.query.append((kind.counted, String(count))) }
    do {
      let page = try XMLReader.read(try await client.answer(to: call).body)
      guard page.name.hasPrefix("List") else {
        throw failure("the answer is '\(page.name.prefix(40))', no listing.")
      }
      return page
    } catch let refusal as S3Refusal where refusal.code == "NoSuchUpload" {
      // What rclone answers when there is none at all.
      return nil
    } catch let refusal as S3Refusal {
      throw client.error(refusal, call)
    } catch let malformed as XMLReader.Malformed {
      throw failure("the answer is no XML of S3: \(malformed).")
    }
  }

  private func failure(_ why: String) -> StorageError {
    StorageError(.failed, key: client.address.location, "\(kind.operation): \(why)")
  }

  /// A key as it is: escaped only when the page says so.
  static func name(_ text: String?, in page: XMLElement) -> String? {
    guard let text else { return nil }
    return page.text("EncodingType")?.lowercased() == "url" ? PercentEncoding.decodeForm(text) : text
  }
}
