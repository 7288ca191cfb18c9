import Foundation
import Storage
import Testing

/// What every store promises, whatever it is made of.
@Suite("A store of any kind")
struct ContractTests {
  @Test("gives back what was put in, says its size, lists it and forgets it", arguments: StoreKind.available)
  func roundTrip(_ kind: StoreKind) async throws {
    try await kind.with { storage in
      let key = try StorageKey(["exports", "dev01", "a"])
      let before = Int64(Date().timeIntervalSince1970 * 1_000) - 2_000
      let written = try await storage.write(Array("hello".utf8), at: key)
      #expect(written.size == 5)
      #expect(written.sha256 == "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824")
      #expect(try await storage.bytes(of: key) == Array("hello".utf8))
      #expect(try await storage.size(of: key) == 5)
      let listed = try await storage.files(below: StorageKey(["exports"]))
      #expect(listed.map(\.key) == [key])
      #expect(listed.first?.size == 5)
      #expect((listed.first?.modified ?? 0) >= before)
      try await storage.delete(key)
      #expect(try await storage.size(of: key) == nil)
      #expect(try await refusal { _ = try await storage.bytes(of: key) } == .notFound)
      try await storage.delete(key)
      #expect(try await storage.files(below: StorageKey(["exports"])).isEmpty)
    }
  }

  @Test("keeps an empty file", arguments: StoreKind.available)
  func empty(_ kind: StoreKind) async throws {
    try await kind.with { storage in
      let key = try StorageKey(["exports", "empty"])
      let written = try await storage.write([], at: key)
      #expect(written.size == 0)
      #expect(try await storage.size(of: key) == 0)
      #expect(try await storage.bytes(of: key) == [])
      #expect(try await storage.files(below: StorageKey(["exports"])).map(\.size) == [0])
    }
  }

  @Test("replaces a file as a whole when it is written again", arguments: StoreKind.available)
  func replace(_ kind: StoreKind) async throws {
    try await kind.with { storage in
      let key = try StorageKey(["a"])
      try await storage.write(Array("first, and long".utf8), at: key)
      let second = try await storage.upload(to: key)
      try await second.write(Array("second".utf8))
      #expect(try await storage.bytes(of: key) == Array("first, and long".utf8))
      _ = try await second.finish()
      #expect(try await storage.bytes(of: key) == Array("second".utf8))
    }
  }

  @Test("leaves a file that is there as it is when asked to, in one piece or in parts", arguments: StoreKind.available)
  func replaceNothing(_ kind: StoreKind) async throws {
    try await kind.with { storage in
      for (name, bytes) in [("small", 10), ("large", 9 << 20)] {
        let key = try StorageKey(["exports", name])
        for number in 0..<3 {
          let content = [UInt8](repeating: UInt8(number), count: bytes)
          let upload = try await storage.upload(to: key)
          try await upload.write(content)
          let finished = try await upload.finishUnlessPresent()
          await upload.abandon()
          #expect(finished == FinishedUpload(file: StreamDigest.of(content), isNew: number == 0))
        }
        var digest = StreamDigest()
        for try await chunk in try await storage.read(key) { digest.update(chunk) }
        #expect(digest.finish() == StreamDigest.of([UInt8](repeating: 0, count: bytes)))
      }
      #expect(try await storage.unfinishedUploads(below: StorageKey(["exports"])).isEmpty)
    }
  }

  @Test("puts a file in unless it is there", arguments: StoreKind.available)
  func putIfAbsent(_ kind: StoreKind) async throws {
    try await kind.with { storage in
      let key = try StorageKey(["exports", "manifest.json"])
      #expect(try await storage.putIfAbsent(Array("first".utf8), at: key))
      #expect(try await !storage.putIfAbsent(Array("second".utf8), at: key))
      #expect(try await !storage.putIfAbsent(Array("first".utf8), at: key))
      #expect(try await storage.bytes(of: key) == Array("first".utf8))
      try await storage.delete(key)
      #expect(try await storage.putIfAbsent(Array("third".utf8), at: key))
      #expect(try await storage.bytes(of: key) == Array("third".utf8))
    }
  }

  @Test(
    "lets one of sixteen win who put the same file in at once, and keeps the winner's bytes",
    arguments: StoreKind.available)
  func race(_ kind: StoreKind) async throws {
    try await kind.with { storage in
      let key = try StorageKey(["exports", "manifest.json"])
      let won = try await withThrowingTaskGroup(of: (Int, Bool).self) { group in
        for writer in 0..<16 {
          group.addTask { (writer, try await storage.putIfAbsent(Array("written by \(writer)".utf8), at: key)) }
        }
        return try await group.reduce(into: [Int]()) { winners, result in
          if result.1 { winners.append(result.0) }
        }
      }
      let text = String(decoding: try await storage.bytes(of: key), as: UTF8.self)
      if kind == .rclone {
        // It ignores the condition: whoever was last is among those who believe they have won.
        #expect(won.contains { text == "written by \($0)" })
      } else {
        #expect(won.count == 1)
        #expect(text == "written by \(won.first ?? -1)")
      }
      #expect(try await !storage.putIfAbsent([], at: key))
    }
  }

  private static let names = [
    "naïve 🧬", "nai\u{308}ve 🧬", "日本語", "a b", "a+b", "a%20b", "a%b", "100%", "ü", "Upper", "upper", "&<>\"'", "a=b&c",
    "~tilde", "semi;colon", "q?uery", "ha#sh", "at@sign", "...", "-rf", "$var",
  ]

  @Test("keeps odd names byte for byte, and lists by bytes", arguments: StoreKind.available, ["", "tenant one/ü+%"])
  func names(_ kind: StoreKind, _ prefix: String) async throws {
    try await kind.with(prefix: prefix) { storage in
      let base = try StorageKey(["exports", "odd +%ü"])
      for name in Self.names { try await storage.write(Array(name.utf8), at: base.appending(name)) }
      let listed = try await storage.files(below: base)
      let expected = try Self.names.map { try base.appending($0) }.sorted()
      #expect(listed.map(\.key) == expected)
      for name in Self.names {
        let key = try base.appending(name)
        #expect(try await storage.bytes(of: key) == Array(name.utf8), "\(name)")
        #expect(try await storage.size(of: key) == Int64(name.utf8.count), "\(name)")
      }
    }
  }

  @Test("lists only what lies below a place, not what begins with its name", arguments: StoreKind.available)
  func listing(_ kind: StoreKind) async throws {
    try await kind.with { storage in
      #expect(try await storage.files(below: StorageKey(["nowhere", "at", "all"])).isEmpty)
      let names = (1...30).map { "file-\($0)" }
      for name in names { try await storage.write([1], at: StorageKey(["a", name])) }
      try await storage.write([1], at: StorageKey(["ab", "other"]))
      try await storage.write([1], at: StorageKey(["a.txt"]))
      let listed = try await storage.files(below: StorageKey(["a"]))
      #expect(listed.map { $0.key.components.last ?? "" } == names.sorted())
      #expect(try await storage.files(below: StorageKey(["a", "file-1"])).isEmpty)
    }
  }

  @Test("takes a file larger than a part, and gives it back", arguments: StoreKind.available)
  func parts(_ kind: StoreKind) async throws {
    try await kind.with { storage in
      let key = try StorageKey(["exports", "large.bin"])
      let upload = try await storage.upload(to: key)
      var digest = StreamDigest()
      // Chunks that fit neither the parts nor each other: 12 MiB and a bit.
      for number in 0..<17 {
        let chunk = (0..<(700_000 + number * 7_919)).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ number) }
        digest.update(chunk)
        try await upload.write(chunk)
      }
      let expected = digest.finish()
      #expect(try await storage.size(of: key) == nil)
      #expect(try await upload.finish() == expected)
      #expect(try await storage.size(of: key) == expected.size)
      #expect(try await storage.readBack(key) == expected)
      await upload.abandon()
      #expect(try await storage.size(of: key) == expected.size)
      #expect(try await storage.unfinishedUploads(below: StorageKey(["exports"])).isEmpty)
    }
  }

  @Test("shows nothing of an upload that was abandoned, and nothing of it is left", arguments: StoreKind.available)
  func abandoned(_ kind: StoreKind) async throws {
    try await kind.with { storage in
      let key = try StorageKey(["exports", "model.pkl"])
      for size in [3, 6 * 1_048_576] {
        let upload = try await storage.upload(to: key)
        try await upload.write(Array(repeating: 7, count: size))
        try await upload.write([1])
        await upload.abandon()
        await upload.abandon()
        #expect(try await refusal { try await upload.write([1]) } != nil)
      }
      #expect(try await storage.size(of: key) == nil)
      #expect(try await storage.files(below: StorageKey(["exports"])).isEmpty)
      #expect(try await storage.unfinishedUploads(below: StorageKey(["exports"])).isEmpty)
    }
  }

  @Test("names uploads that a killed process left, and removes them", arguments: StoreKind.available)
  func leftovers(_ kind: StoreKind) async throws {
    try await kind.with { storage in
      let place = try StorageKey(["exports"])
      let upload = try await storage.upload(to: place.appending("dev01/model.pkl"))
      try await upload.write(Array(repeating: 7, count: 6 * 1_048_576))
      // An S3 upload shows once its first part has been begun.
      let left = try await storage.unfinishedUploads(below: place)
      #expect(left.count == 1)
      #expect(left.first?.key.path.hasPrefix("exports/dev01/") == true)
      #expect(left.first?.modified != nil)
      #expect(try await storage.files(below: place).isEmpty)
      #expect(try await storage.unfinishedUploads(below: StorageKey(["other"])).isEmpty)
      for each in left {
        try await storage.discard(each)
        try await storage.discard(each)
      }
      #expect(try await storage.unfinishedUploads(below: place).isEmpty)
      #expect(try await refusal { _ = try await upload.finish() } != nil)
      await upload.abandon()
    }
  }

  @Test("makes a file of one it holds", arguments: StoreKind.available)
  func copy(_ kind: StoreKind) async throws {
    try await kind.with(prefix: "pre fix+") { storage in
      let source = try StorageKey(["exports", "one +%ü", "model.pkl"])
      let copy = try StorageKey(["exports", "two", "model.pkl"])
      try await storage.write(Array("weights".utf8), at: source)
      try await storage.write(Array("replaced".utf8), at: copy)
      #expect(try await storage.copy(source, to: copy) == 7)
      #expect(try await storage.bytes(of: copy) == Array("weights".utf8))
      // Again, now that both are there; then each stands for itself.
      #expect(try await storage.copy(source, to: copy) == 7)
      try await storage.delete(source)
      #expect(try await storage.bytes(of: copy) == Array("weights".utf8))
      #expect(try await refusal { _ = try await storage.copy(source, to: copy) } == .notFound)
      #expect(try await storage.files(below: StorageKey(["exports"])).map(\.key) == [copy])
      #expect(try await storage.unfinishedUploads(below: StorageKey(["exports"])).isEmpty)
    }
  }
}
