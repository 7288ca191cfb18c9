import Foundation
import Marketplace
import Storage

/// Where below `exports/` something lies, if it has a place in our layout.
struct StoredPlace: Sendable, Hashable {
  /// The component that every export lies below.
  static let root = "exports"

  /// The export's folder.
  let key: StorageKey
  let workspace: WorkspaceID
  /// The folder of the model.
  let modelFolder: String
  let version: Int
  let exportID: String
  /// `exports/<workspace>/<model>/<version>-<export id>/<file>`, or `nil` for anything else.
  init?(of file: StorageKey) {
    let parts = file.components
    guard parts.count > 4, parts[0].isExactly(Self.root), let workspace = try? WorkspaceID(parts[1]),
      let key = try? StorageKey(Array(parts.prefix(4)))
    else { return nil }
    // By bytes: a number, a dash, a UUID in lower case.
    let name = parts[3]
    guard let dash = name.utf8.firstIndex(of: UInt8(ascii: "-")) else { return nil }
    let number = String(name[..<dash])
    let id = String(name[name.utf8.index(after: dash)...])
    guard let version = Int(number), version > 0, String(version).isExactly(number),
      let uuid = UUID(uuidString: id), uuid.uuidString.lowercased().isExactly(id)
    else { return nil }
    self.key = key
    self.workspace = workspace
    self.version = version
    modelFolder = parts[2]
    exportID = id
  }
}

/// What lies in one export's folder, summed up.
struct StoredFolder: Sendable {
  /// Unfinished uploads kept of one folder; more are seen by the next collection.
  static let uploadsMax = 1_000

  let place: StoredPlace
  var files = 0
  var bytes: Int64 = 0
  /// When the youngest file was written, by the store's clock, in milliseconds since 1970; `nil` where that is unknown
  /// of any.
  var youngest: Int64? = .min
  var uploads: [UnfinishedUpload] = []

  init(_ place: StoredPlace) { self.place = place }

  mutating func take(_ file: StoredFile) {
    files += 1
    bytes += file.size
    youngest = if let youngest, let modified = file.modified { max(youngest, modified) } else { nil }
  }

  mutating func take(_ upload: UnfinishedUpload) {
    if uploads.count < Self.uploadsMax { uploads.append(upload) }
  }
}

/// The folders of exports as an inventory comes to their ends: one at a time is held.
struct FolderReading {
  /// What an entry led to.
  enum Step {
    /// A folder has ended.
    case folder(StoredFolder)
    /// Something has no place in our layout.
    case foreign(String)
  }

  private var current: StoredFolder?

  /// Takes an entry in.
  mutating func take(_ entry: StorageEntry) -> Step? {
    switch entry {
    case .foreign(let path): return .foreign(path)
    case .file(let file):
      guard let place = StoredPlace(of: file.key) else { return .foreign(file.key.path) }
      let ended = turn(to: place)
      current?.take(file)
      return ended
    case .unfinished(let upload):
      guard let place = StoredPlace(of: upload.key) else { return .foreign(upload.key.path) }
      let ended = turn(to: place)
      current?.take(upload)
      return ended
    }
  }

  private mutating func turn(to place: StoredPlace) -> Step? {
    if current?.place.key == place.key { return nil }
    defer { current = StoredFolder(place) }
    return current.map { .folder($0) }
  }

  /// The last folder.
  mutating func end() -> StoredFolder? {
    defer { current = nil }
    return current
  }
}
