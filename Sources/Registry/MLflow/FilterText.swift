/// What MLflow's filter language can say.
///
/// It is read by an SQL tokenizer without any escapes: text stands between single or double quotes and must
/// not contain the same, keys of tags stand between backticks. A backslash before a quote confuses the
/// tokenizer.
enum FilterText {
  /// The text in quotes, or `nil` when no quotes can hold it.
  static func quoted(_ text: String) -> String? {
    guard text.unicodeScalars.allSatisfy({ $0 != "\\" && $0.properties.generalCategory != .control }) else {
      return nil
    }
    if !text.utf8.contains(UInt8(ascii: "'")) { return "'\(text)'" }
    if !text.utf8.contains(UInt8(ascii: "\"")) { return "\"\(text)\"" }
    return nil
  }

  /// A clause that a tag has a value, or `nil` when it cannot be said.
  static func tagged(_ tag: Tag) -> String? {
    let key = tag.key.unicodeScalars
    guard !key.isEmpty, let value = quoted(tag.value),
      key.allSatisfy({ $0 != "`" && $0 != "\\" && $0.properties.generalCategory != .control })
    else { return nil }
    return "tags.`\(tag.key)` = \(value)"
  }

  /// Whether a text is of a kind no tokenizer was ever wrong about.
  static func isPlain(_ text: String) -> Bool {
    text.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
        UInt8(ascii: " "):
        true
      default: false
      }
    }
  }
}
