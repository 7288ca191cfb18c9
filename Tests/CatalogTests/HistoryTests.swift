import Catalog
import Foundation
import Postgres
import TestSupport
import Testing

@Suite("What was in production when")
struct HistoryTests {
  private let risk = UUID(uuidString: "aaaaaaaa-0000-4000-8000-000000000001") ?? UUID()

  /// A minute of the sample history.
  private func at(_ minute: Int) -> Timestamp {
    Timestamp(milliseconds: 1_764_000_000_000 + Int64(minute) * 60_000)
  }

  private func range(_ lower: Int?, _ upper: Int?) -> TimeRange {
    TimeRange(lower: lower.map { at($0) }, upper: upper.map { at($0) })
  }

  @Test(
    "a spell is possible from the observation before it to the one after it, and certain between those within it"
  )
  func brackets() async throws {
    let sample = try await SampleHistory.append()
    defer { Task { await sample.pool.close() } }
    let catalog = Catalog(sample.pool)
    let stages = try await catalog.stages(of: risk, in: "dev01")
    #expect(
      stages.map { "v\($0.version) \($0.label ?? "")" } == [
        "v1 None", "v1 Production", "v2 None", "v2 Production", "v2 Archived",
      ])
    // nothing was observed before the first observation
    #expect(stages[1].possible == range(nil, nil))
    #expect(stages[1].certain == range(10, 80))
    // seen at minute 20 only; then the workspace could not be read until minute 40
    #expect(stages[3].possible == range(10, 40))
    #expect(stages[3].certain == nil)
    #expect(stages[4].possible == range(20, nil))
    #expect(stages[4].certain == range(40, 80))
    // before the rollback was seen, v2 was in production with no end in sight
    let before = try await catalog.stages(of: risk, in: "dev01", asOf: .position(sample.seals[1]))
    #expect(before.last?.label == "Production")
    #expect(before.last?.toSequence == nil)
    #expect(before.last?.possible == range(10, nil))
    let meant = try await catalog.production(of: risk, in: "dev01")
    #expect(meant.map(\.version) == [1, 2, 1])
    #expect(meant.map(\.fromSequence) == [3, 11, 17])
  }

  @Test("an alias has spells of its own")
  func aliases() async throws {
    let sample = try await SampleHistory.append()
    defer { Task { await sample.pool.close() } }
    let sepsis = try #require(UUID(uuidString: "bbbbbbbb-0000-4000-8000-000000000002"))
    let spells = try await Catalog(sample.pool).aliases(of: sepsis, in: "dev01")
    #expect(spells.map { "\($0.label ?? "") v\($0.version)" } == ["champion v1", "champion v2"])
    #expect(spells[0].possible == range(40, 60))
    #expect(spells[1].certain == range(60, 80))
    #expect(spells[1].name == "sepsis-warning")
  }

  @Test("answers certain, possible and unknown, and never no where nobody had looked")
  func production() async throws {
    let sample = try await SampleHistory.append()
    defer { Task { await sample.pool.close() } }
    let catalog = Catalog(sample.pool)
    func answers(_ minute: Int) async throws -> [String] {
      try await catalog.production(at: at(minute)).map {
        "\($0.workspace) \($0.spell.map { "\($0.name ?? "?") v\($0.version)" } ?? "–") \($0.certainty.rawValue)"
      }
    }
    #expect(
      try await answers(45) == [
        "dev01 readmission-risk v1 certain", "dev01 sepsis-warning v1 possible", "dev02 los v1 possible",
        "dev02 – unknown",
      ])
    #expect(
      try await answers(30) == [
        "dev01 readmission-risk v1 possible", "dev01 readmission-risk v2 possible", "dev02 los v1 possible",
        "dev02 – unknown",
      ])
    // after the last reading: what was so is still possible, and there may be others
    let late = try await answers(90)
    #expect(late.contains("dev01 – unknown"))
    #expect(late.contains("dev01 readmission-risk v1 possible"))
    #expect(!late.contains { $0.contains("certain") })
  }

  @Test("tells a model's history event by event, with what each brought about")
  func timeline() async throws {
    let sample = try await SampleHistory.append()
    defer { Task { await sample.pool.close() } }
    let lines = try await Catalog(sample.pool).history(of: risk, in: "dev01")
    #expect(
      lines.map { "\($0.sequence) \($0.what)" } == [
        "2 v1 registered",
        "3 v1 → Production: v1 is current",
        "7 v1 exported: 3 files, 1001 bytes",
        "8 v1 imported as dev01.readmission-risk version 1",
        "9 dev01.readmission-risk version 1 can be loaded (promotion)",
        "10 v2 registered",
        "11 v2 → Production: v2 is current",
        "13 v2 exported: 3 files, 2001 bytes",
        "14 v2 imported as dev01.readmission-risk version 2",
        "15 dev01.readmission-risk version 2 can be loaded (promotion)",
        "17 v2 → Archived: v1 is current",
        "19 dev01.readmission-risk version 1 can be loaded (rollback)",
      ])
    #expect(lines.first { $0.sequence == 17 }?.happened == range(20, 40))
  }
}
