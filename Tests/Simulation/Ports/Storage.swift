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
  /// Uploads that were begun and neither finished nor abandoned, by the store's name for each.
  private(set) var uploads: [String: UnfinishedUpload] = [:]
  private var uploadNext = 1
  /// What somebody else left below `exports/`, by its path, and whether it looks like a file of an export.
  var foreign: [String: Bool] = [:]

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
    // Above the folders of exports all that lie below are looked through.
    let isAbove = path.utf8.count { $0 == UInt8(ascii: "/") } < 3
    let all =
      isAbove
      ? folders.filter { "\($0.key)/".hasPrefix("\(path)/") }.values.flatMap(\.self) + foreign.keys
      : Array(folders[Self.folder(path + "/x")] ?? [])
    return all.filter { $0.hasPrefix(path + "/") }.sorted()
  }

  /// Begins an upload.
  func begin(_ key: StorageKey, in world: World) -> String {
    uploadNext += 1
    let id = "upload \(uploadNext)"
    uploads[id] = UnfinishedUpload(key: key, id: id, modified: world.clock, bytes: 0)
    return id
  }

  /// More of it arrived.
  func note(_ bytes: Int, of id: String, in world: World) {
    guard let upload = uploads[id] else { return }
    uploads[id] = UnfinishedUpload(key: upload.key, id: id, modified: world.clock, bytes: Int64(bytes))
  }

  /// It is finished, abandoned or discarded.
  func end(_ id: String) { uploads[id] = nil }

  /// The unfinished uploads below a path or at it.
  func unfinished(below path: String) -> [UnfinishedUpload] {
    uploads.values.filter { "\($0.key.path)/".hasPrefix("\(path)/") }.sorted { $0.id < $1.id }
  }

  /// The folders of exports that hold anything, below a path or at it.
  func exports(below path: String) -> [String] {
    folders.filter { !$0.value.isEmpty && "\($0.key)/".hasPrefix("\(path)/") }.keys.sorted()
  }

  /// How the path of a link ends that somebody else put there.
  static let link = "/link"

  /// `exports/<workspace>/<model>/<version>-<export id>`.
  static func folder(_ path: String) -> String {
    path.split(separator: "/").prefix(4).joined(separator: "/")
  }
}

struct SimulatedStorage: ExternalStorage {
  let process: SimulatedProcess
  private var state: StorageState { process.world.storage }

  /// A process that writes a manifest or a marker dies so often just then.
  private static let diesAfterPutOnceIn = 25

  init(process: SimulatedProcess) { self.process = process }

  var location: String { "file:///simulated" }

  func upload(to key: StorageKey) async throws -> any StorageUpload {
    try await process.call(.storage, "begin an upload") { SimulatedUpload(process: process, key: key) }
  }

  /// One of so many files that are sent whole is the last thing that a process does, and arrives when others have taken over.
  static let lateOnceIn = 120

  func putIfAbsent(_ bytes: [UInt8], at key: StorageKey) async throws -> Bool {
    let world = process.world
    return try await process.call(
      .storage, "put unless present", writes: true, lastOnceIn: Self.lateOnceIn, by: \.cellar,
      late: { world.lateFiles.append { _ = world.arrive(bytes, at: key.path) } }
    ) {
      guard world.arrive(bytes, at: key.path) else { return false }
      // A whole export that no event names yet is what a process that dies just now leaves.
      try process.mayDie(onceIn: Self.diesAfterPutOnceIn)
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
    if isCut {
      process.world.count("stored body cut short")
      process.conduct.hasReadShort = true
    }
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

  /// A page for each export: what comes or goes between two pages may be told or not. Unfinished uploads come with the
  /// files beside them or after everything else, and what is not ours comes last.
  func inventory(below key: StorageKey) -> StorageInventory {
    StorageInventory {
      let isApart = process.world.attic.once(in: 2)
      let folders = Folders(
        try await process.call(.storage, "take inventory") {
          let begun = isApart ? [] : state.unfinished(below: key.path).map { StorageState.folder($0.key.path) }
          return Set(state.exports(below: key.path) + begun).sorted()
        })
      return {
        guard let folder = folders.next() else { return try await remains(below: key, folders, uploads: isApart) }
        return try await process.call(.storage, "list an export") {
          try stored(below: folder).map(StorageEntry.file)
            + (isApart ? [] : state.unfinished(below: folder).map(StorageEntry.unfinished))
        }
      }
    }
  }

  private func remains(below key: StorageKey, _ folders: Folders, uploads: Bool) async throws -> [StorageEntry]? {
    guard folders.hasRemains() else { return nil }
    return try await process.call(.storage, "list what else there is") {
      let others = try state.foreign.keys.filter { $0.hasPrefix(key.path + "/") }.sorted().map { path in
        path.hasSuffix(StorageState.link)
          ? StorageEntry.foreign(path)
          : .file(StoredFile(key: try StorageKey(path.split(separator: "/").map(String.init)), size: 1, modified: 0))
      }
      return (uploads ? state.unfinished(below: key.path).map(StorageEntry.unfinished) : []) + others
    }
  }

  func discard(_ upload: UnfinishedUpload) async throws {
    try await process.call(.storage, "discard an upload", writes: true) {
      CollectionChecker.discards(upload, process)
      state.end(upload.id)
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

extension World {
  /// A whole file comes to the store.
  ///
  /// - Returns: whether it is there now; where another has come before it, that one stays.
  func arrive(_ bytes: [UInt8], at path: String) -> Bool {
    guard storage.files[path] == nil else { return false }
    storage.put(bytes, at: path, in: self)
    checker.written(path, in: self)
    return true
  }

  /// The file that is longest on its way comes to the store.
  func deliverLateFile() {
    guard !lateFiles.isEmpty else { return }
    count("file arrived late")
    note("late: a file comes to the store")
    lateFiles.removeFirst()()
  }
}

/// Folders one by one.
private final class Folders: @unchecked Sendable {
  // Unchecked: the scheduler keeps everything on one thread.
  private var rest: ArraySlice<String>
  private var hasEnded = false

  init(_ all: [String]) { rest = all[...] }

  func next() -> String? { rest.popFirst() }

  /// Whether the page after the last is still to come: once.
  func hasRemains() -> Bool {
    defer { hasEnded = true }
    return !hasEnded
  }
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
  /// The store's name for it.
  private let id: String
  private var bytes: [UInt8] = []
  private var isOpen = true

  init(process: SimulatedProcess, key: StorageKey) {
    self.process = process
    path = key.path
    id = process.world.storage.begin(key, in: process.world)
    process.conduct.open += 1
  }

  private func close() {
    if isOpen {
      process.conduct.open -= 1
      // Whoever is dead leaves it there.
      if !process.isDead { process.world.storage.end(id) }
    }
    isOpen = false
  }

  func write(_ chunk: [UInt8]) async throws {
    try await process.call(.storage, "write a chunk") {
      bytes += chunk
      process.world.storage.note(bytes.count, of: id, in: process.world)
    }
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
    let (world, path, id, bytes) = (process.world, path, id, bytes)
    return try await process.call(
      .storage, "finish an upload unless present", writes: true, lastOnceIn: SimulatedStorage.lateOnceIn, by: \.cellar,
      late: {
        world.lateFiles.append {
          world.storage.end(id)
          _ = world.arrive(bytes, at: path)
        }
      }
    ) {
      let file = StreamDigest.of(bytes)
      close()
      if !path.hasSuffix(".json"), !path.hasSuffix(".jsonl") { process.conduct.stored += 1 }
      if let known = world.storage.files[path] {
        LargeFileChecker(world: world).stored(
          path, bytes, over: (known, world.storage.since[path] ?? 0), by: process)
        return FinishedUpload(file: file, isNew: false)
      }
      return FinishedUpload(file: file, isNew: world.arrive(bytes, at: path))
    }
  }

  func abandon() async { close() }
}
