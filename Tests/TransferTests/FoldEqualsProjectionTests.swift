import Foundation
import Ledger
import Marketplace
import Postgres
import TestSupport
import Testing

@testable import Transfer

/// The fold from which jobs decide and the tables that analysts read are two programs over the same events. They
/// have to agree, whatever happened.
///
/// `FOLD_HISTORIES` says how many histories to try (240); `FOLD_SEED` tries one again.
@Suite("Fold and projections")
struct FoldEqualsProjectionTests {
  private static let histories = number("FOLD_HISTORIES") ?? 240
  private static let seeds = number("FOLD_SEED").map { [$0] } ?? Array(1...histories)
  private static let appendersConcurrent = 4

  private static func number(_ name: String) -> Int? {
    ProcessInfo.processInfo.environment[name].flatMap(Int.init)
  }

  @Test("say the same of random histories, and a rebuild leaves the same bytes")
  func same() async throws {
    let pool = try await TestCluster.migratedDatabase().pool()
    defer { Task { await pool.close() } }
    try await pool.withSession { try $0.executeScript(ProjectedFacts.sql) }
    let troubles = try await concurrently(Self.seeds, limit: Self.appendersConcurrent) { seed in
      try await Self.tryHistory(seed, pool)
    }
    let failing = zip(Self.seeds, troubles).filter { $0.1 != nil }
    for (seed, trouble) in failing.prefix(3) {
      Issue.record("\(trouble ?? "") Again: FOLD_SEED=\(seed) swift test --filter FoldEqualsProjectionTests")
    }
    #expect(failing.count == 0)
    let stale = try await pool.withSession { try $0.query("SELECT * FROM ledger.projection_stale") }
    #expect(stale.isEmpty)
  }

  /// What disagrees in the history of a seed.
  private static func tryHistory(_ seed: Int, _ pool: PostgresPool) async throws -> String? {
    var random = Seeded(-seed)
    let workspace = try WorkspaceID("history-\(seed)")
    let history = RandomHistory(
      seed: seed, workspace: workspace, count: Int.random(in: 10...120, using: &random))
    let ledger = Ledger(pool)
    let log = History(ledger: ledger, run: NameBasedUUID.make([String(seed)]))
    try await ledger.openWorkspace(workspace.text)
    var rest = history.events[...]
    let largest = random.once(in: 4) ? 1 : 40
    while !rest.isEmpty {
      let batch = rest.prefix(Int.random(in: 1...largest, using: &random))
      _ = try await log.append(Array(batch), to: workspace)
      rest = rest.dropFirst(batch.count)
    }
    let state = try await log.load(workspace)
    let folded = ProjectedFacts.folded(state, shown: shown(history.events.map(\.event)))
    let (projected, before, after) = try await pool.withSession { session in
      let lines = try session.query("SELECT testing.facts($1) AS line", [workspace.text]).map { try $0.string("line") }
      let before = try session.query("SELECT testing.digest($1) AS digest", [workspace.text]).first?.string("digest")
      _ = try session.query("SELECT ledger.rebuild_projection('marketplace', $1)", [workspace.text])
      let after = try session.query("SELECT testing.digest($1) AS digest", [workspace.text]).first?.string("digest")
      return (lines.sorted(), before, after)
    }
    if before != after { return "A rebuild left other bytes." }
    let byFold = Set(folded).subtracting(projected).sorted().map { "\n  fold:       \($0)" }
    let bySQL = Set(projected).subtracting(folded).sorted().map { "\n  projection: \($0)" }
    if byFold.isEmpty, bySQL.isEmpty, folded.count == projected.count { return nil }
    return "Fold and projection differ:" + (byFold + bySQL).joined() + "\n"
  }

  /// The target whose promotion moved last, by model.
  private static func shown(_ events: [DomainEvent]) -> [ModelID: String] {
    var available: [ModelID: [String: Int]] = [:]
    var shown: [ModelID: String] = [:]
    for event in events {
      switch event {
      case .marketplacePromotionSet(let data):
        shown[ModelID(text: data.model)] = data.target
        available[ModelID(text: data.model), default: [:]][data.target] = data.to
      case .importLost(let data) where available[ModelID(text: data.model)]?[data.target] == data.marketplaceVersion:
        shown[ModelID(text: data.model)] = data.target
        available[ModelID(text: data.model)]?[data.target] = nil
      default: break
      }
    }
    return shown
  }
}
