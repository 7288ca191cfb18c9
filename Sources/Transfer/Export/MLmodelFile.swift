import Foundation
import Marketplace
import Yams

/// What an `MLmodel` file says that the catalog shows.
struct MLmodelFile: Sendable {
  /// A larger file is not read: real ones have a few kilobytes.
  static let bytesMax = 1_048_576
  static let fileName = "MLmodel"

  /// The names of its flavours.
  let flavors: [String]
  /// The parts of its signature, as MLflow's JSON text.
  let signature: [String: String]?

  /// Reads the file; what is not there or not understood is left out, since the catalog can do without.
  ///
  /// The node tree is read, not what it stands for: expanded, a few lines of aliases fill any memory.
  init?(bytes: [UInt8]) {
    guard let root = try? Yams.compose(yaml: String(decoding: bytes, as: UTF8.self))?.mapping else { return nil }
    flavors = (root["flavors"]?.mapping?.keys.compactMap(\.string) ?? [])
    var parts: [String: String] = [:]
    for (key, value) in root["signature"]?.mapping ?? [:] {
      if let key = key.string, ModelDescribed.signatureParts.contains(key), let text = value.scalar?.string {
        parts[key] = text
      }
    }
    signature = parts.isEmpty ? nil : parts
  }
}
