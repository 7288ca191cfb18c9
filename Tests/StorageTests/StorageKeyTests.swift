import Storage
import Testing

@Suite("Storage keys")
struct StorageKeyTests {
  @Test(
    "cannot leave their store",
    arguments: [
      "..", ".", "", "a/../b", "../a", "a/..", "a//b", "/a", "a/", "a/./b", "a\0b", "/etc/passwd", "//",
    ])
  func traversal(_ path: String) throws {
    let base = try StorageKey(["exports"])
    let error = #expect(throws: StorageError.self) { try base.appending(path) }
    #expect(error?.code == .illegalKey)
    #expect(error?.message.contains("'..'") == true)
  }

  @Test("have components without a slash", arguments: [["a/b"], ["a", "../b"], ["/"], []])
  func components(_ components: [String]) {
    let error = #expect(throws: StorageError.self) { try StorageKey(components) }
    #expect(error?.code == .illegalKey)
  }

  @Test(
    "may hold what only looks dangerous", arguments: ["...", "..a", "a..", " ", "~", "*", "a\\..\\b", "-rf", "\n", "🧬"])
  func harmless(_ component: String) throws {
    #expect(try StorageKey(["exports"]).appending(component).path == "exports/\(component)")
  }

  @Test("have components of at most 255 bytes, and 1,024 bytes in all")
  func length() throws {
    let longest = String(repeating: "é", count: 127) + "x"
    #expect(try StorageKey([longest]).path.utf8.count == 255)
    let error = #expect(throws: StorageError.self) { try StorageKey([longest + "x"]) }
    #expect(error?.code == .illegalKey)
    #expect(error?.message.contains("255") == true)
    let part = String(repeating: "a", count: 204)
    #expect(try StorageKey([part, part, part, part, part]).path.utf8.count == 1_024)
    let whole = #expect(throws: StorageError.self) { try StorageKey([part, part, part, part, part + "a"]) }
    #expect(whole?.code == .illegalKey)
    #expect(whole?.message.contains("1025") == true)
  }

  @Test("are told apart byte for byte")
  func bytes() throws {
    let composed = try StorageKey(["é"])
    let decomposed = try StorageKey(["e\u{301}"])
    #expect(composed != decomposed)
    #expect(Set([composed, decomposed]).count == 2)
    #expect(decomposed < composed)
  }
}
