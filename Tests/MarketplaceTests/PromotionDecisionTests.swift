import Marketplace
import Testing

@Suite("What the marketplace has to promote")
struct PromotionDecisionTests {
  /// A world whose model's versions are in Production and imported, as the marketplace versions of these numbers.
  private func imported(_ versions: [Int: Int]) throws -> (SourceWorld, ModelState) {
    var world = try SourceWorld()
    for _ in 1...max(2, versions.keys.max() ?? 0) { world.register("risk", stage: "Archived") }
    world.observe()
    let model = try #require(world.model("risk"))
    for (version, number) in versions.sorted(by: { $0.key < $1.key }) {
      try transfer(version, as: number, in: &world, model)
    }
    return (world, model)
  }

  private func transfer(_ version: Int, as number: Int, in world: inout SourceWorld, _ model: ModelState) throws {
    let created = try #require(world.model("risk")?.versions[version]?.created)
    world.append(.exported(model, version: version, created: created))
    world.append(.imported(model, version: version, created: created, as: number))
  }

  private func change(_ world: SourceWorld) throws -> PromotionChange? {
    world.state.promotionChange(of: try #require(world.model("risk")), target: "marketplace")
  }

  /// Does what is due, as the job does.
  private func follow(_ world: inout SourceWorld) throws {
    guard let change = try change(world) else { return }
    world.append(change.event(target: "marketplace", name: "dev01.risk"))
  }

  private func promote(_ version: Int, in world: inout SourceWorld) {
    for other in world.models["risk"]?.versions.keys.sorted() ?? [] where other != version {
      if world.models["risk"]?.versions[other]?.stage == "Production" { world.move("risk", other, to: "Archived") }
    }
    world.move("risk", version, to: "Production")
    world.observe()
  }

  @Test("is nothing for a model that was never imported")
  func neverImported() throws {
    var (world, _) = try imported([:])
    promote(1, in: &world)
    #expect(try change(world) == nil)
    #expect(world.state.promotionChanges(target: "marketplace") == [])
  }

  @Test("is the current version once it is imported, and then nothing more")
  func promotion() throws {
    var (world, _) = try imported([1: 7])
    promote(1, in: &world)
    let due = try #require(try change(world))
    #expect(due.from == nil)
    #expect(due.to == 7)
    #expect(due.version == 1)
    #expect(due.cause == .promotion)
    try follow(&world)
    #expect(try change(world) == nil)
  }

  @Test("stays the predecessor until the successor is imported")
  func predecessor() throws {
    var (world, model) = try imported([1: 7])
    promote(1, in: &world)
    try follow(&world)
    promote(2, in: &world)
    #expect(try change(world) == nil)
    try transfer(2, as: 8, in: &world, model)
    let due = try #require(try change(world))
    #expect(due.from == 7)
    #expect(due.to == 8)
    #expect(due.cause == .promotion)
  }

  @Test("goes back to a version imported earlier as a rollback, without another import")
  func rollback() throws {
    var (world, _) = try imported([1: 7, 2: 8])
    promote(1, in: &world)
    try follow(&world)
    promote(2, in: &world)
    try follow(&world)
    promote(1, in: &world)
    #expect(world.state.importsDue(target: "marketplace", now: 0, retryFailed: false) == [])
    let due = try #require(try change(world))
    #expect(due.to == 7)
    #expect(due.version == 1)
    #expect(due.cause == .rollback)
  }

  @Test("is a promotion, not a rollback, when nothing was promoted in between")
  func promotedAgain() throws {
    var (world, _) = try imported([1: 7])
    promote(1, in: &world)
    try follow(&world)
    world.move("risk", 1, to: "Archived")
    world.observe()
    try follow(&world)
    promote(1, in: &world)
    #expect(try change(world)?.cause == .promotion)
    #expect(try change(world)?.to == 7)
  }

  @Test("is nothing for a model that came back while its successor lives on under another name, until that is gone")
  func displaced() throws {
    var world = try SourceWorld()
    world.register("risk", stage: "Production")
    world.observe()
    let first = try #require(world.model("risk"))
    try transfer(1, as: 7, in: &world, first)
    try follow(&world)
    let original = world.models.removeValue(forKey: "risk")
    world.observe()
    #expect(try change(world)?.cause == .withdrawal)
    try follow(&world)

    world.register("risk", stage: "Production")
    world.observe()
    let second = try #require(world.model("risk"))
    #expect(second.id != first.id)
    try transfer(1, as: 8, in: &world, second)
    try follow(&world)
    world.rename("risk", to: "other")
    world.models["risk"] = original
    world.observe()
    let returned = try #require(world.model("risk"))
    #expect(returned.id == first.id)
    #expect(world.current("risk") == 1)
    #expect(world.state.heir(of: returned, to: "dev01.risk")?.id == second.id)
    #expect(world.state.promotionChanges(target: "marketplace").isEmpty)

    world.models["other"] = nil
    world.observe()
    #expect(Set(world.state.promotionChanges(target: "marketplace").map(\.to)) == [nil, 7])
  }

  @Test("is nothing at once when the source promotes nothing")
  func withdrawal() throws {
    var (world, _) = try imported([1: 7])
    promote(1, in: &world)
    try follow(&world)
    world.move("risk", 1, to: "Archived")
    world.observe()
    let due = try #require(try change(world))
    #expect(due.from == 7)
    #expect(due.to == nil)
    #expect(due.version == nil)
    #expect(due.cause == .withdrawal)
  }

  @Test("is nothing at once when the workspace was disconnected")
  func disconnected() throws {
    var (world, _) = try imported([1: 7])
    promote(1, in: &world)
    try follow(&world)
    world.append(.workspaceDisconnected(WorkspaceDisconnected()))
    #expect(try change(world)?.cause == .withdrawal)
  }

  @Test("is nothing at once when the source deleted the predecessor, though its successor is not there yet")
  func deletedPredecessor() throws {
    var (world, _) = try imported([1: 7])
    promote(1, in: &world)
    try follow(&world)
    promote(2, in: &world)
    world.delete("risk", 1)
    world.observe()
    #expect(try change(world)?.cause == .withdrawal)
    #expect(try change(world)?.from == 7)
  }

  @Test("is nothing when the source deleted the promoted version and promotes no other")
  func deleted() throws {
    var (world, _) = try imported([1: 7])
    promote(1, in: &world)
    try follow(&world)
    world.delete("risk", 1)
    world.observe()
    #expect(try change(world)?.cause == .withdrawal)
  }

  @Test("goes when a version was created anew under the predecessor's number")
  func recreated() throws {
    var (world, _) = try imported([1: 7])
    promote(1, in: &world)
    try follow(&world)
    world.register("risk", number: 1, stage: "Production")
    world.observe()
    #expect(try change(world)?.cause == .withdrawal)
  }

  @Test("is the next import after the promoted one was lost")
  func lost() throws {
    var (world, model) = try imported([1: 7])
    promote(1, in: &world)
    try follow(&world)
    let created = try #require(world.model("risk")?.versions[1]?.created)
    world.append(.lost(model, version: 1, created: created, as: 7))
    #expect(world.model("risk")?.marketplace["marketplace"]?.available == nil)
    #expect(try change(world) == nil)
    world.append(.imported(model, version: 1, created: created, as: 9, generation: 2))
    #expect(try change(world)?.to == 9)
    #expect(try change(world)?.from == nil)
  }

  @Test("is not touched by the loss of another version")
  func otherLost() throws {
    var (world, model) = try imported([1: 7, 2: 8])
    promote(1, in: &world)
    try follow(&world)
    let created = try #require(world.model("risk")?.versions[2]?.created)
    world.append(.lost(model, version: 2, created: created, as: 8))
    #expect(world.model("risk")?.marketplace["marketplace"]?.available == 7)
    #expect(try change(world) == nil)
  }

  @Test("is said in words for the event of a change by hand")
  func words() {
    #expect(ObservedPromotion(staged: [3, 1], alias: nil).text == "stage: v1, v3; alias: none")
    #expect(ObservedPromotion.expected(2, stage: true, alias: true) == .init(staged: [2], alias: 2))
    #expect(ObservedPromotion.expected(2, stage: false, alias: true) == .init(staged: [], alias: 2))
    #expect(ObservedPromotion.expected(nil, stage: true, alias: true) == .init(staged: [], alias: nil))
    #expect(ObservedPromotion.expected(nil, stage: true, alias: true).text == "stage: none; alias: none")
  }
}

@Suite("The limit on withdrawals")
struct WithdrawalLimitTests {
  @Test(
    "lets three go, or a tenth",
    arguments: [
      (0, 0, true), (3, 0, true), (3, 3, true), (4, 4, false), (4, 39, false), (4, 40, true), (5, 40, false),
      (10, 100, true), (11, 100, false), (11, 110, true), (195, 1_950, true), (196, 1_950, false),
      (30, 300, true), (7, 70, true), (8, 79, false),
    ])
  func ordinary(_ count: Int, _ available: Int, _ isAllowed: Bool) {
    #expect(WithdrawalLimit(permitted: nil).allows(count, of: available) == isAllowed)
  }

  @Test(
    "is what the operator says, when one says so",
    arguments: [(0, 0, true), (1, 0, false), (5, 5, true), (6, 5, false)])
  func permitted(_ count: Int, _ permitted: Int, _ isAllowed: Bool) {
    #expect(WithdrawalLimit(permitted: permitted).allows(count, of: 1_000) == isAllowed)
    #expect(WithdrawalLimit(permitted: permitted).allows(count, of: 0) == isAllowed)
  }
}
