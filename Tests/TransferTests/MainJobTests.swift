import Foundation
import Marketplace
import Registry
import TestSupport
import Testing

@testable import Transfer

@Suite("The main job, on real MLflow", .enabled(if: MLflowServers.three != nil))
struct MainJobTests {
  @Test("exports and imports what is promoted, and then finds nothing to do")
  func main() async throws {
    let world = try await TestWorld.make("dev01")
    let source = try world.source()
    try await source.register("readmission-risk", stage: "Production")
    try await source.register("draft")

    let first = try await world.sync()
    #expect(first.count(.exported) == 1)
    #expect(first.count(.imported) == 1)
    #expect(first.isClean)
    #expect(try await world.promotion("dev01.readmission-risk") == .init(staged: [1], alias: 1))
    #expect(try await world.violations().isEmpty)

    let second = try await world.sync()
    #expect(second.items.isEmpty)
    #expect(second.workspaces.map(\.changes) == [0])
  }
}
