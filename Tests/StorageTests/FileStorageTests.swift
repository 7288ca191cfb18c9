import Foundation
import Glibc
import Storage
import Testing

@Suite("A file store")
struct FileStorageTests {
  private let store: TestStore

  init() throws { store = try TestStore() }

  @Test("gives back what was put in, says its size, lists it and forgets it")
  func roundTrip() async throws {
    let key = try StorageKey(["exports", "dev01", "a"])
    let written = try await store.write(Array("hello".utf8), at: key)
    #expect(written.size == 5)
    #expect(written.sha256 == "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824")
    #expect(try await store.storage.bytes(of: key) == Array("hello".utf8))
    #expect(try await store.storage.size(of: key) == 5)
    #expect(try await store.storage.files(below: StorageKey(["exports"])).map(\.key) == [key])
    try await store.storage.delete(key)
    #expect(try await store.storage.size(of: key) == nil)
    #expect(try await refusal { _ = try await store.storage.bytes(of: key) } == .notFound)
    try await store.storage.delete(key)
  }

  @Test("replaces a file as a whole when it is written again")
  func replace() async throws {
    let key = try StorageKey(["a"])
    _ = try await store.write(Array("first, and long".utf8), at: key)
    let second = try await store.storage.upload(to: key)
    try await second.write(Array("second".utf8))
    #expect(try await store.storage.bytes(of: key) == Array("first, and long".utf8))
    _ = try await second.finish()
    #expect(try await store.storage.bytes(of: key) == Array("second".utf8))
  }

  @Test("keeps an empty file")
  func empty() async throws {
    let key = try StorageKey(["empty"])
    let written = try await store.write([], at: key)
    #expect(written.size == 0)
    #expect(try await store.storage.size(of: key) == 0)
    #expect(try await store.storage.bytes(of: key) == [])
  }

  @Test("lets one of sixteen win who put the same file in at once, and keeps the winner's bytes")
  func putIfAbsent() async throws {
    let storage = store.storage
    let key = try StorageKey(["exports", "manifest.json"])
    let won = try await withThrowingTaskGroup(of: (Int, Bool).self) { group in
      for writer in 0..<16 {
        group.addTask {
          (writer, try await storage.putIfAbsent(Array("written by \(writer)".utf8), at: key))
        }
      }
      return try await group.reduce(into: [Int]()) { winners, result in
        if result.1 { winners.append(result.0) }
      }
    }
    #expect(won.count == 1)
    let bytes = try await storage.bytes(of: key)
    #expect(bytes == Array("written by \(won.first ?? -1)".utf8))
    #expect(try store.everything() == ["exports", "exports/manifest.json"])
    #expect(try await !storage.putIfAbsent([], at: key))
    #expect(try await storage.bytes(of: key) == bytes)
  }

  @Test("shows nothing of uploads that were never finished, as a crash leaves them")
  func unfinished() async throws {
    let storage = store.storage
    let key = try StorageKey(["exports", "model.pkl"])
    let crashed = try await storage.upload(to: key)
    try await crashed.write(Array(repeating: 7, count: 100_000))
    let abandoned = try await storage.upload(to: key)
    try await abandoned.write([1, 2, 3])
    await abandoned.abandon()
    #expect(try await storage.size(of: key) == nil)
    #expect(try await storage.files(below: StorageKey(["exports"])) == [])
    #expect(try await refusal { _ = try await storage.bytes(of: key) } == .notFound)
    // The crashed one lies there under a name that nothing lists; the abandoned one is gone.
    let left = try store.everything()
    #expect(left.count == 2)
    #expect(left.last?.hasSuffix(".part") == true)
    _ = try await store.write([9], at: key)
    #expect(try await storage.files(below: StorageKey(["exports"])).map(\.key) == [key])
  }

  @Test("tells files apart whose names only look equal, and lists by bytes")
  func unicode() async throws {
    let names = [
      "naïve 🧬", "nai\u{308}ve 🧬", "日本語", "\u{202e}txt.exe", "a b", "*?\"<>|", "-rf", "new\nline", "Model", "model",
    ]
    let base = try StorageKey(["exports"])
    for name in names { _ = try await store.write(Array(name.utf8), at: base.appending(name)) }
    let listed = try await store.storage.files(below: base)
    let expected = try names.map { try base.appending($0) }.sorted()
    #expect(listed.map(\.key) == expected)
    for name in names {
      #expect(try await store.storage.bytes(of: base.appending(name)) == Array(name.utf8))
    }
  }

  @Test("takes a component of 255 bytes")
  func longName() async throws {
    let name = String(repeating: "é", count: 127) + "x"
    let key = try StorageKey([name, name])
    _ = try await store.write([1], at: key)
    #expect(try await store.storage.bytes(of: key) == [1])
    #expect(try await store.storage.files(below: StorageKey([name])).map(\.key) == [key])
  }

  @Test("lists nothing below a place where nothing is, or where a file is")
  func listing() async throws {
    #expect(try await store.storage.files(below: StorageKey(["nowhere", "at", "all"])) == [])
    let key = try StorageKey(["file"])
    _ = try await store.write([1], at: key)
    #expect(try await store.storage.files(below: key) == [])
    #expect(try await store.storage.size(of: StorageKey(["exports"])) == nil)
  }

  @Test("answers a file where a folder should be, and a folder where a file should be")
  func wrongKinds() async throws {
    let file = try StorageKey(["a"])
    let below = try StorageKey(["a", "b"])
    _ = try await store.write([1], at: file)
    #expect(try await refusal { _ = try await store.write([2], at: below) } == .notPermitted)
    #expect(try await refusal { _ = try await store.storage.bytes(of: below) } == .notPermitted)
    let deep = try StorageKey(["folder", "b"])
    _ = try await store.write([1], at: deep)
    let folder = try StorageKey(["folder"])
    #expect(try await refusal { _ = try await store.write([2], at: folder) } != nil)
    #expect(try await refusal { _ = try await store.storage.bytes(of: folder) } != nil)
    #expect(try await refusal { try await store.storage.delete(folder) } != nil)
    #expect(try await store.storage.size(of: folder) == nil)
    #expect(try await store.storage.bytes(of: deep) == [1])
  }

  @Test("takes addresses of folders only", arguments: ["s3://bucket/x", "/srv", "file://host/srv", "relative", ""])
  func addresses(_ url: String) async throws {
    #expect(try await refusal { _ = try FileStorage(url: url) } == .configuration)
  }
}
