import Marketplace
import Testing

@Suite("Workspace ids")
struct WorkspaceIDTests {
  @Test("are 1 to 63 of a–z, 0–9 and '-'", arguments: ["a", "0", "-", "dev-01", String(repeating: "x", count: 63)])
  func legal(_ text: String) throws {
    #expect(try WorkspaceID(text).text == text)
  }

  @Test(
    "are nothing else, and the refusal names id and rule",
    arguments: [
      "", String(repeating: "x", count: 64), "Dev01", "dev_01", "dev.01", "dev 01", "dev01\n", "dév", "dev/01", "ⅰ",
      "dev01\0",
    ])
  func illegal(_ text: String) {
    let error = #expect(throws: DomainError.self) { try WorkspaceID(text) }
    #expect(error?.code == .invalidWorkspaceID)
    #expect(error?.message.contains("'\(text)'") == true)
    #expect(error?.message.contains("1 to 63") == true)
  }

  @Test("are ordered by bytes, as the ledger orders them")
  func order() throws {
    let sorted = try ["b", "a-", "a", "a0", "-"].map { try WorkspaceID($0) }.sorted()
    #expect(sorted.map(\.text) == ["-", "a", "a-", "a0", "b"])
  }
}
