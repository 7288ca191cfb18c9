import Foundation
import Marketplace
import Storage

/// The commit point of an export: it is written last, and names every file with size and digest.
///
/// An export without it is not one. The bytes of the file are what `manifest_sha256` in the ledger is the digest of.
public struct Manifest: Codable, Sendable, Hashable {
  /// The form of this file. A program that does not know it refuses the export.
  public static let formatName = "marketplace-export/1"
  /// Its name within the export's folder.
  public static let fileName = "manifest.json"

  /// The form of this file.
  public var format = Manifest.formatName
  /// The export's random id.
  public var exportID: String
  /// The source workspace.
  public var workspace: String
  /// The incarnation.
  public var model: String
  /// The model's name at the source.
  public var name: String
  /// The version's number at the source.
  public var version: Int
  /// The version's creation time at the source, in milliseconds since 1970.
  public var created: Int64
  /// The generation of the export.
  public var generation: Int
  /// The folder, within the export, that holds `MLmodel`.
  public var modelPath: String
  /// The run that made the version, where one is exported with it.
  public var runID: String?
  /// The logged model, where the version is one.
  public var loggedModelID: String?
  /// Every other file of the export, by path.
  public var files: [File]

  /// One file.
  public struct File: Codable, Sendable, Hashable {
    /// Its path within the export's folder.
    public var path: String
    /// Its size in bytes.
    public var size: Int64
    /// SHA-256 of its bytes, in hex.
    public var sha256: String
  }

  private enum CodingKeys: String, CodingKey {
    case format
    case exportID = "export_id"
    case workspace, model, name, version, created, generation
    case modelPath = "model_path"
    case runID = "run_id"
    case loggedModelID = "logged_model_id"
    case files
  }

  /// Sizes, summed.
  public var bytes: Int64 { files.reduce(0) { $0 + $1.size } }

  /// The files below ``modelPath``, their paths relative to it.
  public var modelFiles: [File] {
    files.compactMap { file in
      file.path.below(modelPath).map { File(path: $0, size: file.size, sha256: file.sha256) }
    }
  }

  /// A digest over the model's files alone, wherever they lie: two versions with the same bytes share it. It is
  /// SHA-256 over one line a file, by path: digest, two spaces, path, newline, as `sha256sum` prints them.
  public var modelSHA256: String {
    let lines = modelFiles.sorted { $0.path.utf8.lexicographicallyPrecedes($1.path.utf8) }
      .map { "\($0.sha256)  \($0.path)\n" }
    return StreamDigest.of(Array(lines.joined().utf8)).sha256
  }

  /// The bytes of the file: keys sorted, files by path.
  public func encoded() throws -> [UInt8] {
    var sorted = self
    sorted.files.sort { $0.path.utf8.lexicographicallyPrecedes($1.path.utf8) }
    return try ExportJSON.encode(sorted)
  }

  /// Reads a manifest.
  ///
  /// - Throws: ``Trouble`` when the bytes are not one.
  init(bytes: [UInt8], at key: StorageKey) throws {
    do {
      self = try JSONDecoder().decode(Manifest.self, from: Data(bytes))
    } catch {
      throw Trouble(
        "manifest_unreadable", "\(key) is not a manifest: \(error). The export will be made again.", retriable: false)
    }
    guard format == Self.formatName else {
      throw Trouble(
        "manifest_format",
        "\(key) has the format '\(format)', this program reads '\(Self.formatName)': use a newer one.",
        retriable: false)
    }
  }

  init(
    identity: VersionIdentity, exportID: String, name: String, generation: Int, modelPath: String, runID: String?,
    loggedModelID: String?, files: [File]
  ) {
    self.exportID = exportID
    workspace = identity.workspace.text
    model = identity.model.text
    self.name = name
    version = identity.version
    created = identity.created
    self.generation = generation
    self.modelPath = modelPath
    self.runID = runID
    self.loggedModelID = loggedModelID
    self.files = files
  }
}

extension String {
  /// The path relative to a folder, or `nil` when it does not lie below. By bytes: to Swift a name that begins with a
  /// combining accent and the slash before it are one character.
  func below(_ folder: String) -> String? {
    let start = Array(folder.utf8) + [UInt8(ascii: "/")]
    guard utf8.starts(with: start) else { return nil }
    return String(decoding: utf8.dropFirst(start.count), as: UTF8.self)
  }
}
