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
    let world = try await TestWorld.make("dev01", "dev02")
    for name in ["a", "b", "c"] { try await world.source().register(name, stage: "Production") }
    try await world.source("dev02").register("d", stage: "Production")

    let first = try await world.syncStopping(StopSign())
    #expect(first.workspaces.map { $0.trouble?.code } == [nil, "not_begun"])
    #expect(first.count(.exported) == 1)
    let left = first.items.filter { $0.action == .left }.map(\.model).sorted()
    #expect(left.count >= 2)
    #expect(try await world.violations(of: "dev01").isEmpty)

    let second = try await world.sync()
    #expect(second.isClean)
    #expect(second.count(.left) == 0)
    for name in ["dev01.a", "dev01.b", "dev01.c", "dev02.d"] {
      #expect(try await world.promotion(name) == .init(staged: [1], alias: 1))
    }
    #expect(try await world.count(.modelExported) == 3)
    #expect(try await world.violations().isEmpty)
  }
}

/// Asks a run to end as soon as the first file is copied.
private final class StopSign: Sendable {
  private let isUp = Mutex(false)

  func note(_ progress: JobProgress) {
    if case .exporting = progress { isUp.withLock { $0 = true } }
  }

  var isStopping: Bool { isUp.withLock { $0 } }
}

extension TestWorld {
  /// A sync, one thing after the other, that is asked to end while it works on the first model.
  fileprivate func syncStopping(_ sign: StopSign) async throws -> JobReport {
    var options = JobOptions()
    options.workspacesConcurrent = 1
    options.modelsConcurrent = 1
    let base = context(options)
    let context = JobContext(
      ledger: ledger, pool: pool, storage: base.storage, run: base.run, now: base.now,
      randomID: base.randomID, options: options, progress: { sign.note($0) }, isStopping: { sign.isStopping })
    let workspaces = try sources.keys.sorted().map { id in
      SourceWorkspace(
        id: try WorkspaceID(id),
        connection: WorkspaceConnected(registry: "test:\(id)", kind: "mlflow", promoted: .standard),
        registry: try source(id), tagsSource: false)
    }
    return try await SyncJob(context: context, workspaces: workspaces, target: marketplaceTarget, steps: .all).run()
  }
}
