import Foundation
import TestSupport
import Testing

@testable import Storage

@Suite("The inventory of a store")
struct InventoryTests {
  /// Everything that an inventory tells.
  private func all(of storage: any ExternalStorage, below key: StorageKey) async throws -> [StorageEntry] {
    var entries: [StorageEntry] = []
    for try await page in storage.inventory(below: key) { entries += page }
    return entries
  }

  @Test(
    "tells every file once, what lies below one folder in one go, and nothing besides", arguments: StoreKind.available)
  func files(_ kind: StoreKind) async throws {
    try await kind.with(prefix: "pre fix") { storage in
      let place = try StorageKey(["exports"])
      #expect(try await all(of: storage, below: place).isEmpty)
      let paths = (0..<6).flatMap { folder in
        ["MLmodel", "data/ü +.bin", "data/deep/er/x", "z"].map { "dev01/m/\(folder)/\($0)" }
      }
      for path in paths { try await storage.write(Array(path.utf8), at: place.appending(path)) }
      try await storage.write([1], at: StorageKey(["exports-of-another", "x"]))
      let found = try await all(of: storage, below: place).compactMap { entry in
        if case .file(let file) = entry { file } else { nil }
      }
      let expected = try paths.map { try place.appending($0) }
      #expect(found.map(\.key).sorted() == expected.sorted())
      #expect(found.allSatisfy { $0.modified != nil && $0.size == Int64($0.key.path.utf8.count - 8) })
      let folders = found.map { $0.key.components[3] }
      let turns = zip(folders, folders.dropFirst()).count { $0 != $1 }
      #expect(turns == 5)
      #expect(try await all(of: storage, below: place.appending("dev01/m/3")).count == 4)
    }
  }

  @Test("tells uploads that were never finished, beside the files", arguments: StoreKind.available)
  func unfinished(_ kind: StoreKind) async throws {
    try await kind.with { storage in
      let place = try StorageKey(["exports"])
      try await storage.write([1, 2], at: place.appending("dev01/MLmodel"))
      let upload = try await storage.upload(to: place.appending("dev01/model.pkl"))
      try await upload.write(Array(repeating: 7, count: 6 * 1_048_576))
      let found = try await all(of: storage, below: place)
      #expect(found.count == 2)
      let left = found.compactMap { entry in if case .unfinished(let upload) = entry { upload } else { nil } }
      #expect(left.count == 1)
      #expect(left.first?.key.path.hasPrefix("exports/dev01/") == true)
      await upload.abandon()
      #expect(try await all(of: storage, below: place).count == 1)
    }
  }

  @Test("of a folder comes in pages, however many files it holds")
  func pages() async throws {
    let store = try TestStore()
    let place = try StorageKey(["exports"])
    let folder = "\(store.root)/exports/many"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    for number in 0..<2_500 { #expect(FileManager.default.createFile(atPath: "\(folder)/\(number)", contents: nil)) }
    var sizes: [Int] = []
    for try await page in store.storage.inventory(below: place) { sizes.append(page.count) }
    #expect(sizes == [1_000, 1_000, 500])
  }

  @Test("tells of links, and of names that are no keys, and follows none of them")
  func foreign() async throws {
    let store = try TestStore()
    let place = try StorageKey(["exports"])
    _ = try await store.write([1], at: place.appending("a/file"))
    try FileManager.default.createSymbolicLink(
      atPath: "\(store.root)/exports/a/link", withDestinationPath: "/etc")
    #expect(mkfifo("\(store.root)/exports/a/pipe", 0o600) == 0)
    let found = try await all(of: store.storage, below: place)
    #expect(found.count == 3)
    #expect(found.contains(.foreign("exports/a/link")))
    #expect(found.contains(.foreign("exports/a/pipe")))
  }

  @Test("of a file system lets empty folders be removed, and none that holds something")
  func emptyFolders() async throws {
    let store = try TestStore()
    let place = try StorageKey(["exports"])
    _ = try await store.write([1], at: place.appending("a/1/deep/er/file"))
    _ = try await store.write([1], at: place.appending("a/2/kept/file"))
    _ = try await store.write([1], at: place.appending("a/2/emptied/file"))
    try await store.storage.delete(place.appending("a/1/deep/er/file"))
    try await store.storage.delete(place.appending("a/2/emptied/file"))
    for name in ["a/1", "a/2", "nowhere"] { try await store.storage.removeEmptyFolders(at: place.appending(name)) }
    #expect(
      try store.everything() == ["exports", "exports/a", "exports/a/2", "exports/a/2/kept", "exports/a/2/kept/file"])
  }
}
