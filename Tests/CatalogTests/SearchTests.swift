import Foundation
import Ledger
import Postgres
import TestSupport
import Testing

@testable import Catalog

@Suite("Searching the catalog")
struct SearchTests {
  private static func entry(
    _ name: String, workspace: String = "dev01", state: CatalogEntry.State = .available, description: String? = nil,
    owner: String? = nil, flavors: [String] = ["sklearn"], bytes: Int = 1, since: Int64 = 0
  ) -> CatalogEntry {
    CatalogEntry(
      workspace: workspace, model: UUID(), name: name, marketplaceName: "\(workspace).\(name)", state: state,
      since: Timestamp(microseconds: since), description: description, owner: owner, flavors: flavors,
      export: CatalogEntry.Export(id: UUID(), bytes: bytes), sequence: 1, recordedAt: Timestamp(microseconds: since))
  }

  private static let snapshot = CatalogSnapshot([
    entry(
      "readmission-risk", description: "Chance that a patient comes back within 30 days.", owner: "cardiology",
      bytes: 7, since: 3),
    entry(
      "sepsis-alert", state: .supersededPending, description: "Warns of sepsis; see readmission-risk too.",
      owner: "icu", since: 9),
    entry(
      "Diab\u{e8}te \u{2013} progression", workspace: "dev02", description: "\u{C9}volution \u{e0} un an",
      flavors: ["sklearn", "python_function"], bytes: 3),
    entry("length-of-stay", workspace: "dev02", state: .pending, owner: "icu", flavors: ["xgboost"]),
  ])

  private static func found(
    _ text: String, _ wanted: [CatalogQuery.Facet: Set<String>] = [:], _ order: CatalogQuery.Order = .relevance
  ) -> [String] {
    snapshot.answer(CatalogQuery(text: text, wanted: wanted, order: order)).entries.map { $0.name ?? "" }
  }

  @Test("a name counts more than a mention, and all words have to be there")
  func ranking() {
    #expect(Self.found("readmission") == ["readmission-risk", "sepsis-alert"])
    #expect(Self.found("sepsis readmission") == ["sepsis-alert"])
    #expect(Self.found("readmission-risk patient") == ["readmission-risk"])
    #expect(Self.found("nowhere readmission").isEmpty)
  }

  @Test("beginnings, parts, case, accents and typing errors are forgiven; wildcards are not known")
  func forgiving() {
    #expect(Self.found("READM").first == "readmission-risk")
    #expect(Self.found("mission").contains("readmission-risk"))
    #expect(Self.found("readmision") == ["readmission-risk", "sepsis-alert"])
    #expect(Self.found("raedmission") == ["readmission-risk", "sepsis-alert"])
    #expect(
      Self.found("diabete").count == 1 && Self.found("DIAB\u{c8}TE").count == 1 && Self.found("evolution").count == 1)
    #expect(Self.found("length of stay") == ["length-of-stay"])
    // What one workspace holds is not taken for a typing error in another.
    #expect(Self.found("dev01").count == 2 && Self.found("dev09").count == 4)
    for nothing in ["%", "_", "*", "sep%is", "\u{202e}"] {
      #expect(Self.found(nothing) == (nothing == "sep%is" ? ["sepsis-alert"] : []), "\(nothing)")
    }
    #expect(Self.found("").count == 4 && Self.found("  ").count == 4)
  }

  @Test("a facet counts what everything else lets through, and shows what is chosen even where nothing has it")
  func facets() throws {
    let all = Self.snapshot.answer(CatalogQuery())
    #expect(
      all.facets[.workspace] == [
        .init(value: "dev01", count: 2, isWanted: false), .init(value: "dev02", count: 2, isWanted: false),
      ])
    #expect(all.facets[.flavor]?.first == .init(value: "sklearn", count: 3, isWanted: false))
    let icu = Self.snapshot.answer(CatalogQuery(wanted: [.owner: ["icu"]]))
    #expect(Set(icu.entries.compactMap(\.name)) == ["sepsis-alert", "length-of-stay"])
    #expect(icu.facets[.owner]?.map(\.value) == ["icu", "cardiology"])
    #expect(icu.facets[.workspace]?.map(\.count) == [1, 1])
    #expect(icu.facets[.flavor]?.map(\.value) == ["sklearn", "xgboost"])
    let two = CatalogQuery(wanted: [.owner: ["icu", "cardiology"], .workspace: ["dev01"]])
    #expect(Self.snapshot.answer(two).entries.count == 2)
    let none = Self.snapshot.answer(CatalogQuery(text: "sepsis", wanted: [.workspace: ["dev99"]]))
    #expect(none.entries.isEmpty)
    #expect(
      none.facets[.workspace] == [
        .init(value: "dev01", count: 1, isWanted: false), .init(value: "dev99", count: 0, isWanted: true),
      ])
  }

  @Test("orders are total, the same each time")
  func orders() {
    #expect(Self.found("", [:], .newest).first == "sepsis-alert")
    #expect(Self.found("", [:], .largest).prefix(2) == ["readmission-risk", "Diab\u{e8}te \u{2013} progression"])
    #expect(Self.found("", [:], .name).first == "readmission-risk")
    for order in CatalogQuery.Order.allCases { #expect(Self.found("", [:], order) == Self.found("", [:], order)) }
  }

  @Test("no text, however long or strange, is more than a question", arguments: 0..<40)
  func anything(seed: Int) {
    var chance = Seeded(seed)
    let alphabet = Array("ab\u{e9}\u{0}\u{a}\u{1F9EC} %-.'\"<\u{202e}\u{fffd}".unicodeScalars)
    var text = ""
    for _ in 0..<Int.random(in: 0...300, using: &chance) {
      text.unicodeScalars.append(alphabet.randomElement(using: &chance) ?? "a")
    }
    #expect(Self.snapshot.answer(CatalogQuery(text: text)).entries.count <= 4)
    #expect(SearchWords.of(text).allSatisfy { !$0.isEmpty && $0.count <= SearchWords.wordBytesMax })
  }

  @Test("nearness is symmetric, and exact within its bound")
  func nearness() {
    func isNear(_ a: String, _ b: String, _ most: Int) -> Bool {
      SearchWords.isNear(Array(a.utf8)[...], Array(b.utf8), within: most)
    }
    for (a, b, distance) in [
      ("", "", 0), ("ab", "ba", 1), ("sepsis", "sepsi", 1), ("sepsis", "speszis", 2), ("risk", "wirks", 3),
      ("abc", "xyz", 3),
    ] {
      for most in 0...3 {
        #expect(isNear(a, b, most) == (distance <= most), "\(a) \(b) \(most)")
        #expect(isNear(b, a, most) == (distance <= most), "\(b) \(a) \(most)")
      }
    }
  }
}
