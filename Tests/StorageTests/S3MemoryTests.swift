import Foundation
import TestSupport
import Testing

@testable import Storage

/// Memory is the whole process's, so these run by themselves: `ops/test` starts them in a process of their own.
@Suite(
  "Large files in S3",
  .enabled(if: !S3Server.available.isEmpty && ProcessInfo.processInfo.environment["MARKETPLACE_TEST_ALONE"] != nil),
  .serialized)
struct S3MemoryTests {
  private static let streamBytes = 256 * 1_048_576

  @Test("256 MiB of unknown length go up and come down in little memory", arguments: S3Server.available)
  func flatMemory(_ server: S3Server) async throws {
    let storage = try await server.storage()
    let key = try StorageKey(["exports", "model.safetensors"])
    let pattern = (0..<StorageLimits.chunkBytes).map { UInt8(truncatingIfNeeded: $0 &* 17) }
    // What a first transfer loads and sets up is not what is measured.
    _ = try await storage.write(pattern, at: key)
    _ = try await storage.readBack(key)
    let memory = try PeakMemory()
    let upload = try await storage.upload(to: key)
    for number in 0..<Self.streamBytes / pattern.count {
      // A chunk of its own each time, else all parts would share the memory of one.
      var chunk = pattern
      chunk[number] = 0
      try await upload.write(chunk)
    }
    let written = try await upload.finish()
    #expect(written.size == Int64(Self.streamBytes))
    #expect(try await storage.readBack(key) == written)
    let grown = try memory.grown()
    #expect(grown < 100 * 1_048_576, "grew by \(grown >> 20) MiB")
  }
}
