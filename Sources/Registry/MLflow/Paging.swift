import Foundation

/// A page of any listing: its items and how to get the next.
protocol ListingPage: Decodable, Sendable {
  associatedtype Item: Sendable
  var items: [Item] { get }
  var next_page_token: String? { get }
}

extension MLflowRegistry {
  /// A whole listing, each item once.
  ///
  /// Pages are positions in a listing that others change, so each page after the first is asked for one item
  /// earlier and must start with the last item of the one before. When it does not, or an item comes twice,
  /// the listing shifted and is read again, at most ``ListingBounds/scansMax`` times.
  func wholeListing<Page: ListingPage, Key: Hashable>(
    operation: String, pageSize: Int, key: (Page.Item) -> Key, read: (_ token: String?) async throws -> Page
  ) async throws -> [Page.Item] {
    for _ in 0..<max(1, bounds.scansMax) {
      let scanned = try await scan(operation: operation, pageSize: pageSize, key: key, read: read)
      if let scanned { return scanned }
    }
    throw RegistryError(
      .unstableListing, operation: operation, url: transport.address.text,
      message: "the listing changed during each of \(max(1, bounds.scansMax)) attempts to read it",
      advice: "Try again when less is created and deleted.", retriable: true)
  }

  /// One pass, or `nil` when the listing shifted under the reader.
  private func scan<Page: ListingPage, Key: Hashable>(
    operation: String, pageSize: Int, key: (Page.Item) -> Key, read: (_ token: String?) async throws -> Page
  ) async throws -> [Page.Item]? {
    var found: [Page.Item] = []
    var keys: Set<Key> = []
    var seen: Set<String> = []
    var token: String?
    var pages = 0
    repeat {
      let overlap = pageSize > 1 ? OffsetToken.oneEarlier(token, after: found.count) : nil
      let page = try await read(overlap ?? token)
      var items = page.items[...]
      if overlap != nil {
        guard let first = items.popFirst(), let last = found.last, key(first) == key(last) else { return nil }
      }
      for item in items {
        guard keys.insert(key(item)).inserted else { return nil }
        found.append(item)
      }
      pages += 1
      token = try nextToken(page.next_page_token, seen: &seen, pages: pages, operation: operation)
    } while token != nil
    return found
  }

  /// Hands over page after page until one has no token.
  func eachPage<Page: ListingPage>(
    operation: String, read: (_ token: String?) async throws -> Page, page: (Page) async throws -> Void
  ) async throws {
    var seen: Set<String> = []
    var token: String?
    var pages = 0
    repeat {
      let answer = try await read(token)
      try await page(answer)
      pages += 1
      token = try nextToken(answer.next_page_token, seen: &seen, pages: pages, operation: operation)
    } while token != nil
  }

  /// The token to go on with, or `nil` at the end. One that comes again would go on for ever and is refused.
  private func nextToken(
    _ token: String?, seen: inout Set<String>, pages: Int, operation: String
  ) throws -> String? {
    guard let token, !token.isEmpty else { return nil }
    guard seen.insert(token).inserted else {
      throw RegistryError(
        .invalidResponse, operation: operation, url: transport.address.text,
        message: "the listing repeats itself: a page token came twice",
        advice: "Report it to whoever runs the server.")
    }
    guard pages < bounds.pagesMax else {
      throw RegistryError(
        .tooLarge, operation: operation, url: transport.address.text,
        message: "the listing has more than \(bounds.pagesMax) pages",
        advice: "Raise pagesMax if there really are so many.")
    }
    return token
  }
}

/// MLflow's page tokens are base64 of `{"offset": N}`: positions in a listing nobody holds still.
///
/// A deletion before the position shifts everything after it, and the first item of the next page is skipped
/// unseen. Asking from N − 1 instead makes the last item of the page before come first again, which it does
/// not after a shift.
enum OffsetToken {
  private struct Content: Codable {
    var offset: Int
  }

  /// The position a token stands for, or `nil` when it is of another make.
  static func offset(of token: String) -> Int? {
    guard let bytes = Data(base64Encoded: token),
      let object = try? JSONSerialization.jsonObject(with: bytes) as? [String: Any],
      object.count == 1, let offset = object["offset"] as? Int, offset >= 0
    else { return nil }
    return offset
  }

  static func token(offset: Int) -> String {
    Data("{\"offset\": \(offset)}".utf8).base64EncodedString()
  }

  /// The token of one position earlier; `nil` when the make is unknown or the position is not where the
  /// reader stands.
  static func oneEarlier(_ token: String?, after count: Int) -> String? {
    guard let token, count > 0, offset(of: token) == count else { return nil }
    return self.token(offset: count - 1)
  }
}

extension [(String, String)] {
  /// With the page token, if there is one.
  func paged(_ token: String?) -> Self {
    token.map { self + [("page_token", $0)] } ?? self
  }
}
