import Foundation
import Storage
import Testing

/// A link planted below the root leads nowhere, whoever planted it.
@Suite("A file store refuses a symbolic link inside it")
struct FileStorageLinkTests {
  private let store: TestStore
  private let outside: TestStore

  init() async throws {
    store = try TestStore()
    outside = try TestStore()
    _ = try await outside.write(Array("secret".utf8), at: StorageKey(["secret"]))
    _ = try await store.write([1], at: StorageKey(["exports", "own"]))
    try link("exports/folder", to: outside.root)
    try link("exports/file", to: outside.root + "/secret")
    try link("top", to: outside.root)
  }

  private func link(_ path: String, to target: String) throws {
    try FileManager.default.createSymbolicLink(
      atPath: "\(store.root)/\(path)", withDestinationPath: target)
  }

  private static let ways = [["exports", "folder", "secret"], ["exports", "file"], ["top", "secret"]]

  @Test("when reading", arguments: ways)
  func read(_ path: [String]) async throws {
    let key = try StorageKey(path)
    #expect(try await refusal { _ = try await store.storage.bytes(of: key) } == .notPermitted)
    let size = try? await store.storage.size(of: key)
    #expect(size == nil)
  }

  @Test("when writing: what it points at stays as it is", arguments: ways)
  func write(_ path: [String]) async throws {
    let key = try StorageKey(path)
    let isLast = path == ["exports", "file"]
    // A link in the file's own place is replaced, not followed; one on the way is refused.
    #expect(try await refusal { _ = try await store.write([6], at: key) } == (isLast ? nil : .notPermitted))
    #expect(try await outside.storage.bytes(of: StorageKey(["secret"])) == Array("secret".utf8))
    #expect(try outside.everything() == ["secret"])
  }

  @Test("when putting a file in unless it is there", arguments: ways)
  func put(_ path: [String]) async throws {
    let key = try StorageKey(path)
    let isLast = path == ["exports", "file"]
    let refused = try await refusal {
      let isNew = try await store.storage.putIfAbsent([6], at: key)
      #expect(!isNew)
    }
    #expect(refused == (isLast ? nil : .notPermitted))
    #expect(try await outside.storage.bytes(of: StorageKey(["secret"])) == Array("secret".utf8))
    #expect(try outside.everything() == ["secret"])
  }

  @Test("when deleting: only the link itself can go", arguments: ways)
  func delete(_ path: [String]) async throws {
    let key = try StorageKey(path)
    let isLast = path == ["exports", "file"]
    #expect(try await refusal { try await store.storage.delete(key) } == (isLast ? nil : .notPermitted))
    #expect(try outside.everything() == ["secret"])
  }

  @Test("when listing: nothing behind it is listed, nor is it a file")
  func list() async throws {
    let own = try StorageKey(["exports", "own"])
    #expect(try await store.storage.files(below: StorageKey(["exports"])).map(\.key) == [own])
  }

  @Test("when listing from it, or from below it", arguments: [["top"], ["exports", "folder"]])
  func listFromLink(_ path: [String]) async throws {
    let key = try StorageKey(path)
    #expect(try await refusal { _ = try await store.storage.files(below: key) } == .notPermitted)
  }
}
