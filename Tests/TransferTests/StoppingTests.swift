import Foundation
import Marketplace
import Registry
import Synchronization
import TestSupport
import Testing

@testable import Transfer

@Suite("A run that is to end", .enabled(if: MLflowServers.three != nil))
struct StoppingTests {
  @Test("finishes what it began, names what it leaves, and the next run does the rest")
  func left() async throws {
    var world = try await TestWorld.make("dev01", "dev02")
    for name in ["a", "b", "c"] { try await world.source().register(name, stage: "Production") }
    for name in ["d", "e", "f"] { try await world.source("dev02").register(name, stage: "Production") }

    // One thing after the other, and asked to end as soon as the first file is copied.
    let sign = StopSign()
    world.progress = { if case .exporting = $0 { sign.raise() } }
    world.isStopping = { sign.isUp }
    let first = try await world.sync {
      $0.workspacesConcurrent = 1
      $0.modelsConcurrent = 1
    }
    // Which one it begins with is a matter of chance.
    let begun = try #require(first.workspaces.first { $0.trouble == nil })
    #expect(first.workspaces.compactMap { $0.trouble?.code } == ["not_begun"])
    #expect(first.count(.exported) == 1)
    let left = first.items.filter { $0.action == .left }.map(\.model).sorted()
    #expect(left.count >= 2)
    #expect(try await world.violations(of: begun.workspace.text).isEmpty)

    world.isStopping = { false }
    let second = try await world.sync()
    #expect(second.isClean)
    #expect(second.count(.left) == 0)
    for name in ["dev01.a", "dev01.b", "dev01.c", "dev02.d", "dev02.e", "dev02.f"] {
      #expect(try await world.promotion(name) == .init(staged: [1], alias: 1))
    }
    #expect(try await world.count(.modelExported) == 3)
    #expect(try await world.violations().isEmpty)
  }
}

/// Asks a run to end.
final class StopSign: Sendable {
  private let state = Mutex(false)

  func raise() { state.withLock { $0 = true } }

  var isUp: Bool { state.withLock { $0 } }
}
