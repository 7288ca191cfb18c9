import Crypto
import Foundation
import Storage

/// External storage in memory: files are there whole or not at all.
final class StorageState {
  private(set) var files: [String: [UInt8]] = [:]
  /// Files of one export lie together, so that listing one is quick.
  private var folders: [String: Set<String>] = [:]
  /// Files whose bytes nature changed; what was said of them before no longer holds.
  var rotten: Set<String> = []
  /// The step in which each file appeared.
  private(set) var since: [String: Int] = [:]
  /// When each file appeared, by the store's clock, in milliseconds since 1970.
  private(set) var modified: [String: Int64] = [:]

  func put(_ bytes: [UInt8], at path: String, in world: World) {
    files[path] = bytes
    since[path] = world.steps
    modified[path] = world.clock
    folders[Self.folder(path), default: []].insert(path)
    rotten.remove(path)
  }

  func remove(_ path: String) {
    files[path] = nil
    folders[Self.folder(path)]?.remove(path)
  }

  func below(_ path: String) -> [String] {
    (folders[Self.folder(path + "/x")] ?? []).filter { $0.hasPrefix(path + "/") }.sorted()
  }

  /// The folders of exports that hold anything, below a path or at it.
  func exports(below path: String) -> [String] {
    folders.filter { !$0.value.isEmpty && "\($0.key)/".hasPrefix("\(path)/") }.keys.sorted()
  }

  /// `exports/<workspace>/<model>/<version>-<export id>`.
  private static func folder(_ path: String) -> String {
    path.split(separator: "/").prefix(4).joined(separator: "/")
  }
}

struct SimulatedStorage: ExternalStorage {
  let process: SimulatedProcess
  private var state: StorageState { process.world.storage }

  init(process: SimulatedProcess) { self.process = process }

  var location: String { "file:///simulated" }

  func upload(to key: StorageKey) async throws -> any StorageUpload {
    try await process.call(.storage, "begin an upload") { SimulatedUpload(process: process, path: key.path) }
  }

  func putIfAbsent(_ bytes: [UInt8], at key: StorageKey) async throws -> Bool {
    try await process.call(.storage, "put unless present", writes: true) {
      guard state.files[key.path] == nil else { return false }
      state.put(bytes, at: key.path, in: process.world)
      process.world.checker.written(key.path, in: process.world)
      return true
    }
  }

  func read(_ key: StorageKey) async throws -> StorageBody {
    let process = process
    let path = key.path
    let bytes = try await process.call(.storage, "read a file") {
      guard let bytes = process.world.storage.files[path] else {
        throw StorageError(.notFound, key: path, "does not exist.")
      }
      return bytes
    }
    // Now and then a body ends early and nothing says so.
    let isCut = process.isExposed && process.world.dice.once(in: process.world.plan.failsOnceIn * 4)
    if isCut { process.world.count("stored body cut short") }
    return StorageBody {
      let parts = OneChunk(isCut ? Array(bytes.dropLast(1 + bytes.count / 3)) : bytes)
      return { parts.next() }
    }
  }

  func size(of key: StorageKey) async throws -> Int64? {
    try await process.call(.storage, "ask for a size") { state.files[key.path].map { Int64($0.count) } }
  }

  func files(below key: StorageKey) async throws -> [StoredFile] {
    try await process.call(.storage, "list files") { try stored(below: key.path) }
  }

  private func stored(below path: String) throws -> [StoredFile] {
    try state.below(path).map { path in
      StoredFile(
        key: try StorageKey(path.split(separator: "/").map(String.init)), size: Int64(state.files[path]?.count ?? 0),
        modified: state.modified[path])
    }
  }

  /// A page for each export: what comes or goes between two pages may be told or not.
  func inventory(below key: StorageKey) -> StorageInventory {
    StorageInventory {
      let folders = Folders(
        try await process.call(.storage, "take inventory") { state.exports(below: key.path) })
      return {
        guard let folder = folders.next() else { return nil }
        return try await process.call(.storage, "list an export") { try stored(below: folder).map(StorageEntry.file) }
      }
    }
  }

  func delete(_ key: StorageKey) async throws {
    try await process.call(.storage, "delete a file", writes: true) {
      CollectionChecker.deletes(key.path, process)
      state.remove(key.path)
      process.world.checker.written(key.path, in: process.world)
    }
  }
}

/// Folders one by one.
private final class Folders: @unchecked Sendable {
  // Unchecked: the scheduler keeps everything on one thread.
  private var rest: ArraySlice<String>

  init(_ all: [String]) { rest = all[...] }

  func next() -> String? { rest.popFirst() }
}

/// The bytes once, then the end.
private final class OneChunk: @unchecked Sendable {
  // Unchecked: the scheduler keeps everything on one thread.
  private var bytes: [UInt8]?

  init(_ bytes: [UInt8]) { self.bytes = bytes.isEmpty ? nil : bytes }

  func next() -> [UInt8]? {
    defer { bytes = nil }
    return bytes
  }
}

final class SimulatedUpload: StorageUpload, @unchecked Sendable {
  // Unchecked: the scheduler keeps everything on one thread.
  private let process: SimulatedProcess
  private let path: String
  private var bytes: [UInt8] = []
  private var isOpen = true

  init(process: SimulatedProcess, path: String) {
    self.process = process
    self.path = path
    process.conduct.open += 1
  }

  private func close() {
    if isOpen { process.conduct.open -= 1 }
    isOpen = false
  }

  func write(_ chunk: [UInt8]) async throws {
    try await process.call(.storage, "write a chunk") { bytes += chunk }
  }

  func written() async -> WrittenFile { StreamDigest.of(bytes) }

  func finish() async throws -> WrittenFile {
    try await process.call(.storage, "finish an upload", writes: true) {
      close()
      process.world.storage.put(bytes, at: path, in: process.world)
      process.world.checker.written(path, in: process.world)
      return StreamDigest.of(bytes)
    }
  }

  func finishUnlessPresent() async throws -> FinishedUpload {
    try await process.call(.storage, "finish an upload unless present", writes: true) {
      let file = StreamDigest.of(bytes)
      close()
      if !path.hasSuffix(".json"), !path.hasSuffix(".jsonl") { process.conduct.stored += 1 }
      let storage = process.world.storage
      if let known = storage.files[path] {
        LargeFileChecker(world: process.world).stored(
          path, bytes, over: (known, storage.since[path] ?? 0), by: process)
        return FinishedUpload(file: file, isNew: false)
      }
      storage.put(bytes, at: path, in: process.world)
      process.world.checker.written(path, in: process.world)
      return FinishedUpload(file: file, isNew: true)
    }
  }

  func abandon() async { close() }
}
