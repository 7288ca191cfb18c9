import Foundation
import Marketplace
import Storage

/// Where the files of an export lie: `exports/<workspace>/<model>/<version>-<export id>/…`.
struct ExportFolder: Sendable {
  /// A model's folder name is cut beyond this many bytes of UTF-8; its id then makes it one of its own.
  static let nameBytesMax = 200

  let key: StorageKey

  init(_ identity: VersionIdentity, name: String, exportID: String) throws {
    key = try StorageKey([
      "exports", identity.workspace.text, Self.folderName(of: name, id: identity.model),
      "\(identity.version)-\(exportID)",
    ])
  }

  /// The folder that an event's URI names, in a store at `location`.
  init(uri: String, in storage: any ExternalStorage) throws {
    guard uri.hasPrefix(storage.location + "/") else {
      throw Trouble(
        "export_elsewhere",
        "The export lies at \(uri), which is not below the configured storage \(storage.location). Configure the "
          + "storage that holds it.", retriable: false)
    }
    let path = uri.dropFirst(storage.location.count + 1)
    key = try StorageKey(path.split(separator: "/", omittingEmptySubsequences: false).map(String.init))
  }

  /// The ids of exports of a version that have a manifest.
  static func finishedIDs(
    of identity: VersionIdentity, name: String, in storage: any ExternalStorage
  ) async throws -> [UUID] {
    let model = try StorageKey(["exports", identity.workspace.text, folderName(of: name, id: identity.model)])
    let depth = model.components.count
    return try await storage.files(below: model).compactMap { file in
      let parts = file.key.components
      guard parts.count == depth + 2, parts[depth + 1].isExactly(Manifest.fileName) else { return nil }
      let prefix = "\(identity.version)-"
      guard parts[depth].utf8.starts(with: prefix.utf8) else { return nil }
      let text = String(parts[depth].dropFirst(prefix.count))
      guard let id = UUID(uuidString: text), text == id.uuidString.lowercased() else { return nil }
      return id
    }
  }

  func file(_ path: String) throws -> StorageKey { try key.appending(path) }

  /// The event's name for the folder.
  func uri(in storage: any ExternalStorage) -> String { "\(storage.location)/\(key.path)" }

  /// Letters, digits, space, `.`, `_` and `-` stay; every other byte is percent-encoded, so that a name can be
  /// neither a path nor look like another on a file system that folds.
  static func folderName(of name: String, id: ModelID) -> String {
    let allowed = CharacterSet(
      charactersIn: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._- ")
    let encoded = name.addingPercentEncoding(withAllowedCharacters: allowed) ?? ""
    let safe = encoded.allSatisfy { $0 == "." } ? encoded.replacing(".", with: "%2E") : encoded
    guard safe.utf8.count > nameBytesMax || safe.isEmpty else { return safe }
    return "\(safe.prefix(nameBytesMax / 2))~\(id.text)"
  }
}
