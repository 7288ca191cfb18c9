import Foundation
import Marketplace
import Testing

@Suite("Drift decision")
struct DriftDecisionTests {
  private let expected = ObservedPromotion(staged: [2], alias: 2)
  private let found = ObservedPromotion(staged: [1], alias: 2)

  private func told(_ found: ObservedPromotion, expected: ObservedPromotion) -> MarketplaceDriftFound {
    MarketplaceDriftFound(
      model: "m", name: "m", target: "marketplace", marketplaceName: "dev.m", kind: "promotion", found: found.text,
      expected: expected.text)
  }

  @Test("a registry that promotes what it should asks for nothing")
  func nothing() {
    #expect(DriftDecision(found: expected, expected: expected, told: nil) == nil)
  }

  @Test("a change by hand is news")
  func news() {
    #expect(DriftDecision(found: found, expected: expected, told: nil)?.isNews == true)
    #expect(DriftDecision(found: found, expected: expected, told: nil)?.found == found.text)
  }

  @Test("the same finding is told once, another one again")
  func once() {
    let same = DriftDecision(found: found, expected: expected, told: told(found, expected: expected))
    #expect(same?.isNews == false)
    let other = ObservedPromotion(staged: [], alias: nil)
    let another = DriftDecision(found: other, expected: expected, told: told(found, expected: expected))
    #expect(another?.isNews == true)
    let elsewhere = DriftDecision(found: found, expected: expected, told: told(found, expected: other))
    #expect(elsewhere?.isNews == true)
  }

  @Test("what was put back by half is the same finding")
  func halfway() {
    let start = ObservedPromotion(staged: [1, 3], alias: nil)
    for half in [ObservedPromotion(staged: [2], alias: nil), ObservedPromotion(staged: [1, 3], alias: 2)] {
      let decision = DriftDecision(found: half, expected: expected, told: told(start, expected: expected))
      #expect(decision?.isNews == false)
    }
    let none = ObservedPromotion(staged: [], alias: nil)
    let some = ObservedPromotion(staged: [3], alias: nil)
    #expect(DriftDecision(found: some, expected: none, told: told(start, expected: none))?.isNews == false)
    let more = ObservedPromotion(staged: [3, 4], alias: nil)
    #expect(DriftDecision(found: more, expected: none, told: told(start, expected: none))?.isNews == true)
  }

  @Test("a finding that was put back and not settled is settled")
  func settle() {
    let decision = DriftDecision(found: expected, expected: expected, told: told(found, expected: expected))
    #expect(decision?.isNews == false)
    #expect(decision?.found == found.text)
  }
}

@Suite("Promotion rule")
struct PromotionRuleTests {
  private func text(_ rule: PromotionRule) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    return String(decoding: try encoder.encode(rule), as: UTF8.self)
  }

  @Test("what goes without saying is not written, and a rule that says nothing means the current version")
  func coding() throws {
    #expect(try text(.standard) == #"{"aliases":["champion"],"stages":["Production"]}"#)
    let all = PromotionRule(aliases: [], stages: ["Production"], versions: .all)
    #expect(try text(all) == #"{"aliases":[],"stages":["Production"],"versions":"all"}"#)
    for rule in [all, .standard] {
      #expect(try JSONDecoder().decode(PromotionRule.self, from: Data(try text(rule).utf8)) == rule)
    }
  }
}

@Suite("A version replaced and restored")
struct ReplacedVersionTests {
  @Test("a version that gets its number back has its export and import back, and what was told meanwhile")
  func restored() throws {
    let workspace = try WorkspaceID("dev01")
    let id = ModelID(workspace: workspace, name: "m", created: 1)
    var draft = EventDraft(on: WorkspaceState(workspace: workspace))
    func register(_ created: Int64) {
      draft.add(
        .modelVersionRegistered(
          ModelVersionRegistered(
            model: id.text, name: "m", modelCreated: 1, version: 1, created: created, notAfter: created)),
        stream: id.stream, subject: "1")
    }
    register(10)
    let first = try #require(draft.state.models[id])
    draft.add(.exported(first, version: 1, created: 10), stream: id.stream, subject: "export")
    register(20)
    #expect(draft.state.models[id]?.versions[1]?.created == 20)
    #expect(draft.state.models[id]?.versions[1]?.export == nil)
    // A job that began before comes to its end.
    draft.add(.imported(first, version: 1, created: 10, as: 7), stream: id.stream, subject: "import")
    #expect(draft.state.models[id]?.versions[1]?.imports.isEmpty == true)
    register(10)
    let back = draft.state.models[id]?.versions[1]
    #expect(back?.created == 10)
    #expect(back?.export?.data.exportID == "export-1-1")
    #expect(back?.imports["marketplace"]?.live?.marketplaceVersion == 7)
    register(20)
    #expect(draft.state.models[id]?.versions[1]?.export == nil)
  }
}
