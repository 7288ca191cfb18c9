import Catalog
import Foundation
import HTTPTypes
import Hummingbird
import Postgres

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
    // Two slashes at its beginning would be another host in a link.
    path = "/" + request.uri.path.split(separator: "/").joined(separator: "/")
    query = try RequestQuery(request.uri.query)
    wantsPage = Answer.wantsPage(request)
    let text = query["as_of"] ?? ""
    // A space at an end is there by accident; any other white space is no part of a moment.
    let bare = text.trimmingCharacters(in: CharacterSet(charactersIn: " "))
    guard bare.isEmpty == text.isEmpty, !bare.contains(where: \.isWhitespace), let moment = AsOf(text: bare) else {
      throw Problem(
        .badRequest, "bad_moment",
        "as_of '\(text)' is neither a position nor a time. Write 4711, 2026-03-01 or 2026-03-01T09:30:00Z.",
        field: "as_of")
    }
    try Self.expect(moment, as: text, field: "as_of")
    asOf = moment
    asOfText = moment == .now ? nil : text
  }

  /// What is not yet would not stay as it is. A clock that is a little ahead is no reason to refuse what it says.
  ///
  /// - Throws: ``Problem`` for a time that has not come.
  static func expect(_ moment: AsOf, as text: String, field: String) throws {
    guard case .time(let time) = moment,
      time.microseconds > Int64(Date().timeIntervalSince1970 + aheadSeconds) * 1_000_000
    else { return }
    throw Problem(
      .notFound, "moment_not_come", "\(field) '\(text)' has not come yet, in UTC. Leave it out for now.", field: field)
  }

  /// Seconds by which somebody's clock may be ahead of ours.
  private static let aheadSeconds = 300.0

  /// An address about the same moment.
  func address(_ path: String, _ query: [(String, String)] = []) -> Address {
    Address(path, query + (asOfText.map { [("as_of", $0)] } ?? []))
  }

  /// A link to an event.
  func event(_ workspace: String, _ sequence: Int64) -> HTML {
    "<a class=\"event\" href=\"\(address("/events/\(workspace)/\(sequence)").text)\">\(workspace)/\(sequence)</a>"
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
