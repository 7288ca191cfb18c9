import Foundation
import Testing

@testable import Registry

@Suite("A large file on a real MLflow", .enabled(if: !LiveMLflow.available.isEmpty))
struct MLflowRangesTests {
  /// Lines of some length: MLflow 2 sends files line by line.
  private static let content = Array(
    (0..<60_000).map { "\($0 &* 2_654_435_761 % 1_000_003) and \($0)\n" }.joined().utf8)

  @Test(
    "comes byte for byte, in ranges where the server answers them and in one stream where it does not",
    arguments: LiveMLflow.available, [Int64(0), 700_001])
  func ranges(live: LiveMLflow, offset: Int64) async throws {
    let registry = try await live.registry {
      $0.policy.rangedBytesMin = 100_000
      $0.policy.rangeBytes = 64_000
    }
    let (_, _, location) = try await registry.someFiles(["large.bin": Self.content])
    let file = try #require(try await registry.artifacts(at: location).first)
    #expect(file.size == Int64(Self.content.count))
    var state: ArtifactState?
    var bytes: [UInt8] = []
    let before = registry.requestCount
    let count = try await registry.download(file, from: location) { found in
      state = found
      return offset
    } consume: {
      bytes += $0
    }
    #expect(count == file.size)
    switch live {
    case .three:
      #expect(state?.size == file.size)
      #expect(bytes == Array(Self.content[Int(offset)...]))
      let ranges = (Self.content.count - Int(offset) + 63_999) / 64_000
      #expect(registry.requestCount - before == 1 + ranges)
    case .two:
      #expect(state == nil)
      #expect(bytes == Self.content)
      #expect(registry.requestCount - before == 1)
    }
  }
}
