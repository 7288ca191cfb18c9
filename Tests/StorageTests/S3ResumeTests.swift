import Foundation
import NIOHTTP1
import TestSupport
import Testing

@testable import Storage

@Suite("An upload in parts that is gone on with", .enabled(if: !S3Server.available.isEmpty))
struct S3ResumeTests {
  private static let partBytes = 5 * 1_048_576
  private let key: StorageKey
  private let origin: UploadOrigin
  private let all: [UInt8]

  init() throws {
    key = try StorageKey(["exports", "w", "file.bin"])
    // Three parts and a little more, no two alike.
    all = patternedBytes(3 * Self.partBytes + 77)
    origin = UploadOrigin(tag: "\"one\"", size: Int64(all.count))
  }

  private func storage(_ server: S3Server) async throws -> S3Storage {
    try await server.storage {
      $0.partBytesFirst = Self.partBytes; $0.keysPerPage = 2
    }
  }

  /// Writes some bytes as a process does that is killed next: all that it was told of is noted, nothing is tidied up.
  private func begin(_ count: Int, in storage: S3Storage, from origin: UploadOrigin? = nil) async throws {
    let upload = try await storage.upload(to: key, from: origin ?? self.origin)
    var place = Int(await upload.resumedBytes)
    while place < count {
      let chunk = all[place..<min(place + 1_000_003, count)]
      try await upload.write(Array(chunk))
      place += chunk.count
    }
    await upload.suspend()
  }

  @Test("sends only what is missing, and its digest is that of the whole", arguments: S3Server.available)
  func goesOn(_ server: S3Server) async throws {
    let storage = try await storage(server)
    try await begin(2 * Self.partBytes + 5, in: storage)
    // Another process, with nothing but the store.
    let successor = try S3Storage(storage.client.configuration)
    let upload = try await successor.upload(to: key, from: origin)
    let resumed = await upload.resumedBytes
    #expect(resumed == Int64(2 * Self.partBytes))
    let before = successor.callCount
    try await upload.write(Array(all[Int(resumed)...]))
    let finished = try await upload.finishUnlessPresent()
    #expect(finished == FinishedUpload(file: StreamDigest.of(all), isNew: true))
    // Two parts, two notes at most, joining, the note removed, and whether the key is taken where one has to ask.
    #expect(successor.callCount - before <= 7)
    #expect(try await successor.readBack(key) == StreamDigest.of(all))
    #expect(try await successor.files(below: StorageKey(["exports"])).map(\.key) == [key])
    #expect(try await entries(of: successor) == 1)
  }

  @Test("goes on more than once", arguments: S3Server.available)
  func again(_ server: S3Server) async throws {
    let storage = try await storage(server)
    for parts in 1...3 { try await begin(parts * Self.partBytes + 1, in: storage) }
    let upload = try await storage.upload(to: key, from: origin)
    #expect(await upload.resumedBytes == Int64(3 * Self.partBytes))
    try await upload.write(Array(all.suffix(77)))
    #expect(try await upload.finish() == StreamDigest.of(all))
    #expect(try await storage.readBack(key) == StreamDigest.of(all))
  }

  @Test("is joined by its successor where all of it had arrived", arguments: S3Server.available)
  func wholeButNotJoined(_ server: S3Server) async throws {
    // Such a size that the digest of the whole can be noted: the last part is a short one.
    let whole = Array(all.prefix(3 * Self.partBytes + 64))
    let origin = UploadOrigin(tag: "\"one\"", size: Int64(whole.count))
    try await FaultyProxy.with(
      server.url,
      { request, _ in request.method == .POST && request.uri.contains("uploadId=") ? .answer(.forbidden) : .none }
    ) { proxy in
      let storage = try await server.storage {
        $0.endpoint = proxy.url
        $0.partBytesFirst = Self.partBytes
      }
      let upload = try await storage.upload(to: key, from: origin)
      try await upload.write(whole)
      await #expect(throws: StorageError.self) { try await upload.finishUnlessPresent() }
      await upload.suspend()
      var configuration = storage.client.configuration
      configuration.endpoint = server.url
      let successor = try S3Storage(configuration)
      let next = try await successor.upload(to: key, from: origin)
      #expect(await next.resumedBytes == Int64(whole.count))
      #expect(try await next.finishUnlessPresent() == FinishedUpload(file: StreamDigest.of(whole), isNew: true))
      #expect(try await successor.readBack(key) == StreamDigest.of(whole))
      #expect(try await entries(of: successor) == 1)
    }
  }

  @Test("is left alone by an upload from another state, to another key, or from no known source")
  func others() async throws {
    let storage = try await storage(try #require(S3Server.available.first))
    try await begin(2 * Self.partBytes + 1, in: storage)
    let other = UploadOrigin(tag: "\"two\"", size: origin.size)
    let elsewhere = try StorageKey(["exports", "w", "other.bin"])
    let resumed = [
      try await storage.upload(to: key, from: other).resumedBytes,
      try await storage.upload(to: elsewhere, from: origin).resumedBytes,
      try await storage.upload(to: key).resumedBytes,
      try await storage.upload(to: key, from: origin).resumedBytes,
    ]
    #expect(resumed == [0, 0, 0, Int64(2 * Self.partBytes)])
  }

  @Test("begins anew when its parts are gone, are others, or its note is damaged", arguments: S3Server.available)
  func unusable(_ server: S3Server) async throws {
    let storage = try await storage(server)
    let note = try S3UploadRecords(storage.client, key: key, origin: origin)
    let noteKey = try #require(storage.client.address.storageKey(note.object))
    // rclone refuses to replace a part by another.
    for damage in 0..<(server == .rclone ? 3 : 4) {
      try await begin(2 * Self.partBytes + 1, in: storage)
      let text = try await storage.bytes(of: noteKey)
      let record = try JSONDecoder().decode(S3UploadRecord.self, from: Data(text))
      switch damage {
      case 0: try await storage.discard(UnfinishedUpload(key: key, id: record.uploadID, modified: nil))
      case 1: _ = try await storage.write(Array(text.dropLast()), at: noteKey)
      case 2: _ = try await storage.write([UInt8](repeating: 32, count: S3UploadRecord.bytesMax) + text, at: noteKey)
      default:
        // A part that somebody else sent under the same number.
        let call = S3Call(
          operation: "writing part 2", method: .PUT, object: try storage.client.address.objectKey(key),
          query: [("partNumber", "2"), ("uploadId", record.uploadID)],
          body: S3Body([UInt8](repeating: 9, count: Self.partBytes)))
        _ = try await storage.client.answer(to: call)
      }
      let upload = try await storage.upload(to: key, from: origin)
      #expect(await upload.resumedBytes == 0, "damage \(damage)")
      try await upload.write(all)
      #expect(try await upload.finish() == StreamDigest.of(all))
      #expect(try await storage.readBack(key) == StreamDigest.of(all))
    }
  }

  @Test("is listed among what is unfinished, and can be discarded", arguments: S3Server.available)
  func listed(_ server: S3Server) async throws {
    let storage = try await storage(server)
    try await begin(2 * Self.partBytes + 1, in: storage)
    var unfinished: [UnfinishedUpload] = []
    for try await page in storage.inventory(below: try StorageKey(["exports"])) {
      for case .unfinished(let upload) in page { unfinished.append(upload) }
    }
    // The note and the parts.
    #expect(unfinished.count == 2)
    #expect(try await storage.files(below: StorageKey(["exports"])).isEmpty)
    for upload in unfinished { try await storage.discard(upload) }
    #expect(try await entries(of: storage) == 0)
    #expect(try await storage.upload(to: key, from: origin).resumedBytes == 0)
  }

  @Test("leaves nothing where it is abandoned, or too short for parts", arguments: S3Server.available)
  func abandoned(_ server: S3Server) async throws {
    let storage = try await storage(server)
    try await begin(2 * Self.partBytes + 1, in: storage)
    let upload = try await storage.upload(to: key, from: origin)
    await upload.abandon()
    try await begin(1_000, in: storage)
    #expect(try await entries(of: storage) == 0)
  }

  private func entries(of storage: S3Storage) async throws -> Int {
    var count = 0
    for try await page in storage.inventory(below: try StorageKey(["exports"])) { count += page.count }
    return count
  }
}

@Suite("A digest that is gone on with")
struct StreamDigestStateTests {
  @Test("ends as one that was never interrupted, wherever the bytes were cut")
  func resumed() throws {
    let bytes = (0..<1_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
    for place in stride(from: 0, through: 960, by: 64) {
      var first = StreamDigest()
      for chunk in [bytes[..<(place / 3)], bytes[(place / 3)..<place]] { first.update(chunk) }
      let text = try JSONEncoder().encode(try #require(first.state))
      let state = try JSONDecoder().decode(StreamDigest.State.self, from: text)
      var second = try #require(StreamDigest(resuming: state))
      second.update(bytes[place...])
      #expect(second.finish() == StreamDigest.of(bytes))
    }
  }

  @Test("has no state within a block, and takes none that cannot be one")
  func refused() throws {
    var digest = StreamDigest()
    digest.update([1, 2, 3])
    #expect(digest.state == nil)
    for text in [
      #"{"words":[1,2,3],"size":64}"#, #"{"words":[1,2,3,4,5,6,7,8],"size":65}"#,
      #"{"words":[1,2,3,4,5,6,7,8],"size":-64}"#, #"{"words":[1,2,3,4,5,6,7,8],"size":9223372036854775744}"#,
    ] {
      let state = try JSONDecoder().decode(StreamDigest.State.self, from: Data(text.utf8))
      #expect(StreamDigest(resuming: state) == nil)
    }
  }

  @Test("knows the lengths beyond 4 GiB")
  func long() throws {
    var digest = StreamDigest()
    let block = [UInt8](repeating: 5, count: 1_048_576)
    for _ in 0..<64 { digest.update(block) }
    let state = try #require(digest.state)
    // The same chaining value at another length gives another digest, also where only the upper half differs.
    let json = { (size: Int64) in try JSONEncoder().encode(state).withSize(size) }
    let near = try JSONDecoder().decode(StreamDigest.State.self, from: json(64))
    let far = try JSONDecoder().decode(StreamDigest.State.self, from: json(64 + 1 << 29))
    #expect(StreamDigest(resuming: near)?.finish().sha256 != StreamDigest(resuming: far)?.finish().sha256)
  }
}

extension Data {
  /// The same JSON with another size.
  fileprivate func withSize(_ size: Int64) throws -> Data {
    var object = try JSONSerialization.jsonObject(with: self) as? [String: Any] ?? [:]
    object["size"] = size
    return try JSONSerialization.data(withJSONObject: object)
  }
}
