import Foundation

/// A model's name in the marketplace, with the form in which names are compared.
public struct MarketplaceName: Hashable, Sendable {
  /// The name as MLflow shows it.
  public let text: String
  /// NFC and case folded: names that look equal are equal.
  public let folded: String

  /// A name; legality is ``NameTemplate``'s business.
  public init(_ text: String) {
    self.text = text
    folded = Self.fold(text)
  }

  /// The stream in workspace `marketplace` whose first event owns the name. A long name's stream is named by a
  /// hash, since streams are shorter than names may be.
  public var stream: String {
    let plain = "name/\(folded)"
    guard plain.utf8.count > 400 else { return plain }
    return "name/#\(NameBasedUUID.make(["name", folded]).uuidString.lowercased())"
  }

  /// Lower, upper and lower case again is full case folding for all but a few letters that are equal anyway: "ß"
  /// meets "ss" on the way up, and "ẞ" gets there only by way of "ß". Accents stand alone meanwhile, since some
  /// composed letters change case only when taken apart; canonical composition comes last.
  static func fold(_ text: String) -> String {
    text.decomposedStringWithCanonicalMapping.lowercased().uppercased().lowercased()
      .precomposedStringWithCanonicalMapping
  }
}

extension String {
  /// Byte for byte: registries tell "é" from "e\u{301}", Swift's `==` does not.
  public func isExactly(_ other: String) -> Bool { utf8.elementsEqual(other.utf8) }
}
