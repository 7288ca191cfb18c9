import Foundation
import Ledger
import Marketplace
import Registry
import Storage
import Synchronization
import TestSupport
import Testing

@testable import Transfer

@Suite("A collection of what nobody needs", .enabled(if: MLflowServers.three != nil))
struct StorageCollectionTests {
  /// A world with one live export of `m`, and what happened to others.
  private struct Leftovers {
    var world: TestWorld
    /// An export that no event and no claim names.
    var orphan: String
    /// An export that was given up and made again.
    var givenUp: String
    var live: [String]
    var upload: any StorageUpload
  }

  private func folder(_ world: TestWorld, _ name: String, _ id: UUID = UUID()) throws -> StorageKey {
    try StorageKey(["exports", "dev01", name, "1-\(id.uuidString.lowercased())"])
  }

  private func leftovers(in store: ExportStore) async throws -> Leftovers {
    let world = try await TestWorld.make(in: store)
    try await world.train("m", [("a.bin", patternedBytes(3_000))])
    try await world.train("rotten", [("a.bin", patternedBytes(3_000))])
    _ = try await world.sync([.observe, .export])
    let given = try await world.export("rotten")
    try await world.put([1], at: world.key(of: "a.bin", in: given))
    _ = try await CheckJob(
      context: world.context(), workspaces: [WorkspaceID("dev01")], target: nil, readsData: true, repairs: true
    ).run()
    _ = try await world.sync([.observe, .export])
    let orphan = try folder(world, "m")
    for path in ["manifest.json", "model.json", "r/artifacts/a.bin"] {
      try await world.put(Array(path.utf8), at: orphan.appending(path))
    }
    let place = try await ExportFolder(uri: world.export("m").uri, in: world.storage).key
    let upload = try await world.storage.upload(to: place.appending("late.bin"))
    // An upload to S3 shows once its first part has been begun.
    for _ in 0..<10 { try await upload.write(patternedBytes(1_048_576)) }
    let live = [try await world.export("m"), try await world.export("rotten")]
    return Leftovers(
      world: world, orphan: orphan.path, givenUp: try ExportFolder(uri: given.uri, in: world.storage).key.path,
      live: try live.map { try ExportFolder(uri: $0.uri, in: world.storage).key.path }, upload: upload)
  }

  private func collect(_ world: TestWorld, deletes: Bool = true, days: Int = 7) async throws -> CollectionReport {
    try await StorageCollection(
      context: world.context(), workspaces: [WorkspaceID("dev01"), .marketplace], olderThan: .seconds(days * 86_400),
      deletes: deletes
    ).run()
  }

  /// The folders below `exports/dev01` that hold files.
  private func folders(_ world: TestWorld) async throws -> Set<String> {
    Set(
      try await world.storage.files(below: StorageKey(["exports"])).map {
        $0.key.components.prefix(4).joined(separator: "/")
      })
  }

  @Test(
    "takes orphans, exports given up that have a successor, and unfinished uploads, once they are old",
    arguments: ExportStore.available)
  func everything(_ store: ExportStore) async throws {
    let left = try await leftovers(in: store)
    let world = left.world
    let before = try await folders(world)
    // Too young, all of it.
    let young = try await collect(world, deletes: false)
    // moto says of every upload that it was begun in 2010.
    #expect(young.items.allSatisfy { store == .moto && $0.reason == .unfinished })
    #expect(young.kept == [.live: 2, .young: 2])
    world.clock.advance(days: 8)

    let plan = try await collect(world, deletes: false)
    let reasons = Dictionary(uniqueKeysWithValues: plan.items.map { ($0.reason, $0.path) })
    #expect(plan.items.count == 3)
    #expect(reasons[.orphan] == left.orphan)
    #expect(reasons[.givenUp] == left.givenUp)
    #expect(reasons[.unfinished]?.hasPrefix(left.live[0]) == true)
    #expect(plan.items.allSatisfy { $0.outcome == .planned })
    #expect(plan.kept == [.live: 2])
    #expect(plan.folders == 4 && plan.unknownCount == 0)
    #expect(try await folders(world) == before)

    let done = try await collect(world)
    #expect(done.counts == [.collected: 3])
    #expect(done.bytes == plan.bytes)
    #expect(try await folders(world) == Set(left.live))
    #expect(try await world.storage.unfinishedUploads(below: StorageKey(["exports"])).isEmpty)
    #expect(try await world.findings().isEmpty)
    #expect(try await collect(world).items.isEmpty)
    if store == .file {
      #expect(!FileManager.default.fileExists(atPath: "\(world.storageRoot)/\(left.orphan)"))
    }
    await left.upload.abandon()
    #expect(try await world.sync().isClean)
  }

  @Test("tells what it does not know, and touches none of it")
  func unknown() async throws {
    let world = try await TestWorld.make(in: .file)
    try await world.train("m", [])
    _ = try await world.sync([.observe, .export])
    let id = UUID().uuidString.lowercased()
    let strange = [
      "exports/readme.txt", "exports/dev01/notes.txt", "exports/dev01/m/hand-made/x",
      "exports/dev01/m/1-\(id.uppercased())/x", "exports/dev01/m/01-\(id)/x", "exports/dev01/m/1-\(id)",
      "exports/dev01/nobody/1-\(id)/x", "exports/other/m/1-\(id)/x", "exports/Dev 01/m/1-\(id)/x",
    ]
    for path in strange { try await world.put([1], at: StorageKey(path.split(separator: "/").map(String.init))) }
    // A copy of a live export, made by hand under another model's name.
    let live = try await world.export("m")
    try await world.put([1], at: StorageKey(["elsewhere", "x"]))
    try FileManager.default.createSymbolicLink(
      atPath: "\(world.storageRoot)/exports/dev01/link", withDestinationPath: "/etc")
    world.clock.advance(days: 400)
    let before = try world.stored()
    let report = try await collect(world)
    #expect(report.items.isEmpty)
    // Folders whose workspace or model the ledger does not know are told by their own path.
    let told = strange.map { path in
      path.contains("nobody") || path.contains("/other/") ? String(path.dropLast(2)) : path
    }
    #expect(Set(report.unknown) == Set(told + ["exports/dev01/link"]))
    #expect(report.unknownCount == strange.count + 1)
    #expect(report.kept[.live] == 1 && report.kept[.unknown] == 2)
    #expect(try world.stored() == before)
    #expect(try await world.export("m") == live)
  }

  // MARK: Claims

  /// A world whose model is observed, claimed and begun to be copied, as a killed export leaves it.
  private func begun() async throws -> (TestWorld, StorageKey, VersionIdentity) {
    let world = try await TestWorld.make(in: .file)
    try await world.train("other", [])
    _ = try await world.sync([.observe, .export])
    try await world.train("m", [("a.bin", patternedBytes(2_000_000))])
    _ = try await world.sync(.observe)
    let state = try await world.state()
    let due = try #require(state.exportsDue(now: world.clock.now(), retryFailed: true).first)
    let identity = VersionIdentity(state.workspace, due.model, due.version)
    let id = try await ExportClaim.exportID(of: identity, generation: 1, fresh: UUID(), in: world.pool)
    let folder = try ExportFolder(identity, name: "m", exportID: id).key
    try await world.put(Training.mlmodel, at: folder.appending("model/MLmodel"))
    world.clock.advance(days: 400)
    return (world, folder, identity)
  }

  @Test("leaves an export that was begun and is still to be made, however old it seems")
  func underWay() async throws {
    let (world, folder, _) = try await begun()
    let report = try await collect(world)
    #expect(report.items.isEmpty)
    #expect(report.kept == [.live: 1, .underWay: 1])
    #expect(try await world.storage.size(of: folder.appending("model/MLmodel")) != nil)
  }

  @Test("takes an export that was begun once its version needs none, and the next one begins in another folder")
  func deadAttempt() async throws {
    let (world, folder, identity) = try await begun()
    try await world.mlflow().shelve("m", 1)
    _ = try await world.sync(.observe)
    let report = try await collect(world)
    #expect(report.items.map(\.reason) == [.deadAttempt])
    #expect(report.items.map(\.outcome) == [.collected])
    #expect(try await world.storage.files(below: folder).isEmpty)
    let claim = try await ExportClaim.exportID(of: identity, generation: 1, fresh: UUID(), in: world.pool)
    #expect(!folder.path.hasSuffix(claim))
    try await world.mlflow().promote("m", 1)
    #expect(try await world.sync().isClean)
    #expect(try await world.export("m").uri.hasSuffix(claim))
    #expect(try await world.violations().isEmpty)
  }

  @Test("leaves a model alone that another run is working on")
  func busy() async throws {
    let (world, folder, identity) = try await begun()
    try await world.mlflow().shelve("m", 1)
    _ = try await world.sync(.observe)
    let locks = ModelLocks(context: world.context())
    let outcome = try await locks.ifFree(identity.model.stream) { _ in try await collect(world) }
    await locks.close()
    #expect(outcome?.items.map(\.outcome) == [.busy])
    #expect(try await world.storage.files(below: folder).count == 1)
  }

  @Test("leaves what an export finished between the look at storage and the lock")
  func finishedMeanwhile() async throws {
    let (world, folder, identity) = try await begun()
    try await world.mlflow().shelve("m", 1)
    _ = try await world.sync(.observe)
    let id = String(folder.components[3].dropFirst(2))
    let locks = HookedLocks(base: PostgresLockSessions(world.pool)) {
      let event = ModelExported(
        model: identity.model.text, name: "m", version: 1, created: identity.created, generation: 1, exportID: id,
        uri: "\(world.storage.location)/\(folder.path)", manifestSHA256: StreamDigest.of([1]).sha256,
        modelSHA256: StreamDigest.of([2]).sha256, files: 1, bytes: 1)
      _ = try await History(ledger: world.ledger, run: UUID()).append(
        [
          ProposedEvent(
            stream: identity.model.stream, expectedVersion: nil, id: identity.eventID("export", generation: 1),
            event: .modelExported(event))
        ], to: identity.workspace)
    }
    let base = world.context()
    let context = JobContext(
      ledger: base.ledger, memory: base.memory, locks: locks, storage: base.storage, run: base.run, now: base.now,
      randomID: base.randomID, options: base.options, progress: base.progress, isStopping: base.isStopping,
      pause: base.pause)
    let report = try await StorageCollection(
      context: context, workspaces: [identity.workspace], olderThan: .seconds(7 * 86_400), deletes: true
    ).run()
    #expect(report.items.map(\.reason) == [.deadAttempt])
    #expect(report.items.map(\.outcome) == [.changed])
    #expect(try await world.storage.files(below: folder).count == 1)
  }

  // MARK: How

  @Test("two at once take everything once, and nothing that somebody needs")
  func twice() async throws {
    let left = try await leftovers(in: .file)
    left.world.clock.advance(days: 8)
    async let first = collect(left.world)
    async let second = collect(left.world)
    let reports = try await [first, second]
    let items = reports.flatMap(\.items)
    #expect(items.allSatisfy { [.collected, .busy, .changed].contains($0.outcome) })
    // Whatever one of them found busy, a third finds gone or takes.
    _ = try await collect(left.world)
    #expect(try await folders(left.world) == Set(left.live))
    #expect(try await left.world.findings().isEmpty)
    await left.upload.abandon()
  }

  @Test("takes the manifest of a folder first")
  func manifestFirst() async throws {
    let left = try await leftovers(in: .file)
    var world = left.world
    world.clock.advance(days: 8)
    let storage = InterposedStorage(world.storage)
    world.storage = storage
    _ = try await collect(world)
    for folder in [left.orphan, left.givenUp] {
      let deleted = storage.deleted.filter { $0.hasPrefix(folder) }
      #expect(deleted.count > 2)
      #expect(deleted.first == "\(folder)/manifest.json")
    }
    await left.upload.abandon()
  }

  @Test("keeps superseded exports, those of a workspace that is gone, and one given up without a successor")
  func kept() async throws {
    let world = try await TestWorld.make(in: .file)
    for number in 1...2 { try await world.train("m", [("a.bin", patternedBytes(3_000, seed: UInt8(number)))]) }
    try await world.mlflow().promote("m", 1)
    try await world.mlflow().shelve("m", 2)
    _ = try await world.sync([.observe, .export])
    try await world.mlflow().promote("m", 2)
    try await world.train("lonely", [("a.bin", patternedBytes(3_000))])
    _ = try await world.sync([.observe, .export])
    try await world.put([1], at: world.key(of: "a.bin", in: world.export("lonely")))
    _ = try await CheckJob(
      context: world.context(), workspaces: [WorkspaceID("dev01")], target: nil, readsData: true, repairs: true
    ).run()
    world.clock.advance(days: 30)
    let report = try await collect(world)
    #expect(report.items.isEmpty)
    #expect(report.kept == [.live: 2, .awaited: 1])

    try await world.disconnect("dev01")
    world.clock.advance(days: 30)
    let later = try await collect(world)
    // Nothing is promoted there any more, so what was given up awaits nothing.
    #expect(later.items.map(\.reason) == [.givenUp])
    #expect(later.kept == [.live: 2])
    #expect(try await world.findings().isEmpty)
  }

  @Test("refuses a store that is not the one, and has nothing to do before the first export")
  func otherStore() async throws {
    let world = try await TestWorld.make(in: .file)
    let empty = try await collect(world)
    #expect(empty.folders == 0 && empty.items.isEmpty)
    try await world.train("m", [])
    _ = try await world.sync([.observe, .export])
    try FileManager.default.removeItem(atPath: "\(world.storageRoot)/.marketplace-storage")
    await #expect(throws: StorageError.self) { try await collect(world) }
  }
}

/// Locks of a test, before the first of which something happens.
private struct HookedLocks: LockSessions {
  let base: any LockSessions
  let hook: @Sendable () async throws -> Void

  init(base: any LockSessions, hook: @escaping @Sendable () async throws -> Void) {
    self.base = base
    self.hook = hook
  }

  func open() async throws -> any LockSession {
    try await hook()
    return try await base.open()
  }
}

@Suite("Places in a store")
struct StoredPlaceTests {
  private func place(_ path: String) throws -> StoredPlace? {
    StoredPlace(of: try StorageKey(path.split(separator: "/").map(String.init)))
  }

  @Test("of our layout are told apart, others are none")
  func places() throws {
    let id = "0f8b7c52-5a3b-4a5e-9e55-0b8f3c6d1a2e"
    let found = try #require(try place("exports/dev01/m%2Fx/12-\(id)/r/artifacts/a"))
    #expect(found.version == 12 && found.exportID == id && found.modelFolder == "m%2Fx")
    #expect(found.key.path == "exports/dev01/m%2Fx/12-\(id)")
    for path in [
      "exports/dev01/m/12-\(id)", "exports/dev01/m/012-\(id)/a", "exports/dev01/m/0-\(id)/a", "exports/dev01/m/12-/a",
      "exports/dev01/m/\(id)/a", "exports/dev01/m/12-\(id.uppercased())/a", "exports/dev01/m/12-\(id)x/a",
      "exports/DEV/m/12-\(id)/a", "imports/dev01/m/12-\(id)/a", "exports/dev01/m/+12-\(id)/a",
      "exports/dev01/m/12\u{301}-\(id)/a",
    ] {
      #expect(try place(path) == nil, "\(path)")
    }
  }
}
