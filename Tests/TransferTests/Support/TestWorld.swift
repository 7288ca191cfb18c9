import Foundation
import Ledger
import Marketplace
import Postgres
import Registry
import Storage
import Synchronization
import TestSupport
import Testing

@testable import Transfer

/// A ledger, a store, source registries and a marketplace of a test's own, on real servers.
struct TestWorld: Sendable {
  let pool: PostgresPool
  let ledger: Ledger
  /// A folder of our own. Replace it before the first sync to keep exports elsewhere.
  var storage: any ExternalStorage
  let storageRoot: String
  /// Sources by id. Replace one to let it lie.
  var sources: [String: any ModelRegistry]
  var rules: [String: PromotionRule] = [:]
  let marketplace: MLflowRegistry
  /// What the target talks to; the marketplace itself unless a test puts something between.
  var target: any ModelRegistry
  var template = NameTemplate.standard
  /// Our clock; tests move it by hand where days matter.
  let clock = TestClock()
  /// What hears of a job's progress.
  var progress: @Sendable (JobProgress) -> Void = { _ in }
  /// Whether the operator asks jobs to end.
  var isStopping: @Sendable () -> Bool = { false }

  /// A fresh world with these source workspaces, each an MLflow workspace of its own.
  static func make(_ ids: String...) async throws -> TestWorld {
    let pool = try await TestCluster.migratedDatabase().pool(connectionsMax: 6)
    let root = TestCluster.newDirectory()
    try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
    try TestCluster.removeAtExit(root)
    let marketplace = try await MLflowServers.registry("market")
    var sources: [String: any ModelRegistry] = [:]
    for id in ids { sources[id] = try await MLflowServers.registry(id) }
    return TestWorld(
      pool: pool, ledger: Ledger(pool), storage: try FileStorage(url: "file://\(root)"), storageRoot: root,
      sources: sources, marketplace: marketplace, target: marketplace)
  }

  /// The source of a one-source test.
  func source(_ id: String = "dev01") throws -> any ModelRegistry { try #require(sources[id]) }

  /// Runs the job as the command line does.
  func sync(
    _ steps: SyncJob.Steps = .all, only ids: [String]? = nil, change: (inout JobOptions) -> Void = { _ in }
  ) async throws -> JobReport {
    var options = JobOptions()
    change(&options)
    let context = context(options)
    let workspaces = try sources.keys.sorted().filter { ids?.contains($0) ?? true }.map { id in
      SourceWorkspace(
        id: try WorkspaceID(id),
        connection: WorkspaceConnected(
          registry: "test:\(id)", kind: "mlflow", promoted: rules[id] ?? .standard),
        registry: try source(id), tagsSource: false)
    }
    let report = try await SyncJob(
      context: context, workspaces: workspaces, target: marketplaceTarget, steps: steps
    ).run()
    _ = try await ledger.seal()
    return report
  }

  var marketplaceTarget: MarketplaceTarget {
    MarketplaceTarget(
      id: "marketplace", registry: target, template: template, stage: "Production", alias: "champion")
  }

  func context(_ options: JobOptions = JobOptions()) -> JobContext {
    JobContext(
      ledger: ledger, pool: pool, storage: storage, run: UUID(), now: { clock.now() }, randomID: { UUID() },
      options: options, progress: progress, isStopping: isStopping)
  }

  /// The workspace's history, folded.
  func state(_ id: String = "dev01") async throws -> WorkspaceState {
    try await History(ledger: ledger, run: UUID()).load(try WorkspaceID(id))
  }

  /// The model of that name at the source.
  func model(_ name: String, in id: String = "dev01") async throws -> ModelState {
    try #require(try await state(id).models.values.first { $0.name.isExactly(name) && !$0.live.isEmpty })
  }

  /// The domain events of a workspace, in order, observations left out unless asked for.
  func events(_ id: String = "dev01", withObservations: Bool = false) async throws -> [DomainEvent] {
    let page = try await ledger.read(workspace: id, limit: 10_000)
    let all = try page.events.compactMap { event in
      try event.data.flatMap { try DomainEvent(type: event.type, json: $0) }
    }
    return withObservations ? all : all.filter { $0.kind != .workspaceObserved }
  }

  /// What does not hold of ledger, storage and marketplace.
  func violations(of ids: String...) async throws -> [Violation] {
    let workspaces = try (ids.isEmpty ? sources.keys.sorted() : ids).map { try WorkspaceID($0) }
    let jobs = try await CheckJob(
      context: context(), workspaces: workspaces, target: marketplaceTarget, readsData: true
    ).run()
    return try await ledger.check() + jobs
  }

  /// What the marketplace promotes of a model: versions in the stage, and the alias.
  func promotion(_ name: String) async throws -> ObservedPromotion? {
    try await MarketplaceReading.promotion(of: name, in: marketplaceTarget)
  }
}

/// A clock that follows the machine's and can be moved ahead.
final class TestClock: Sendable {
  private let offset = Mutex<Int64>(0)

  func now() -> Int64 { Int64(Date().timeIntervalSince1970 * 1_000) + offset.withLock { $0 } }

  func advance(days: Int64) { offset.withLock { $0 += days * 86_400_000 } }
}

extension JobReport {
  /// Every item of every workspace.
  var items: [Item] { workspaces.flatMap(\.items) }

  /// How many items of one kind.
  func count(_ action: Item.Action) -> Int { items.count { $0.action == action } }

  /// Whether the command line would end with 0.
  var isClean: Bool {
    marketplaceTrouble == nil && !items.contains(where: \.isFailure) && workspaces.allSatisfy { $0.trouble == nil }
  }
}
