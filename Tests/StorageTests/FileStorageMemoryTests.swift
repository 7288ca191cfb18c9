import Foundation
import Glibc
import Storage
import Testing

/// Memory is the whole process's, so this runs by itself: `ops/test` starts it in a process of its own.
@Suite(
  "Large files in a file store", .enabled(if: ProcessInfo.processInfo.environment["MARKETPLACE_TEST_ALONE"] != nil))
struct FileStorageMemoryTests {
  @Test("streams a large file chunk by chunk, with flat memory and the right digest")
  func large() async throws {
    let store = try TestStore()
    let key = try StorageKey(["large"])
    let chunks = 384
    let upload = try await store.storage.upload(to: key)
    var digest = StreamDigest()
    let before = try residentBytes()
    for number in 0..<chunks {
      let chunk = [UInt8](repeating: UInt8(number & 255), count: StorageLimits.chunkBytes)
      digest.update(chunk)
      try await upload.write(chunk)
    }
    let written = try await upload.finish()
    #expect(written == digest.finish())
    var read = StreamDigest()
    var largest = 0
    for try await chunk in try await store.storage.read(key) {
      largest = max(largest, chunk.count)
      read.update(chunk)
    }
    #expect(read.finish() == written)
    #expect(largest == StorageLimits.chunkBytes)
    let grown = try residentBytes() - before
    #expect(grown < 64 * 1_048_576)
    #expect(try await refusal { _ = try await store.storage.bytes(of: key) } == .tooLarge)
  }

  private func residentBytes() throws -> Int {
    let fields = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8).split(separator: " ")
    return (fields.count > 1 ? Int(fields[1]) ?? 0 : 0) * Int(getpagesize())
  }
}
