import Catalog
import Foundation
import HTTPTypes
import Hummingbird

/// What a request for a page, or for the same as an object, asks.
struct PageRequest: Sendable {
  let path: String
  let query: RequestQuery
  /// The moment it is about.
  let asOf: AsOf
  /// The same as it was written.
  let asOfText: String?
  let wantsPage: Bool

  init(_ request: Request) throws {
    path = request.uri.path
    query = try RequestQuery(request.uri.query)
    asOfText = query["as_of"]
    wantsPage = Answer.wantsPage(request)
    guard let moment = AsOf(text: asOfText ?? "") else {
      throw Problem(
        .badRequest, "bad_moment",
        "as_of '\(asOfText ?? "")' is neither a position nor a time. Write 4711, 2026-03-01 or 2026-03-01T09:30:00Z.",
        field: "as_of")
    }
    asOf = moment
  }

  /// An address about the same moment.
  func address(_ path: String, _ query: [(String, String)] = []) -> Address {
    Address(path, query + (asOfText.map { [("as_of", $0)] } ?? []))
  }

  /// This address.
  var own: Address { Address(path, query.pairs.map { ($0.name, $0.value) }) }
}

extension CatalogEntry {
  /// Where its page is: by its name where that can stand in a path as it is, else by its incarnation.
  var path: String { Self.path(title, model.uuidString) }

  static func path(_ title: String, _ model: String) -> String {
    let isPlain =
      title.utf8.allSatisfy { $0 > 0x20 && $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: "\\") }
      && !title.hasPrefix(".")
    return "/models/" + (isPlain ? Address.encoded(title) : model.lowercased())
  }
}
