import Foundation
import NIOCore
import NIOHTTP1
import TestSupport
import Testing

@testable import Storage

@Suite("A copy that is verified")
struct VerifiedCopyTests {
  private func keys() throws -> (source: StorageKey, copy: StorageKey) {
    (
      try StorageKey(["exports", "one +%ü", "model.pkl"]), try StorageKey(["exports", "two", "deeper", "model.pkl"])
    )
  }

  @Test("is made of a file with the bytes it should have, and leaves nothing behind", arguments: StoreKind.available)
  func made(_ kind: StoreKind) async throws {
    try await kind.with(prefix: "pre fix+") { storage in
      let (source, copy) = try keys()
      let bytes = Array(repeating: UInt8(3), count: 200_000)
      let written = try await storage.write(bytes, at: source)
      #expect(try await storage.copy(source, of: written, unlessPresentAt: copy) == .made)
      #expect(try await storage.digest(of: copy) == written)
      try await storage.delete(source)
      #expect(try await storage.digest(of: copy) == written)
      #expect(try await storage.unfinishedUploads(below: StorageKey(["exports"])).isEmpty)
    }
  }

  @Test("never replaces what is there", arguments: StoreKind.available)
  func taken(_ kind: StoreKind) async throws {
    try await kind.with { storage in
      let (source, copy) = try keys()
      let written = try await storage.write(Array("weights".utf8), at: source)
      try await storage.write(Array("earlier".utf8), at: copy)
      #expect(try await storage.copy(source, of: written, unlessPresentAt: copy) == .taken)
      #expect(try await storage.bytes(of: copy) == Array("earlier".utf8))
    }
  }

  @Test("is not made of a file that has rotted, has another size or is gone", arguments: StoreKind.available)
  func differs(_ kind: StoreKind) async throws {
    try await kind.with { storage in
      let (source, copy) = try keys()
      let written = try await storage.write(Array("weights".utf8), at: source)
      #expect(try await storage.copy(copy, of: written, unlessPresentAt: copy.appending("x")) == .differs)
      for rot in ["weighty", "weights and more", ""] {
        try await storage.write(Array(rot.utf8), at: source)
        #expect(try await storage.copy(source, of: written, unlessPresentAt: copy) == .differs)
      }
      #expect(try await storage.size(of: copy) == nil)
      #expect(try await storage.files(below: StorageKey(["exports"])).map(\.key) == [source])
    }
  }

  @Test("shares its bytes with the file on a file system that can link")
  func linked() async throws {
    let store = try TestStore()
    let (source, copy) = try keys()
    let written = try await store.write([1, 2, 3], at: source)
    #expect(try await store.storage.copy(source, of: written, unlessPresentAt: copy) == .made)
    var first = stat()
    var second = stat()
    #expect(lstat("\(store.root)/\(source.path)", &first) == 0 && lstat("\(store.root)/\(copy.path)", &second) == 0)
    #expect(first.st_ino == second.st_ino)
  }

  @Test("sends no byte of the file to the server", arguments: S3Server.available)
  func nothingSent(_ server: S3Server) async throws {
    let upstream = try #require(server.url)
    try await FaultyProxy.with(upstream, { _, _ in .none }) { proxy in
      let storage = try await server.storage { $0.endpoint = proxy.url }
      let (source, copy) = try keys()
      let written = try await storage.write(Array(repeating: 9, count: 3_000_000), at: source)
      let before = proxy.requests.count
      #expect(try await storage.copy(source, of: written, unlessPresentAt: copy) == .made)
      let sent = proxy.requests.dropFirst(before).reduce(0) { $0 + $1.body.readableBytes }
      #expect(sent == 0)
    }
  }

  @Test("of a file beyond what one call copies is made in parts, or read and written", arguments: S3Server.available)
  func inParts(_ server: S3Server) async throws {
    let storage = try await server.storage { configuration in
      configuration.copyBytesMax = 5 * 1_048_576
      configuration.partBytesFirst = 5 * 1_048_576
    }
    let (source, copy) = try keys()
    let bytes = (0..<(11 * 1_048_576)).map { UInt8(truncatingIfNeeded: $0 / 4_099) }
    let written = try await storage.write(bytes, at: source)
    #expect(try await storage.copy(source, of: written, unlessPresentAt: copy) == .made)
    #expect(try await storage.digest(of: copy) == written)
    #expect(try await storage.copy(source, of: written, unlessPresentAt: copy) == .taken)
    #expect(try await storage.unfinishedUploads(below: StorageKey(["exports"])).isEmpty)
  }

  @Test("is not believed because the server says that it was made", arguments: S3Server.available)
  func onlySaid(_ server: S3Server) async throws {
    let upstream = try #require(server.url)
    let (source, copy) = try keys()
    try await FaultyProxy.with(
      upstream,
      { request, _ in
        guard request.method == .PUT, request.headers.contains(name: "x-amz-copy-source") else { return .none }
        return .answer(
          .ok, body: "<CopyObjectResult><ETag>\"x\"</ETag><ChecksumSHA256>AAAA</ChecksumSHA256></CopyObjectResult>")
      }
    ) { proxy in
      let storage = try await server.storage { $0.endpoint = proxy.url }
      let written = try await storage.write(Array("weights".utf8), at: source)
      #expect(try await storage.copy(source, of: written, unlessPresentAt: copy) == .differs)
      #expect(try await storage.size(of: copy) == nil)
    }
  }
}
