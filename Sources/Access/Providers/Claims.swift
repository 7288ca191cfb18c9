import JWTKit

/// What a JSON Web Token claims (RFC 7519).
struct Claims: JWTPayload, Hashable {
  /// The value of a claim, as far as it can decide anything.
  enum Value: Hashable, Sendable {
    case text(String)
    case texts([String])
    case number(Double)
    case other
  }

  var values: [String: Value]

  init(_ values: [String: Value]) { self.values = values }

  /// A time, in milliseconds since 1970; nil for what is none.
  func time(_ name: String) -> Int64? {
    // So that no number is too large: until the year 5138.
    guard case .number(let seconds) = values[name], (0..<1e11).contains(seconds) else { return nil }
    return Int64(seconds * 1_000)
  }

  func text(_ name: String) -> String? {
    if case .text(let text) = values[name] { text } else { nil }
  }

  /// Whether a claim is something, or has it among others.
  func has(_ name: String, _ wanted: String) -> Bool {
    switch values[name] {
    case .text(let text):
      // Scopes are words of one text (RFC 8693 §4.2).
      text == wanted || (["scope", "scp"].contains(name) && text.split(separator: " ").contains { $0 == wanted })
    case .texts(let texts): texts.contains(wanted)
    case .number, .other, nil: false
    }
  }

  /// Nothing is left to chance here: see ``IdentityProviders``.
  func verify(using algorithm: some JWTAlgorithm) throws {}
}

extension Claims {
  private struct Name: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }
    init?(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }

  init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: Name.self)
    values = [:]
    for name in container.allKeys {
      values[name.stringValue] =
        if let text = try? container.decode(String.self, forKey: name) {
          .text(text)
        } else if let texts = try? container.decode([String].self, forKey: name) {
          .texts(texts)
        } else if let number = try? container.decode(Double.self, forKey: name) {
          .number(number)
        } else {
          .other
        }
    }
  }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Name.self)
    for (name, value) in values {
      guard let name = Name(stringValue: name) else { continue }
      switch value {
      case .text(let text): try container.encode(text, forKey: name)
      case .texts(let texts): try container.encode(texts, forKey: name)
      case .number(let number): try container.encode(number, forKey: name)
      case .other: try container.encodeNil(forKey: name)
      }
    }
  }
}
