import Foundation

/// A text and signatures over it, as C2SP signed-note lays them out.
public struct SignedNote: Sendable, Hashable {
  /// The most bytes that are read as one.
  public static let bytesMax = 65_536
  /// The most signatures that are read.
  public static let signaturesMax = 100

  /// A line below the text.
  public struct Signature: Sendable, Hashable {
    /// The name of the key.
    public let name: String
    /// The first four bytes behind the name: a short hash of name and key.
    public let keyID: UInt32
    /// What follows them.
    public let bytes: [UInt8]

    /// A line with these parts.
    public init(name: String, keyID: UInt32, bytes: [UInt8]) {
      self.name = name
      self.keyID = keyID
      self.bytes = bytes
    }

    fileprivate init?(line: Substring) {
      guard line.hasPrefix("\u{2014} ") else { return nil }
      let parts = line.dropFirst(2).split(separator: " ", omittingEmptySubsequences: false)
      guard parts.count == 2, NoteKeyName.isName(parts[0]), let all = Data(base64Encoded: String(parts[1])),
        all.base64EncodedString() == parts[1], all.count > 4
      else { return nil }
      self.init(
        name: String(parts[0]), keyID: all.prefix(4).reduce(0) { $0 << 8 | UInt32($1) }, bytes: Array(all.dropFirst(4)))
    }

    fileprivate var line: String {
      let id = (0..<4).map { UInt8(truncatingIfNeeded: keyID >> (24 - 8 * $0)) }
      return "\u{2014} \(name) \(Data(id + bytes).base64EncodedString())\n"
    }
  }

  /// What is signed; it ends with a newline.
  public let text: String
  /// The signatures, in their order.
  public private(set) var signatures: [Signature]

  /// A text without a signature yet.
  ///
  /// - Throws: ``NoteError`` when it cannot be the text of a note.
  public init(text: String) throws {
    try self.init(text: text, signatures: [])
  }

  private init(text: String, signatures: [Signature]) throws {
    guard text.hasSuffix("\n"), !text.utf8.contains(where: { $0 < 0x20 && $0 != 0x0a }) else {
      throw NoteError("The text of a note ends with a newline and has no other control characters.")
    }
    self.text = text
    self.signatures = signatures
  }

  /// Reads one.
  ///
  /// - Throws: ``NoteError`` when the bytes are not one.
  public init(_ bytes: some Collection<UInt8>) throws {
    guard bytes.count <= Self.bytesMax else { throw NoteError("A note has at most \(Self.bytesMax) bytes.") }
    guard let all = String(validating: bytes, as: UTF8.self) else { throw NoteError("A note is UTF-8.") }
    // Compared as bytes: Swift would take a newline and a combining mark for one character.
    let utf8 = Array(all.utf8)
    guard let gap = (1..<max(1, utf8.count)).last(where: { utf8[$0] == 0x0a && utf8[$0 - 1] == 0x0a }),
      utf8.last == 0x0a
    else { throw NoteError("A note has an empty line before its signatures, and ends with a newline.") }
    let below = String(decoding: utf8[(gap + 1)...], as: UTF8.self)
    let lines = below.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
    guard !lines.isEmpty, lines.count <= Self.signaturesMax else {
      throw NoteError("A note has 1 to \(Self.signaturesMax) signatures.")
    }
    try self.init(
      text: String(decoding: utf8[..<gap], as: UTF8.self),
      signatures: try lines.map { line in
        guard let signature = Signature(line: line) else { throw NoteError("'\(line)' is no signature.") }
        return signature
      })
  }

  /// The bytes of the note.
  public var encoded: [UInt8] { Array("\(text)\n\(signatures.map(\.line).joined())".utf8) }

  /// Adds a signature.
  public mutating func add(_ signature: Signature) { signatures.append(signature) }
}

/// Why something is no note, or no key of one.
public struct NoteError: Error, Sendable, Hashable, CustomStringConvertible {
  /// In a sentence.
  public let description: String

  /// Says why.
  public init(_ description: String) { self.description = description }
}

/// The names of keys.
enum NoteKeyName {
  /// Whether a key may be called so: not empty, without white space and plus signs.
  static func isName(_ text: some StringProtocol) -> Bool {
    !text.isEmpty && !text.unicodeScalars.contains { $0 == "+" || $0.properties.isWhitespace || $0.value < 0x20 }
  }
}
