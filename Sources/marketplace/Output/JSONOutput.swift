import Foundation

/// The one object that a command prints for programs.
enum JSONOutput {
  /// What a command that failed prints.
  struct Problem: Encodable {
    var schema = "marketplace.error/1"
    var code: String
    var message: String
    var exit_code: Int32
  }

  /// Whether the arguments ask for JSON, for errors that come before they are parsed.
  static func isAsked(for arguments: [String]) -> Bool {
    arguments.contains("--output=json")
      || zip(arguments, arguments.dropFirst()).contains { name, value in
        (name == "--output" || name == "-o") && value == "json"
      }
  }

  /// Prints an object whose `schema` names its form and version.
  static func print(_ value: some Encodable) throws {
    Console.data(try text(value))
  }

  /// The same as text.
  static func text(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes, .prettyPrinted]
    return String(decoding: try encoder.encode(value), as: UTF8.self)
  }
}
