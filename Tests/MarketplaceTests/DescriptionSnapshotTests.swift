import Testing

@testable import Marketplace

@Suite("What the source says, within bounds")
struct DescriptionSnapshotTests {
  /// What the ledger takes of one event (`ledger.data_bytes_max()`).
  static let eventBytesMax = 1_048_576

  private static func snapshot(tags: [ExactText: String] = [:], description: String? = nil) -> ModelDescribed {
    ModelDescribed.snapshot(
      model: ModelID(text: "2ba00c48-f46a-582f-bcaf-75b78f1dd219"), name: String(repeating: "\u{1}", count: 2_000),
      version: .max, description: description, tags: tags)
  }

  @Test("fits into an event whatever the source holds, and says what was cut")
  func worst() throws {
    // One byte that takes six in JSON, and a key of its own for each entry.
    let long = String(repeating: "\u{1}", count: 120_000)
    let many = Dictionary(uniqueKeysWithValues: (0..<3_000).map { (ExactText("\($0)" + long.prefix(2_000)), long) })
    var described = Self.snapshot(tags: many.merging(["owner": long]) { $1 }, description: long)
    described.set(params: many)
    described.set(metrics: many.mapValues { _ in -.leastNormalMagnitude })
    described.set(flavors: many.keys.map(\.text))
    let part = String(repeating: "\u{1}", count: ModelDescribed.signatureBytesMax)
    described.set(signature: ["inputs": part, "outputs": long, "params": part, "other": "1"])
    described.set(runName: long)
    described.set(experiment: long)
    let json = try DomainEvent.modelDescribed(described).json()
    #expect(json.utf8.count < Self.eventBytesMax)
    #expect(json.utf8.count > Self.eventBytesMax / 4)
    #expect(
      described.cut == [
        "description", "experiment", "flavors", "metrics", "owner", "params", "run_name", "signature", "tags",
      ])
    #expect(try DomainEvent(type: "ModelDescribed", json: json) == .modelDescribed(described))
  }

  @Test("what fits is not marked")
  func ordinary() {
    var described = Self.snapshot(tags: ["owner": "alice", "marketplace.own": "x"], description: "d")
    described.set(params: ["C": "1"])
    described.set(metrics: ["auc": 0.5])
    described.set(flavors: ["sklearn", "python_function"])
    described.set(signature: ["inputs": "[]"])
    described.set(runName: "r")
    described.set(experiment: "e")
    #expect(described.cut == nil)
    #expect(described.owner == "alice" && described.tags == ["owner": "alice"])
    #expect(described.flavors == ["python_function", "sklearn"])
  }

  @Test("a number too close to zero for the ledger stands as text")
  func subnormal() throws {
    var described = Self.snapshot()
    described.name = "n"
    described.set(metrics: [
      "tiny": .leastNonzeroMagnitude, "small": .leastNormalMagnitude, "huge": .greatestFiniteMagnitude,
    ])
    let json = try DomainEvent.modelDescribed(described).json()
    #expect(json.contains(#""tiny":"5e-324""#))
    #expect(json.contains(#""small":2.2250738585072014e-308"#))
    #expect(try DomainEvent(type: "ModelDescribed", json: json) == .modelDescribed(described))
  }

  @Test("an accent written another way is another description")
  func spelling() {
    let composed = Self.snapshot(description: "\u{e9}")
    #expect(composed.saysTheSame(as: Self.snapshot(description: "\u{e9}")))
    #expect(!Self.snapshot(description: "e\u{301}").saysTheSame(as: composed))
  }
}
