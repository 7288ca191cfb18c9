import HTTPTypes

/// Where reading goes on, as whoever reads gets it. What is in it is nobody's business; its first letter keeps a cursor of one
/// order from being taken for one of another, which would skip or repeat.
enum EventCursor {
  /// What a cursor is of.
  enum Order: String {
    /// The global order.
    case position = "p"
    /// The order of a workspace.
    case sequence = "s"
    /// The order of a stream.
    case version = "v"
    /// The runs of a workspace, backwards.
    case run = "r"
  }

  static func text(_ order: Order, _ number: Int64) -> String { "\(order.rawValue)\(number)" }

  /// - Throws: ``Problem`` for what is no cursor of this order.
  static func number(_ text: String, _ order: Order, field: String = "cursor") throws -> Int64 {
    guard text.utf8.count <= 19, text.hasPrefix(order.rawValue), let number = Int64(text.dropFirst()), number >= 0,
      Self.text(order, number) == text
    else {
      throw Problem(
        .badRequest, "bad_cursor", "'\(text.prefix(60))' is no cursor of this address: take the one that a page gave.",
        field: field)
    }
    return number
  }
}
