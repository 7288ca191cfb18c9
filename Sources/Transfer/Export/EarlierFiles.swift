import Foundation
import Marketplace
import Storage

/// The files of a model's newest exports: what storage holds already need not be sent again.
///
/// A version often shares most of its bytes with the one before. The registry tells no digests, so what a file is, is
/// known once its bytes have passed; see decision 0024.
struct EarlierFiles: Sendable {
  /// So many of the model's newest exports are looked at.
  static let exportsMax = 3
  /// A smaller file is sent: finding it out would cost more calls than it saves.
  static let bytesMin: Int64 = 65_536

  /// A file that an earlier manifest names.
  struct Known: Sendable {
    let key: StorageKey
    let file: WrittenFile
    /// Its path without the ids of run and logged model, which every version has of its own.
    let place: [UInt8]
  }

  private var bySHA256: [String: Known] = [:]
  private var bySize: [Int64: [Known]] = [:]

  /// None.
  static let none = EarlierFiles()

  private init() {}

  /// Reads the manifests of the newest exports of a model that hold. What cannot be read is passed over: an export does
  /// without.
  init(of model: ModelState, in storage: any ExternalStorage) async throws {
    let live = (Array(model.versions.values) + Array(model.replaced.values)).compactMap(\.export)
      .sorted { $0.sequence > $1.sequence }
    for export in live.prefix(Self.exportsMax) {
      do {
        take(try await ExportContents(export.data, in: storage))
      } catch {
        // The database's errors and cancellation are thrown on.
        _ = try Trouble(error)
      }
    }
  }

  private mutating func take(_ contents: ExportContents) {
    for file in contents.manifest.files where file.size >= Self.bytesMin {
      guard let key = try? contents.folder.file(file.path) else { continue }
      let place = Self.place(of: file.path, modelPath: contents.manifest.modelPath, runID: contents.manifest.runID)
      let known = Known(key: key, file: WrittenFile(size: file.size, sha256: file.sha256), place: place)
      // The newest is taken first, and stays.
      bySHA256[file.sha256] = bySHA256[file.sha256] ?? known
      bySize[file.size, default: []].append(known)
    }
  }

  /// The file with these very bytes.
  func file(with written: WrittenFile) -> Known? {
    bySHA256[written.sha256].flatMap { $0.file == written ? $0 : nil }
  }

  /// The file that one of this size may be: at its own place, or at any.
  func suspect(size: Int64?, place: [UInt8]) -> Known? {
    guard let size, let known = bySize[size] else { return nil }
    return known.first { $0.place == place } ?? known.first
  }

  /// A path within an export, relative to the model or to the run's artifacts.
  static func place(of path: String, modelPath: String, runID: String?) -> [UInt8] {
    if let rest = path.below(modelPath) { return Array("model/\(rest)".utf8) }
    if let runID, let rest = path.below(runID) { return Array("run/\(rest)".utf8) }
    return Array(path.utf8)
  }
}
