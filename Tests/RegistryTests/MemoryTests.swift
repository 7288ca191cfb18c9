import Foundation
import Testing

@testable import Registry

/// Memory is the whole process's, so these run by themselves: `ops/test` starts them in a process of their own.
@Suite(
  "Large files",
  .enabled(if: !LiveMLflow.available.isEmpty && ProcessInfo.processInfo.environment["MARKETPLACE_TEST_ALONE"] != nil),
  .serialized)
struct MemoryTests {
  /// The most memory this process ever held, in KiB, as Linux counts it.
  private func peakMemory() throws -> Int {
    let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
    let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") })
    return try #require(Int(line.split(separator: " ").dropFirst().first ?? ""))
  }

  @Test("a large file goes up and comes down in little memory", arguments: LiveMLflow.available)
  func flatMemory(live: LiveMLflow) async throws {
    let chunkBytes = 1 << 20
    // Ranges side by side hold 32 MiB, whatever the file's size.
    let chunkCount = 128
    let registry = try await live.registry()
    let location = try registry.artifactLocation(of: try await registry.someRun())
    let before = try peakMemory()
    try await registry.upload("large.bin", to: location, length: Int64(chunkBytes * chunkCount)) {
      LargeBody(chunkBytes: chunkBytes, left: chunkCount)
    }
    let file = try #require(try await registry.artifacts(at: location).first)
    #expect(file.size == Int64(chunkBytes * chunkCount))
    var wrong = 0
    var place = 0
    let received = try await registry.download(file, from: location) { chunk in
      // One byte of each piece: looking at all takes an unoptimised build longer than MLflow 2 waits.
      let isLast = place % chunkBytes == chunkBytes - 1
      let expected = isLast ? 10 : UInt8(0x80 + chunkCount - 1 - place / chunkBytes)
      if chunk.first != expected { wrong += 1 }
      place += chunk.count
    }
    #expect(received == file.size && wrong == 0)
    let grownKiB = try peakMemory() - before
    #expect(grownKiB < chunkCount * chunkBytes / 1024 / 2, "grew by \(grownKiB) KiB")
  }
}

/// Chunks made one by one, each a single line: MLflow 2 sends files line by line, and a million empty lines
/// take it longer than its own time-out.
private struct LargeBody: AsyncSequence, AsyncIteratorProtocol, Sendable {
  var chunkBytes: Int
  var left: Int

  mutating func next() async -> [UInt8]? {
    guard left > 0 else { return nil }
    left -= 1
    return [UInt8](repeating: UInt8(0x80 + left), count: chunkBytes - 1) + [10]
  }

  func makeAsyncIterator() -> Self { self }
}
