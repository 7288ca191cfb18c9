import Foundation
import NIOHTTP1
import Registry
import Storage
import Synchronization
import TestSupport
import Testing

@testable import Transfer

@Suite("A large file of an export", .enabled(if: MLflowServers.three != nil))
struct LargeFileTests {
  /// From which bytes of `model.pkl` on a server was asked, in turn.
  private final class Asked: Sendable {
    private let places = Mutex<[Int]>([])
    var all: [Int] { places.withLock { $0 } }

    /// The first byte that is asked for, where the request is for a range of the file.
    func note(_ request: ProxiedRequest) -> Int? {
      guard request.method == .GET, request.uri.contains("/model.pkl"),
        let range = request.headers.first(name: "range"), range != "bytes=0-0",
        let first = Int(range.dropFirst("bytes=".count).prefix { $0 != "-" })
      else { return nil }
      places.withLock { $0.append(first) }
      return first
    }
  }

  private static let size = 1_000_000
  private static let content = String(
    decoding: (0..<size).map { UInt8(truncatingIfNeeded: 97 + ($0 &* 31 &+ $0 / 977) % 26) }, as: UTF8.self)

  /// A world whose source stands behind a proxy and sends `model.pkl` in twenty ranges, and whose first export broke off in
  /// the middle of it.
  private func brokenOff(
    _ body: (TestWorld, RegistryProxy, MLflowRegistry) async throws -> Void
  ) async throws {
    try await RegistryProxy.with { proxy in
      var world = try await TestWorld.make()
      let workspace = try await MLflowServers.freshWorkspace("large")
      let source = try proxy.registry(workspace) {
        $0.policy.rangedBytesMin = 100_000
        $0.policy.rangeBytes = 50_000
      }
      world.sources["dev01"] = source
      try await source.register("large", content: Self.content, stage: "Production")
      let asked = Asked()
      proxy.tell { request in
        guard let first = asked.note(request), first >= 500_000 else { return nil }
        return .down
      }
      let report = try await world.sync()
      #expect(report.items.first?.trouble?.code == "unreachable")
      #expect(report.items.first?.trouble?.retriable == true)
      #expect(try parts(world).count == 1)
      try await body(world, proxy, source)
    }
  }

  private func parts(_ world: TestWorld) throws -> [String] {
    try FileManager.default.subpathsOfDirectory(atPath: world.storageRoot).filter { $0.hasSuffix(".part") }
  }

  private func exported(_ world: TestWorld) throws -> String {
    let path = try #require(
      try FileManager.default.subpathsOfDirectory(atPath: world.storageRoot).first { $0.hasSuffix("/model.pkl") })
    return try String(contentsOfFile: world.storageRoot + "/" + path, encoding: .utf8)
  }

  @Test("that broke off is gone on with: each byte that was not stored is asked for once, and no other")
  func goesOn() async throws {
    try await brokenOff { world, proxy, _ in
      let asked = Asked()
      proxy.tell { request in
        _ = asked.note(request)
        return nil
      }
      let report = try await world.sync()
      #expect(report.isClean)
      // Of the ranges under way when it broke off, some before the one that failed had not come in yet.
      let places = asked.all.sorted()
      let first = try #require(places.first)
      #expect((300_000...500_000).contains(first))
      #expect(places == stride(from: first, to: Self.size, by: 50_000).map(\.self))
      #expect(try exported(world) == Self.content)
      #expect(try parts(world).isEmpty)
      #expect(try await world.violations().isEmpty)
    }
  }

  @Test("that was replaced at the source meanwhile begins anew: no byte of the one is among those of the other")
  func replaced() async throws {
    try await brokenOff { world, proxy, source in
      proxy.tell(nil)
      let version = try #require(try await source.modelVersion(name: "large", version: 1))
      let other = String(Self.content.reversed())
      try await source.put(
        Array(other.utf8), at: "model.pkl", to: try await source.artifactLocation(of: version))
      let report = try await world.sync()
      #expect(report.isClean)
      #expect(try exported(world) == other)
      #expect(try await world.violations().isEmpty)
    }
  }

  @Test("that is replaced while it is read is read again from the start")
  func replacedWhileRead() async throws {
    try await RegistryProxy.with { proxy in
      var world = try await TestWorld.make()
      let source = try proxy.registry(try await MLflowServers.freshWorkspace("large")) {
        $0.policy.rangedBytesMin = 100_000
        $0.policy.rangeBytes = 50_000
      }
      world.sources["dev01"] = source
      let version = try await source.register("large", content: Self.content, stage: "Production")
      let location = try await source.artifactLocation(of: version)
      let other = String(Self.content.reversed())
      let isReplaced = Atomic(false)
      let asked = Asked()
      proxy.tell { request in
        guard let first = asked.note(request), first >= 500_000,
          isReplaced.compareExchange(expected: false, desired: true, ordering: .relaxed).exchanged
        else { return nil }
        try await source.put(Array(other.utf8), at: "model.pkl", to: location)
        return nil
      }
      let report = try await world.sync()
      #expect(report.isClean)
      #expect(try exported(world) == other)
      #expect(try parts(world).isEmpty)
      #expect(try await world.violations().isEmpty)
    }
  }
}
