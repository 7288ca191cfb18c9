import Marketplace
import Testing

@Suite("What has to be exported and imported")
struct TransferDecisionTests {
  private static let week = WorkspaceState.permanentRetryMilliseconds

  private func promoted() throws -> (SourceWorld, ModelState, Int64) {
    var world = try SourceWorld()
    world.register("risk", stage: "Production")
    world.register("risk")
    world.register("draft")
    world.observe()
    let model = try #require(world.model("risk"))
    return (world, model, try #require(model.versions[1]?.created))
  }

  private func failed(
    _ model: ModelState, created: Int64, code: String = "export_empty", generation: Int = 1,
    exportID: String? = nil, target: String? = nil, retriable: Bool = false
  ) -> TransferFailed {
    TransferFailed(
      model: model.id.text, name: model.name, version: 1, created: created, generation: generation,
      exportID: exportID, target: target, code: code, message: "m", retriable: retriable)
  }

  @Test("is an export of every current version that has none, and of nothing else")
  func exports() throws {
    var (world, model, created) = try promoted()
    #expect(world.state.exportsDue(now: 0, retryFailed: false).map(\.version.number) == [1])
    world.append(.exported(model, version: 1, created: created))
    #expect(world.state.exportsDue(now: 0, retryFailed: false) == [])
  }

  @Test("can be asked of one model")
  func ofOneModel() throws {
    var (world, model, created) = try promoted()
    world.register("other", stage: "Production")
    world.observe()
    let other = try #require(world.model("other"))
    #expect(world.state.exportsDue(now: 0, retryFailed: false).count == 2)
    let due = world.state.exportsDue(of: other.id, now: 0, retryFailed: false)
    #expect(due.map(\.model.id) == [other.id])
    world.append(.exported(model, version: 1, created: created))
    #expect(world.state.exportsDue(of: model.id, now: 0, retryFailed: false) == [])
    #expect(world.state.importsDue(of: model.id, target: "marketplace", now: 0, retryFailed: false).count == 1)
    #expect(world.state.importsDue(of: other.id, target: "marketplace", now: 0, retryFailed: false) == [])
  }

  @Test("is the next generation of an export that was found rotten")
  func invalidated() throws {
    var (world, model, created) = try promoted()
    world.append(.exported(model, version: 1, created: created))
    world.append(
      .exportInvalidated(
        ExportInvalidated(
          model: model.id.text, name: "risk", version: 1, created: created, generation: 1,
          exportID: "export-1-1", reason: "rotten")))
    let due = world.state.exportsDue(now: 0, retryFailed: false)
    #expect(due.map(\.version.exportGeneration) == [2])
  }

  @Test("is an import of what is exported and current, however old, and of nothing that is not promoted any more")
  func imports() throws {
    var (world, model, created) = try promoted()
    #expect(world.state.importsDue(target: "marketplace", now: 0, retryFailed: false) == [])
    world.append(.exported(model, version: 1, created: created))
    let later = 100 * Self.week
    #expect(
      world.state.importsDue(target: "marketplace", now: later, retryFailed: false).map(\.version.number) == [1])
    world.move("risk", 1, to: "Archived")
    world.observe()
    #expect(world.state.importsDue(target: "marketplace", now: later, retryFailed: false) == [])
    world.move("risk", 1, to: "Production")
    world.observe()
    world.append(.imported(model, version: 1, created: created, as: 1))
    #expect(world.state.importsDue(target: "marketplace", now: later, retryFailed: false) == [])
    #expect(world.state.importsDue(target: "second", now: later, retryFailed: false).count == 1)
    world.append(.lost(model, version: 1, created: created, as: 1))
    let due = world.state.importsDue(target: "marketplace", now: later, retryFailed: false)
    #expect(due.map { $0.version.imports["marketplace"]?.generation } == [2])
  }

  @Test("is nothing in a workspace that was disconnected")
  func disconnected() throws {
    var (world, _, _) = try promoted()
    world.append(.workspaceDisconnected(WorkspaceDisconnected()))
    #expect(world.state.exportsDue(now: 0, retryFailed: true) == [])
  }

  @Test("is held back for a week to the millisecond after a failure that a retry cannot mend")
  func held() throws {
    var (world, model, created) = try promoted()
    world.append(.exportFailed(failed(model, created: created)), recordedAt: 1_000)
    let held = world.state.exportsDue(now: 1_000 + Self.week - 1, retryFailed: false)
    #expect(held.map { $0.held?.data.code } == ["export_empty"])
    let tried = world.state.exportsDue(now: 1_000 + Self.week, retryFailed: false)
    #expect(tried.map { $0.held == nil } == [true])
    let asked = world.state.exportsDue(now: 1_001, retryFailed: true)
    #expect(asked.map { $0.held == nil } == [true])
  }

  @Test("is tried by every run after a failure that may pass")
  func retriable() throws {
    var (world, model, created) = try promoted()
    world.append(.exportFailed(failed(model, created: created, retriable: true)), recordedAt: 1_000)
    #expect(world.state.exportsDue(now: 1_001, retryFailed: false).map { $0.held == nil } == [true])
  }

  @Test("is an import of a new export at once, whatever became of the one before it")
  func otherExport() throws {
    var (world, model, created) = try promoted()
    world.append(.exported(model, version: 1, created: created))
    world.append(
      .importFailed(failed(model, created: created, code: "digest", exportID: "export-1-1", target: "marketplace")),
      recordedAt: 1_000)
    #expect(
      world.state.importsDue(target: "marketplace", now: 1_001, retryFailed: false).map { $0.held != nil } == [true])
    world.append(.exported(model, version: 1, created: created, generation: 2))
    #expect(
      world.state.importsDue(target: "marketplace", now: 1_001, retryFailed: false).map { $0.held == nil } == [true])
  }

  @Test("makes news of a failure when it is the first, has another reason, generation or export, or a week has passed")
  func news() throws {
    let (_, model, created) = try promoted()
    let known = TransferFailure.given(failed(model, created: created), recordedAt: 1_000, in: model)
    let same = failed(model, created: created)
    #expect(VersionState.isNews(same, after: nil, now: 1_000))
    #expect(!VersionState.isNews(same, after: known, now: 1_000 + Self.week - 1))
    #expect(VersionState.isNews(same, after: known, now: 1_000 + Self.week))
    #expect(VersionState.isNews(failed(model, created: created, code: "other"), after: known, now: 1_001))
    #expect(VersionState.isNews(failed(model, created: created, generation: 2), after: known, now: 1_001))
    #expect(VersionState.isNews(failed(model, created: created, exportID: "x"), after: known, now: 1_001))
    let passing = TransferFailure.given(
      failed(model, created: created, retriable: true), recordedAt: 1_000, in: model)
    #expect(
      !VersionState.isNews(
        failed(model, created: created, retriable: true), after: passing, now: 1_000 + 2 * Self.week))
  }

  @Test("never mixes up a version with one created before it under its number")
  func identity() throws {
    var (world, model, created) = try promoted()
    world.append(.exported(model, version: 1, created: created))
    world.register("risk", number: 1, stage: "Production")
    world.observe()
    #expect(world.state.exportsDue(now: 0, retryFailed: false).map(\.version.number) == [1])
    world.append(.exported(model, version: 1, created: created, generation: 2))
    #expect(world.state.exportsDue(now: 0, retryFailed: false).count == 1)
  }
}

extension TransferFailure {
  /// What a history keeps of a failure.
  fileprivate static func given(_ data: TransferFailed, recordedAt: Int64, in model: ModelState) -> TransferFailure? {
    guard var world = try? SourceWorld() else { return nil }
    world.register("risk")
    world.observe()
    guard let id = world.model("risk")?.id, let created = world.model("risk")?.versions[1]?.created else { return nil }
    var data = data
    data.model = id.text
    data.created = created
    world.append(.exportFailed(data), recordedAt: recordedAt)
    return world.model("risk")?.versions[1]?.exportFailure
  }
}
