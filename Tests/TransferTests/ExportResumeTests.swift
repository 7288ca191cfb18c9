import Foundation
import Ledger
import Marketplace
import Registry
import Storage
import TestSupport
import Testing

@testable import Transfer

/// What an export does with what an earlier attempt left.
@Suite("Exports that were begun before", .enabled(if: MLflowServers.three != nil))
struct ExportResumeTests {
  /// A world whose model is observed and claimed, with the folder that the claim names.
  private func claimed(_ name: String) async throws -> (TestWorld, ExportFolder, String) {
    let world = try await TestWorld.make("dev01")
    try await world.source().register(name, stage: "Production")
    _ = try await world.sync(.observe)
    let state = try await world.state()
    let due = try #require(state.exportsDue(now: world.clock.now(), retryFailed: true).first)
    let identity = VersionIdentity(state.workspace, due.model, due.version)
    let id = try await ExportClaim.exportID(of: identity, generation: 1, fresh: UUID(), in: world.pool)
    return (world, try ExportFolder(identity, name: name, exportID: id), id)
  }

  @Test(
    "a manifest that was damaged before its event leads to an export under another id",
    arguments: ["", "{", #"{"format":"marketplace-export/1"}"#])
  func damagedManifest(_ text: String) async throws {
    let (world, folder, id) = try await claimed("damaged")
    _ = try await world.storage.putIfAbsent(Array(text.utf8), at: folder.file(Manifest.fileName))
    let report = try await world.sync()
    #expect(report.isClean)
    #expect(report.count(.exported) == 1 && report.count(.imported) == 1)
    let export = try #require(try await world.model("damaged").versions[1]?.export?.data)
    #expect(export.exportID != id && export.generation == 1)
    #expect(try await world.storage.bytes(of: folder.file(Manifest.fileName)) == Array(text.utf8))
    #expect(try await world.sync().items.isEmpty)
    #expect(try await world.violations().isEmpty)
  }

  /// Copies the version as far as a job does that is killed before its event.
  private func copyWithoutEvent(_ world: TestWorld, _ folder: ExportFolder, _ id: String) async throws -> Manifest {
    let state = try await world.state()
    let due = try #require(state.exportsDue(now: world.clock.now(), retryFailed: true).first)
    let identity = VersionIdentity(state.workspace, due.model, due.version)
    let registry = try world.source()
    let copy = ExportCopy(
      context: world.context(),
      workspace: SourceWorkspace(
        id: state.workspace, connection: state.connection, registry: registry, tagsSource: false),
      source: try await ExportSource(identity, of: due.model, in: registry, known: SourceMemory()),
      identity: identity, generation: 1,
      exportID: id, folder: folder)
    return try await copy.run().0
  }

  @Test("a whole export without its event is taken over without a byte being fetched")
  func wholeExport() async throws {
    var (world, folder, id) = try await claimed("whole")
    let manifest = try await copyWithoutEvent(world, folder, id)
    let source = try world.interpose()
    #expect(try await world.sync().isClean)
    #expect(source.count(.download) == 0)
    let export = try #require(try await world.model("whole").versions[1]?.export?.data)
    #expect(export.exportID == id && export.files == manifest.files.count)
  }

  @Test(
    "a manifest that can be read but is not what was written, or a file of it that is gone, leads to another id",
    arguments: ["manifest.json", "model.json"])
  func alteredExport(_ name: String) async throws {
    let (world, folder, id) = try await claimed("altered")
    _ = try await copyWithoutEvent(world, folder, id)
    let stored = try world.stored().keys.first { $0.hasSuffix("/\(name)") }
    let path = URL(fileURLWithPath: try #require(stored))
    if name == "model.json" {
      try FileManager.default.removeItem(at: path)
    } else {
      try String(contentsOf: path, encoding: .utf8).replacing("\"generation\" : 1", with: "\"generation\" : 2")
        .write(to: path, atomically: true, encoding: .utf8)
    }
    #expect(try await world.sync().isClean)
    let export = try #require(try await world.model("altered").versions[1]?.export?.data)
    #expect(export.exportID != id && export.generation == 1)
    #expect(try await world.violations().isEmpty)
  }

  @Test(
    "what an attempt without a manifest wrote stays where it is the same, and leads to another id where it is not",
    arguments: [nil, "{", "the same but for a letter"])
  func documentsWithoutManifest(_ damage: String?) async throws {
    let (world, folder, id) = try await claimed("halfway")
    let manifest = try await copyWithoutEvent(world, folder, id)
    let root = "\(world.storageRoot)/\(folder.key.path)"
    try FileManager.default.removeItem(atPath: "\(root)/\(Manifest.fileName)")
    let document = "\(root)/model.json"
    let written = try String(contentsOfFile: document, encoding: .utf8)
    switch damage {
    case nil: break
    case "{": try "{".write(toFile: document, atomically: true, encoding: .utf8)
    default:
      try written.replacing("halfway", with: "halfwax").write(toFile: document, atomically: true, encoding: .utf8)
    }
    let report = try await world.sync()
    #expect(report.isClean)
    #expect(report.count(.exported) == 1 && report.count(.imported) == 1)
    let export = try #require(try await world.model("halfway").versions[1]?.export?.data)
    #expect((export.exportID == id) == (damage == nil))
    #expect(export.files == manifest.files.count && export.generation == 1)
    #expect(try await world.sync().items.isEmpty)
    #expect(try await world.violations().isEmpty)
  }

  /// An export that was cut off after its large file had come, from a model without a run.
  private func cutOff(
    _ files: [(path: String, bytes: [UInt8])]
  ) async throws -> (TestWorld, InterposedRegistry, ArtifactLocation) {
    var world = try await TestWorld.make("dev01")
    let server = try world.server()
    let model = try await server.logModel(nil, files: files)
    try await server.registerVersion(of: "cut", source: "models:/\(model.id)")
    let source = try world.interpose()
    source.restart { call, moment, number in
      // The documents come last, and ask for the server's version.
      if call == .serverInfo, moment == .before {
        throw RegistryError(.unreachable, operation: "asking", message: "the cable was cut", retriable: true)
      }
    }
    let first = try await world.sync([.observe, .export])
    #expect(first.failures["unreachable"] != nil)
    source.restart()
    return (world, source, try server.artifactLocation(of: model))
  }

  @Test("a model that was overwritten between two attempts is fetched whole, under another id")
  func overwrittenModel() async throws {
    let large = Array(repeating: UInt8(1), count: 1_100_000)
    let (world, source, location) = try await cutOff([("MLmodel", Training.mlmodel), ("large.bin", large)])
    let server = try world.server()
    let other = Training.mlmodel.map { $0 == UInt8(ascii: "n") ? UInt8(ascii: "m") : $0 }
    try await server.put(other, at: "MLmodel", to: location)
    let second = Array(repeating: UInt8(2), count: large.count)
    try await server.put(second, at: "large.bin", to: location)
    #expect(try await world.sync().isClean)
    // MLmodel is fetched once to compare it, and both come once more.
    #expect(source.count(.download) == 3)
    #expect(try await world.marketplaceFile("large.bin", of: "dev01.cut", version: 1) == second)
    #expect(try await world.marketplaceFile("MLmodel", of: "dev01.cut", version: 1) == other)
    let folders = try FileManager.default.contentsOfDirectory(atPath: "\(world.storageRoot)/exports/dev01/cut")
    #expect(folders.count == 2)
    #expect(try await world.violations().isEmpty)
  }

  @Test("files that are the same are compared or hashed where they lie, and stay in the folder of the first attempt")
  func unchangedFiles() async throws {
    let large = Array(repeating: UInt8(1), count: 1_100_000)
    let (world, source, _) = try await cutOff([
      ("MLmodel", Training.mlmodel), ("large.bin", large), ("small.txt", [1, 2, 3]),
    ])
    #expect(try await world.sync().isClean)
    #expect(source.downloads.sorted() == ["MLmodel", "small.txt"])
    let folders = try FileManager.default.contentsOfDirectory(atPath: "\(world.storageRoot)/exports/dev01/cut")
    #expect(folders.count == 1)
    #expect(try await world.violations().isEmpty)
  }

  @Test("a small file that was overwritten between two attempts has the whole fetched again, under another id")
  func overwrittenFiles() async throws {
    let large = Array(repeating: UInt8(1), count: 1_100_000)
    let (world, _, location) = try await cutOff([
      ("MLmodel", Training.mlmodel), ("large.bin", large), ("small.txt", [1, 2, 3]),
    ])
    try await world.server().put([4, 5, 6], at: "small.txt", to: location)
    #expect(try await world.sync().isClean)
    let folders = try FileManager.default.contentsOfDirectory(atPath: "\(world.storageRoot)/exports/dev01/cut")
    #expect(folders.count == 2)
    #expect(try await world.marketplaceFile("small.txt", of: "dev01.cut", version: 1) == [4, 5, 6])
    #expect(try await world.marketplaceFile("large.bin", of: "dev01.cut", version: 1) == large)
    #expect(try await world.violations().isEmpty)
  }
}
