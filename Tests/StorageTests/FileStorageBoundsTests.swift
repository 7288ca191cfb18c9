import Foundation
import Glibc
import Storage
import Testing

@Suite("A file store and its bounds", .serialized)
struct FileStorageBoundsTests {
  @Test(
    "says that no room is left, leaves nothing behind, and goes on when there is some", .enabled(if: geteuid() == 0))
  func full() async throws {
    let root = "/tmp/full-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
    try #require(mount("tmpfs", root, "tmpfs", 0, "size=256k") == 0)
    defer {
      umount2(root, 2)
      try? FileManager.default.removeItem(atPath: root)
    }
    let storage = try FileStorage(url: "file://\(root)")
    let key = try StorageKey(["exports", "model.pkl"])
    let upload = try await storage.upload(to: key)
    let full = try await refusal { try await upload.write(Array(repeating: 1, count: 1_048_576)) }
    #expect(full == .full)
    await upload.abandon()
    let manifest = try StorageKey(["exports", "manifest.json"])
    let put = try await refusal {
      _ = try await storage.putIfAbsent(Array(repeating: 1, count: 1_048_576), at: manifest)
    }
    #expect(put == .full)
    #expect(try FileManager.default.subpathsOfDirectory(atPath: root) == ["exports"])
    let again = try await storage.upload(to: key)
    try await again.write(Array(repeating: 1, count: 100_000))
    #expect(try await again.finish().size == 100_000)
  }
}
