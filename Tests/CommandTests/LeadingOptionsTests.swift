import Testing

@testable import marketplace

@Suite("Global options before the command")
struct LeadingOptionsTests {
  @Test(
    "stand where the parser knows them",
    arguments: [
      (["--config", "a.yaml", "sync", "dev01"], ["sync", "dev01", "--config", "a.yaml"]),
      (["-q", "--output=json", "catalog", "list"], ["catalog", "list", "-q", "--output=json"]),
      (["--data", "/d", "events", "append", "--", "-x"], ["events", "append", "--data", "/d", "--", "-x"]),
      (["sync", "--config", "a.yaml"], ["sync", "--config", "a.yaml"]),
      (["--config"], ["--config"]),
      (["--help"], ["--help"]),
    ])
  func moved(given: [String], expected: [String]) {
    #expect(LeadingOptions.moved(given) == expected)
  }
}
