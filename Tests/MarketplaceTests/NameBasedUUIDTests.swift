import Foundation
import Testing

@testable import Marketplace

/// Each expected id of `make` was computed by Python:
///
/// ```python
/// uuid.uuid5(uuid.UUID("6d6f6465-6c2d-4d61-b26b-6574706c6163"), "".join(f"{len(f.encode())}:{f}" for f in facts))
/// ```
@Suite("Name-based ids")
struct NameBasedUUIDTests {
  @Test(
    "are those of RFC 9562",
    arguments: [
      ("www.example.com", "2ed6657d-e927-568b-95e1-2665a8aea6a2"),  // RFC 9562, appendix A.4
      ("python.org", "886313e1-3b8a-5372-9b90-0c9aee199e5d"),  // Python's documentation of uuid5
    ])
  func vectors(_ name: String, _ expected: String) throws {
    let dns = try #require(UUID(uuidString: "6ba7b810-9dad-11d1-80b4-00c04fd430c8"))
    #expect(NameBasedUUID.version5(of: Array(name.utf8), in: dns).uuidString.lowercased() == expected)
  }

  @Test(
    "of a list of facts are what Python computes",
    arguments: [
      ([], "562248c3-eb79-524d-822c-9efb2e03722e"),
      ([""], "ee8d2626-3348-57ce-a4f3-0e09b1b0c3bd"),
      (["", ""], "560cf5e3-d0ea-5b38-b1b4-2a4538d3b781"),
      (["model", "dev01", "readmission-risk", "1700000000123"], "2ba00c48-f46a-582f-bcaf-75b78f1dd219"),
      (["model", "dev01", "naïve 🧬", "0"], "c04ac6d5-16e7-5ca5-826f-3b2c5ae2fff5"),
      (["ab", "c"], "c236ad26-c64c-50ce-a23f-1ed064132817"),
      (["a", "bc"], "51327668-60d9-5147-95df-c13b60b5d7b8"),
      (["1:a"], "11bfb260-582f-5104-a5de-f161ca434597"),
    ])
  func facts(_ facts: [String], _ expected: String) {
    #expect(NameBasedUUID.make(facts).uuidString.lowercased() == expected)
  }

  @Test("tell apart lists that differ only in where one fact ends, and spellings that only look equal")
  func injective() {
    let lists = [["ab", "c"], ["a", "bc"], ["abc"], ["1:a", ""], ["1:a"], ["é"], ["e\u{301}"]]
    #expect(Set(lists.map(NameBasedUUID.make)).count == lists.count)
  }

  @Test("of a model and of a job's work are as documented, for ever")
  func identities() throws {
    let workspace = try WorkspaceID("dev01")
    let model = ModelID(workspace: workspace, name: "readmission-risk", created: 1_700_000_000_123)
    #expect(model.text == "2ba00c48-f46a-582f-bcaf-75b78f1dd219")
    #expect(model.stream == "model/2ba00c48-f46a-582f-bcaf-75b78f1dd219")
    #expect(ModelID(text: model.text.uppercased()) == model)
    let version = VersionIdentity(
      workspace: workspace, model: ModelID(text: "4cc09f6c-53d4-5b0f-8b0b-000000000000"), version: 2,
      created: 1_700_000_000_123)
    #expect(
      version.eventID("export", generation: 1).uuidString.lowercased()
        == "a5722176-7fb5-5b29-8b47-4e032cd10a7c")
    #expect(version.sourceKey(generation: 3) == "dev01/4cc09f6c-53d4-5b0f-8b0b-000000000000/2/1700000000123/3")
  }
}
