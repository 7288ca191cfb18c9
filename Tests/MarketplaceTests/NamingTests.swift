import Foundation
import Testing

@testable import Marketplace

@Suite("The name template")
struct NameTemplateTests {
  private let workspace = Result { try WorkspaceID("dev01") }

  @Test(
    "must hold both placeholders once",
    arguments: [
      "", "{model}", "{workspace}", "{workspace}.{workspace}.{model}",
      "{workspace}{model}{model}", "{Workspace}.{model}",
    ])
  func placeholders(_ text: String) {
    let error = #expect(throws: DomainError.self) { try NameTemplate(text) }
    #expect(error?.code == .invalidNameTemplate)
    #expect(error?.message.contains("{workspace}.{model}") == true)
  }

  @Test(
    "puts the workspace and the model where it says",
    arguments: [
      ("{workspace}.{model}", "dev01.risk"), ("{model} of {workspace}", "risk of dev01"),
      ("{workspace}{model}", "dev01risk"), ("team.{model}@{workspace}", "team.risk@dev01"),
    ])
  func fills(_ text: String, _ expected: String) throws {
    #expect(try NameTemplate(text).name(workspace: workspace.get(), model: "risk").text == expected)
  }

  @Test("leaves a model alone that is called like a placeholder", arguments: ["{workspace}", "{model}", "{{model}}"])
  func hostileModel(_ model: String) throws {
    #expect(try NameTemplate.standard.name(workspace: workspace.get(), model: model).text == "dev01.\(model)")
    #expect(
      try NameTemplate("{model}.{workspace}").name(workspace: workspace.get(), model: model).text
        == "\(model).dev01")
  }

  @Test(
    "refuses what MLflow would refuse, naming the character",
    arguments: [
      ("a/b", "U+2F"), ("a:b", "U+3A"), ("a\nb", "U+A"), ("a\u{7f}b", "U+7F"), ("a\0b", "U+0"),
    ])
  func illegal(_ model: String, _ character: String) {
    let error = #expect(throws: DomainError.self) {
      try NameTemplate.standard.name(workspace: workspace.get(), model: model)
    }
    #expect(error?.code == .illegalName)
    #expect(error?.message.contains(character) == true)
  }

  @Test("takes what MLflow takes", arguments: ["naïve 🧬", "a.b", "x; drop table y", "..", " ", "\u{202e}abc"])
  func legal(_ model: String) throws {
    #expect(try NameTemplate.standard.name(workspace: workspace.get(), model: model).text == "dev01.\(model)")
  }

  @Test("counts characters as MLflow's database does: 256 scalars are taken, 257 are not")
  func length() throws {
    let longest = String(repeating: "e\u{301}", count: 125)
    let name = try NameTemplate.standard.name(workspace: workspace.get(), model: longest)
    #expect(name.text.unicodeScalars.count == 256)
    let error = #expect(throws: DomainError.self) {
      try NameTemplate.standard.name(workspace: workspace.get(), model: longest + "x")
    }
    #expect(error?.code == .illegalName)
    #expect(error?.message.contains("257") == true)
  }
}

@Suite("Marketplace names are compared")
struct MarketplaceNameTests {
  @Test(
    "as equal when they differ only in case or in how accents are written",
    arguments: [
      ["Risk", "RISK", "risk"],
      ["naïve", "nai\u{308}ve", "NAÏVE", "NAI\u{308}VE"],
      ["straße", "STRASSE", "strasse", "STRAẞE", "straẞe"],
      ["ΣΊΣΥΦΟΣ", "σίσυφος", "σίσυφοσ", "Σίσυφοσ"],
      ["Å", "\u{212b}", "A\u{30a}", "å"],
      ["ﬁt", "FIT", "fit"],
      ["ᾳ", "ᾼ", "αι", "ΑΙ", "α\u{345}"],
      ["K", "\u{212a}", "k"],
      ["q\u{307}\u{323}", "q\u{323}\u{307}", "Q\u{307}\u{323}"],
      ["ǆ", "ǅ", "Ǆ"],
    ])
  func equal(_ names: [String]) {
    let folded = Set(names.map { Array(MarketplaceName($0).folded.utf8) })
    #expect(folded.count == 1)
  }

  @Test(
    "as different when they look different",
    arguments: [
      ["risk", "risk ", "r\u{131}sk2"], ["🧬", "🧪", "🧬\u{fe0f}"], ["👩‍⚕️", "👨‍⚕️", "👩"], ["e", "é", "è"],
      ["σ", "ς ", "s"], ["ss", "s"], ["а", "a"],
    ])
  func different(_ names: [String]) {
    let folded = Set(names.map { Array(MarketplaceName($0).folded.utf8) })
    #expect(folded.count == names.count)
  }

  @Test("with Turkish letters: ı meets i and I, whose capital it shares; İ stays apart, on every machine alike")
  func turkish() {
    #expect(MarketplaceName("ı").folded == MarketplaceName("I").folded)
    #expect(MarketplaceName("i").folded == MarketplaceName("I").folded)
    #expect(!MarketplaceName("İ").folded.isExactly(MarketplaceName("i").folded))
    #expect(MarketplaceName("İ").folded.isExactly(MarketplaceName("i\u{307}").folded))
  }

  @Test("the same in upper, lower and title case, composed or not, and folded again, for every character there is")
  func everyCharacter() {
    let scalars = (UInt32(0)...0x10ffff).lazy.compactMap(Unicode.Scalar.init).filter { scalar in
      let properties = scalar.properties
      return properties.changesWhenNFKCCaseFolded || properties.changesWhenUppercased
        || properties.changesWhenLowercased || properties.changesWhenTitlecased
    }
    let astray = scalars.filter { scalar in
      let text = String(scalar)
      let folded = MarketplaceName.fold(text)
      let mapped = [
        scalar.properties.uppercaseMapping, scalar.properties.lowercaseMapping,
        scalar.properties.titlecaseMapping, text.decomposedStringWithCanonicalMapping,
        text.precomposedStringWithCanonicalMapping, folded,
      ]
      return mapped.contains { !$0.isExactly(text) && !MarketplaceName.fold($0).isExactly(folded) }
    }
    #expect(astray.map { "U+\(String($0.value, radix: 16))" } == [])
  }

  @Test("in a stream that is never longer than the ledger takes, one for each name")
  func stream() throws {
    #expect(MarketplaceName("dev01.Risk").stream == "name/dev01.risk")
    let long = String(repeating: "\u{10ffff}", count: 250)
    let streams = [long, long + "a", long + "b"].map { MarketplaceName($0).stream }
    #expect(Set(streams).count == 3)
    let isShort = streams.allSatisfy { $0.utf8.count <= 400 && $0.hasPrefix("name/#") }
    #expect(isShort)
  }

  @Test("a name's stream bears the name up to 400 bytes")
  func streamBound() {
    let name = String(repeating: "n", count: 400 - "name/".utf8.count)
    #expect(MarketplaceName(name).stream == "name/\(name)")
    #expect(MarketplaceName(name + "n").stream.hasPrefix("name/#"))
  }
}
