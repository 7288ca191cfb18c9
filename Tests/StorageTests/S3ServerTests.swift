import Foundation
import NIOHTTP1
import TestSupport
import Testing

@testable import Storage

@Suite("An S3 store on a real server", .enabled(if: !S3Server.available.isEmpty))
struct S3ServerTests {
  @Test("finds out whether the server honours conditional writes")
  func conditionalWrites() async throws {
    for server in S3Server.available {
      let storage = try await server.storage()
      #expect(storage.conditionalWrites == .unknown)
      #expect(try await storage.putIfAbsent([1], at: StorageKey(["a"])))
      #expect(storage.conditionalWrites == (server == .moto ? .enforced : .ignored))
      let before = storage.callCount
      #expect(try await storage.putIfAbsent([1], at: StorageKey(["b"])))
      // Where the server decides, one call is enough.
      if server == .moto { #expect(storage.callCount == before + 1) }
    }
  }

  @Test(
    "speaks TLS with an authority of its own, and refuses one it does not trust",
    .enabled(if: S3Server.encrypted != nil))
  func encrypted() async throws {
    let server = try #require(S3Server.encrypted)
    var configuration = S3Server.rclone.configuration(bucket: "tls-\(UUID().uuidString.lowercased())")
    configuration.endpoint = server.url
    let stranger = try S3Storage(configuration)
    let error = try await storageError { _ = try await stranger.size(of: StorageKey(["a"])) }
    #expect(error.code == .configuration)
    #expect(error.message.contains("ca_file"))
    configuration.caFile = server.caFile
    configuration.partBytesFirst = 5 * 1_048_576
    let storage = try S3Storage(configuration)
    try await storage.createBucket()
    let whole = [UInt8](repeating: 3, count: 11_000_000)
    try await storage.write(whole, at: StorageKey(["a"]))
    #expect(try await storage.readBack(StorageKey(["a"])) == StreamDigest.of(whole))
  }

  @Test("finds a bucket in the host name", .enabled(if: S3Server.moto.url != nil))
  func virtualHost() async throws {
    let port = try #require(S3Server.moto.url?.split(separator: ":").last)
    let storage = try await S3Server.moto.storage(prefix: "p") { configuration in
      let bucket = configuration.url.split(separator: "/")[1]
      configuration.endpoint = "http://s3.amazonaws.com:\(port)"
      configuration.pathStyle = false
      configuration.hostAddresses = ["\(bucket).s3.amazonaws.com": "127.0.0.1"]
    }
    let key = try StorageKey(["a b", "ü+%"])
    try await storage.write([1, 2], at: key)
    #expect(try await storage.bytes(of: key) == [1, 2])
    #expect(try await storage.files(below: StorageKey(["a b"])).map(\.key) == [key])
  }

  @Test("lists more than a page of a thousand", arguments: S3Server.available.prefix(1))
  func manyFiles(_ server: S3Server) async throws {
    let storage = try await server.storage()
    let base = try StorageKey(["exports"])
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in 0..<1_003 {
        if number >= 8 { try await group.next() }
        group.addTask { try await storage.write([1], at: base.appending("file \(number)")) }
      }
      try await group.waitForAll()
    }
    let before = storage.callCount
    #expect(try await storage.files(below: base).count == 1_003)
    #expect(storage.callCount == before + 2)
  }

  @Test("asks for encryption at rest", .enabled(if: S3Server.moto.url != nil))
  func encryptionAtRest() async throws {
    for (encryption, size) in [(S3Configuration.Encryption.server, 10), (.keyService(keyID: "key-1"), 6_000_000)] {
      let storage = try await S3Server.moto.storage { configuration in
        configuration.encryption = encryption
        configuration.partBytesFirst = 5 * 1_048_576
      }
      let key = try StorageKey(["a"])
      try await storage.write(Array(repeating: 1, count: size), at: key)
      let answer = try await storage.client.answer(to: S3Call(operation: "test", method: .HEAD, object: "a"))
      let expected = encryption == .server ? "AES256" : "aws:kms"
      #expect(answer.headers.first(name: "x-amz-server-side-encryption") == expected)
    }
  }

  @Test("has the server copy a large file in parts", arguments: S3Server.available)
  func copyInParts(_ server: S3Server) async throws {
    let storage = try await server.storage { configuration in
      configuration.copyBytesMax = 5 * 1_048_576
      configuration.partBytesFirst = 5 * 1_048_576
    }
    let whole = patternedBytes(12_000_000)
    let source = try StorageKey(["one +%ü"])
    let copy = try StorageKey(["two"])
    let written = try await storage.write(whole, at: source)
    #expect(try await storage.copy(source, to: copy) == 12_000_000)
    #expect(try await storage.readBack(copy) == written)
  }

  @Test("gives the server a checksum to keep", .enabled(if: S3Server.moto.url != nil))
  func checksumIsKept() async throws {
    let storage = try await S3Server.moto.storage()
    try await storage.write(Array("hello".utf8), at: StorageKey(["a"]))
    var call = S3Call(operation: "test", method: .HEAD, object: "a")
    call.headers = [("x-amz-checksum-mode", "ENABLED")]
    let answer = try await storage.client.answer(to: call)
    #expect(answer.headers.first(name: "x-amz-checksum-sha256") == "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=")
  }
}
