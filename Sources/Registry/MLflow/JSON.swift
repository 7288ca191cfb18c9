import Foundation

/// The one way JSON is read and written here.
enum JSON {
  static func decode<T: Decodable>(_ type: T.Type, _ bytes: [UInt8]) throws -> T {
    try JSONDecoder().decode(type, from: Data(bytes))
  }

  /// Sorted keys; NaN and infinities as the strings MLflow reads.
  static func encode(_ value: any Encodable) throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "Infinity", negativeInfinity: "-Infinity", nan: "NaN")
    return [UInt8](try encoder.encode(value))
  }

  /// Where reading failed, without any of what was read.
  static func reason(_ error: any Error) -> String {
    func place(_ path: [any CodingKey]) -> String {
      path.isEmpty ? "at the top" : "at " + path.map(\.stringValue).joined(separator: ".")
    }
    switch error {
    case DecodingError.keyNotFound(let key, let context):
      return "\(key.stringValue) is missing \(place(context.codingPath))"
    case DecodingError.typeMismatch(_, let context): return "wrong type \(place(context.codingPath))"
    case DecodingError.valueNotFound(_, let context): return "null \(place(context.codingPath))"
    case DecodingError.dataCorrupted(let context): return "malformed \(place(context.codingPath))"
    default: return "malformed"
    }
  }
}

/// An integer that arrives as a number or, as protobuf's JSON may write it, as a string.
struct LenientInteger: Decodable {
  var value: Int64

  init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if let number = try? container.decode(Int64.self) {
      value = number
      return
    }
    if let text = try? container.decode(String.self), let number = Int64(text) {
      value = number
      return
    }
    if let double = try? container.decode(Double.self), let number = Int64(exactly: double) {
      value = number
      return
    }
    throw DecodingError.typeMismatch(
      Int64.self, .init(codingPath: decoder.codingPath, debugDescription: "neither integer nor its text"))
  }
}

/// A number that arrives as such or as `"NaN"`, `"Infinity"`, `"-Infinity"`.
struct LenientDouble: Decodable {
  var value: Double

  init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if let number = try? container.decode(Double.self) {
      value = number
      return
    }
    if let text = try? container.decode(String.self), let number = Double(text) {
      value = number
      return
    }
    throw DecodingError.typeMismatch(
      Double.self, .init(codingPath: decoder.codingPath, debugDescription: "neither number nor its text"))
  }
}
