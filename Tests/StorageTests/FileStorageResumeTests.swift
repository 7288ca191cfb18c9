import Foundation
import Testing

@testable import Storage

@Suite("A file that is gone on with")
struct FileStorageResumeTests {
  private let origin = UploadOrigin(tag: "\"one\"", size: 6)

  private func key() throws -> StorageKey { try StorageKey(["exports", "w", "file.bin"]) }

  /// Writes some bytes and lets go of the upload, as an attempt does that failed.
  private func begin(_ bytes: [UInt8], from origin: UploadOrigin, in store: TestStore) async throws {
    let upload = try await store.storage.upload(to: key(), from: origin)
    try await upload.write(bytes)
    await upload.suspend()
  }

  @Test("goes on where it was left, and its digest is that of the whole")
  func goesOn() async throws {
    let store = try TestStore()
    try await begin([1, 2, 3], from: origin, in: store)
    let upload = try await store.storage.upload(to: key(), from: origin)
    #expect(await upload.resumedBytes == 3)
    try await upload.write([4, 5, 6])
    #expect(try await upload.finish() == StreamDigest.of([1, 2, 3, 4, 5, 6]))
    #expect(try await store.storage.bytes(of: key()) == [1, 2, 3, 4, 5, 6])
    #expect(try store.everything().filter { $0.hasSuffix(".part") }.isEmpty)
  }

  @Test("is found after its process was killed, which closes the file and no more")
  func killed() async throws {
    let store = try TestStore()
    do {
      // Let go of without a word.
      let upload = try await store.storage.upload(to: key(), from: origin)
      try await upload.write([1, 2])
    }
    let upload = try await store.storage.upload(to: key(), from: origin)
    #expect(await upload.resumedBytes == 2)
    await upload.abandon()
    #expect(try store.everything().filter { $0.hasSuffix(".part") }.isEmpty)
  }

  @Test("is left alone by an upload from another state, to another key, or from no known source")
  func others() async throws {
    let store = try TestStore()
    try await begin([1, 2, 3], from: origin, in: store)
    let other = UploadOrigin(tag: "\"two\"", size: 6)
    let sizes = [
      try await store.storage.upload(to: key(), from: other).resumedBytes,
      try await store.storage.upload(to: key(), from: UploadOrigin(tag: "\"one\"", size: 7)).resumedBytes,
      try await store.storage.upload(to: key()).resumedBytes,
      try await store.storage.upload(to: StorageKey(["exports", "w", "other.bin"]), from: origin).resumedBytes,
    ]
    #expect(sizes == [0, 0, 0, 0])
    #expect(try await store.storage.upload(to: key(), from: origin).resumedBytes == 3)
  }

  @Test("belongs to one upload at a time: a second one writes a file of its own")
  func locked() async throws {
    let store = try TestStore()
    let first = try await store.storage.upload(to: key(), from: origin)
    try await first.write([1, 2, 3])
    let second = try await store.storage.upload(to: key(), from: origin)
    #expect(await second.resumedBytes == 0)
    try await second.write([6, 5, 4, 3, 2, 1])
    try await first.write([4, 5, 6])
    #expect(try await first.finishUnlessPresent().isNew)
    #expect(try await second.finishUnlessPresent().isNew == false)
    #expect(try await store.storage.bytes(of: key()) == [1, 2, 3, 4, 5, 6])
    #expect(try store.everything().filter { $0.hasSuffix(".part") }.isEmpty)
  }

  @Test("begins anew when more lies there than the source has")
  func tooLong() async throws {
    let store = try TestStore()
    try await begin([1, 2, 3, 4, 5, 6, 7], from: origin, in: store)
    let upload = try await store.storage.upload(to: key(), from: origin)
    #expect(await upload.resumedBytes == 0)
    try await upload.write([9])
    #expect(try await upload.finish() == StreamDigest.of([9]))
  }

  @Test("is listed among what is unfinished, and can be discarded")
  func listed() async throws {
    let store = try TestStore()
    try await begin([1, 2, 3], from: origin, in: store)
    let unfinished = try await store.storage.unfinishedUploads(below: StorageKey(["exports"]))
    #expect(unfinished.count == 1)
    for upload in unfinished { try await store.storage.discard(upload) }
    #expect(try await store.storage.upload(to: key(), from: origin).resumedBytes == 0)
  }

  @Test("leaves nothing where nothing was written, or nobody could find it")
  func empty() async throws {
    let store = try TestStore()
    try await begin([], from: origin, in: store)
    // The second has a part of its own, whose name nobody knows.
    let first = try await store.storage.upload(to: key(), from: origin)
    try await begin([1, 2, 3], from: origin, in: store)
    await first.abandon()
    let unknown = try await store.storage.upload(to: key())
    try await unknown.write([1])
    await unknown.suspend()
    #expect(try store.everything().filter { $0.hasSuffix(".part") }.isEmpty)
  }

  @Test("is not gone on with through a link that somebody planted")
  func planted() async throws {
    let store = try TestStore()
    try await begin([1, 2, 3], from: origin, in: store)
    let part = try #require(try store.everything().first { $0.hasSuffix(".part") })
    let place = store.root + "/" + part
    try FileManager.default.removeItem(atPath: place)
    let elsewhere = store.root + "/elsewhere"
    try Data([7, 7]).write(to: URL(fileURLWithPath: elsewhere))
    try FileManager.default.createSymbolicLink(atPath: place, withDestinationPath: elsewhere)
    #expect(try await refusal { _ = try await store.storage.upload(to: key(), from: origin) } == .notPermitted)
    #expect(try Data(contentsOf: URL(fileURLWithPath: elsewhere)) == Data([7, 7]))
  }
}
