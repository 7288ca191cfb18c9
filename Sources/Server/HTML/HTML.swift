import Catalog

/// A piece of a page. What is put into it is text, whatever it looks like; only what is HTML already stays so.
///
/// ```swift
/// let row: HTML = "<tr><th>\(name)<td>\(details)</tr>"
/// ```
public struct HTML: Sendable, Hashable, ExpressibleByStringInterpolation {
  /// What a browser reads.
  public private(set) var text: String

  /// A piece without anything put in.
  public init(stringLiteral value: String) { text = value }

  /// A piece with what was put in.
  public init(stringInterpolation: StringInterpolation) { text = stringInterpolation.text }

  /// Nothing.
  public static let empty: HTML = ""

  /// One piece after another.
  public static func + (left: HTML, right: HTML) -> HTML {
    var sum = left
    sum.text += right.text
    return sum
  }

  /// Takes a piece apart into literals, which are HTML, and what is put in, which is escaped.
  public struct StringInterpolation: StringInterpolationProtocol {
    fileprivate var text = ""

    /// An empty piece.
    public init(literalCapacity: Int, interpolationCount: Int) { text.reserveCapacity(literalCapacity * 2) }

    /// HTML as it stands in the source.
    public mutating func appendLiteral(_ literal: String) { text += literal }

    /// Text.
    public mutating func appendInterpolation(_ value: some StringProtocol) { text += HTML.escaped(String(value)) }

    /// Text that a form sends back as it is, in quotes: what does not print stays.
    public mutating func appendInterpolation(exactly value: some StringProtocol) {
      text += HTML.withoutMarkup(String(value))
    }

    /// A number.
    public mutating func appendInterpolation(_ value: some BinaryInteger) { text += "\(value)" }

    /// A piece, or nothing.
    public mutating func appendInterpolation(_ piece: HTML?) { text += piece?.text ?? "" }

    /// Pieces, one after the other.
    public mutating func appendInterpolation(_ pieces: [HTML]) { for piece in pieces { text += piece.text } }
  }

  /// Text of a source as text of a page, in an element or in quotes: nothing in it is markup, and nothing in it moves
  /// what stands beside it.
  static func escaped(_ text: String) -> String { withoutMarkup(Printable.text(text, keepsLines: true)) }

  private static func withoutMarkup(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      case "'": result += "&#39;"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }
}
