import Foundation
import Ledger
import Marketplace
import Storage
import Transfer

/// What PostgreSQL keeps beside the ledger.
final class MemoryState {
  struct ClaimKey: Hashable {
    var identity: VersionIdentity
    var generation: Int
  }

  var claims: [ClaimKey: String] = [:]
  var times: [String: [[UInt8]: ModelTimes]] = [:]
  var uploads: [UUID: (file: WrittenFile, importID: UUID, since: Int)] = [:]
}

struct SimulatedMemory: JobMemory {
  let process: SimulatedProcess
  private var state: MemoryState { process.world.memory }
  /// An import of large files ends so often halfway.
  private static let diesAfterNoteOnceIn = 3

  init(process: SimulatedProcess) { self.process = process }

  func exportID(of identity: VersionIdentity, generation: Int, fresh: UUID) async throws -> String {
    try await process.call(.memory, "claim an export", writes: true) {
      let key = MemoryState.ClaimKey(identity: identity, generation: generation)
      if state.claims[key] == nil {
        process.conduct.forgotten[key] = process.world.forgotten.removeValue(forKey: key)
      }
      let id = state.claims[key] ?? fresh.uuidString.lowercased()
      state.claims[key] = id
      return id
    }
  }

  func replaceExportID(
    _ given: String, of identity: VersionIdentity, generation: Int, fresh: UUID
  ) async throws -> String {
    try await process.call(.memory, "replace an export's claim", writes: true) {
      let key = MemoryState.ClaimKey(identity: identity, generation: generation)
      process.conduct.replaced += 1
      ForgottenChecker.replaces(given, of: identity, process)
      if state.claims[key] == given { state.claims[key] = fresh.uuidString.lowercased() }
      return state.claims[key] ?? given
    }
  }

  func claims(of workspace: WorkspaceID, exportIDs: [String]) async throws -> [ExportClaimed] {
    try await process.call(.memory, "list claims") {
      let wanted = Set(exportIDs)
      return state.claims.filter { $0.key.identity.workspace == workspace && wanted.contains($0.value) }.map {
        ExportClaimed(
          identity: $0.key.identity, generation: $0.key.generation, exportID: $0.value, claimedAt: nil)
      }.sorted { $0.exportID < $1.exportID }
    }
  }

  func modelTimes(of registry: String) async throws -> [[UInt8]: ModelTimes] {
    try await process.call(.memory, "load cursors", at: registry) { state.times[registry] ?? [:] }
  }

  func remember(_ changed: [[UInt8]: ModelTimes], forgetting gone: [[UInt8]], of registry: String) async throws {
    try await process.call(
      .memory, "save cursors", at: "\(registry) \(changed.keys.map { String(decoding: $0, as: UTF8.self) }.sorted())",
      writes: true
    ) {
      state.times[registry, default: [:]].merge(changed) { $1 }
      for name in gone { state.times[registry]?[name] = nil }
    }
  }

  func workspaces(areDisconnected: Bool) async throws -> [WorkspaceID] {
    try await process.call(.memory, "list workspaces") {
      try process.world.log.workspaces.keys.sorted().compactMap { id in
        let last = process.world.log.events(id).last {
          $0.type == "WorkspaceConnected" || $0.type == "WorkspaceDisconnected"
        }
        guard let last, (last.type == "WorkspaceDisconnected") == areDisconnected else { return nil }
        return try WorkspaceID(id)
      }
    }
  }

  func hasExports() async throws -> Bool {
    try await process.call(.memory, "ask for exports") {
      process.world.log.workspaces.values.contains { $0.contains { $0.type == "ModelExported" } }
    }
  }

  func uploads(_ ids: [UUID]) async throws -> [UUID: WrittenFile] {
    try await process.call(.memory, "ask for uploads") {
      Dictionary(uniqueKeysWithValues: Set(ids).compactMap { id in state.uploads[id].map { (id, $0.file) } })
    }
  }

  func noteUpload(_ id: UUID, of file: WrittenFile, in importID: UUID) async throws {
    try await process.call(.memory, "note an upload", writes: true, lastOnceIn: Self.diesAfterNoteOnceIn) {
      LargeFileChecker(world: process.world).noted(file, by: process)
      process.conduct.notedLarge += 1
      state.uploads[id] = (file, importID, process.world.steps)
    }
  }

  func withdrawUpload(_ id: UUID) async throws {
    try await process.call(.memory, "withdraw an upload", writes: true) { state.uploads[id] = nil }
  }

  func forgetUploads(of importID: UUID) async throws {
    try await process.call(.memory, "forget uploads", writes: true) {
      state.uploads = state.uploads.filter { $0.value.importID != importID }
    }
  }
}
