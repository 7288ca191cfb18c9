import Foundation
import Marketplace
import Storage

/// Removes one thing that nobody needs: under the lock of its model, after a second look at storage and ledger.
struct Removal: Sendable {
  /// Files removed side by side.
  static let filesConcurrent = 4

  let context: JobContext
  let judge: Judge
  let candidate: Candidate

  private var place: StoredPlace { candidate.place }

  /// Removes it.
  ///
  /// - Returns: what became of it; `nil` when another run is working on the model.
  func run(_ locks: ModelLocks) async throws -> CollectedItem.Outcome? {
    var judge = judge
    let fates = try await judge.updated(place.workspace)
    let streams = fates.models(inFolder: place.modelFolder).map(\.stream)
    return try await holding(streams[...], of: locks, []) { held in try await remove(holding: held, streams) }
  }

  /// Runs `work` under all the locks, or returns `nil` when somebody else holds one.
  private func holding(
    _ streams: ArraySlice<String>, of locks: ModelLocks, _ held: [HeldLock],
    _ work: @Sendable ([HeldLock]) async throws -> CollectedItem.Outcome
  ) async throws -> CollectedItem.Outcome? {
    guard let first = streams.first else { return try await work(held) }
    let result = try await locks.ifFree(first) { lock in
      try await holding(streams.dropFirst(), of: locks, held + [lock], work)
    }
    return result ?? nil
  }

  /// Storage is looked at once more, then the ledger: nobody works on the model from here on.
  private func remove(holding locks: [HeldLock], _ streams: [String]) async throws -> CollectedItem.Outcome {
    let folder = try await look()
    var judge = judge
    let fates = try await judge.updated(place.workspace)
    // A model that was created again meanwhile has a lock that is not held.
    guard fates.models(inFolder: place.modelFolder).map(\.stream) == streams else { return .changed }
    let claim = try await judge.claims(of: place.workspace, [place.exportID])[place.exportID]
    let fate = fates.fate(of: place, claim: claim, in: context.storage)
    guard fate != .kept(.unknown) else { return .changed }
    if let upload = candidate.upload {
      // Somebody may have gone on with it since.
      let now = folder.uploads.first { $0.key == upload.key && $0.id == upload.id }
      guard now ?? upload == upload else { return .changed }
      for lock in locks { try await lock.prove() }
      try await context.storage.discard(upload)
      return .collected
    }
    guard folder.files > 0, case .unneeded = judge.verdict(on: folder, fate) else { return .changed }
    if let claim {
      // Whoever exports the version some day begins in another folder, and never in one that is half gone.
      _ = try await context.memory.replaceExportID(
        place.exportID, of: claim.identity, generation: claim.generation, fresh: context.randomID())
    }
    try await empty(holding: locks)
    return .collected
  }

  private func look() async throws -> StoredFolder {
    var folder = StoredFolder(place)
    for try await page in context.storage.inventory(below: place.key) {
      for entry in page {
        switch entry {
        case .file(let file): folder.take(file)
        case .unfinished(let upload): folder.take(upload)
        case .foreign: break
        }
      }
    }
    return folder
  }

  /// The manifest goes first, so that what is half gone is never taken for whole.
  private func empty(holding locks: [HeldLock]) async throws {
    for lock in locks { try await lock.prove() }
    try await context.storage.delete(try place.key.appending(Manifest.fileName))
    for try await page in context.storage.inventory(below: place.key) {
      for lock in locks { try await lock.prove() }
      _ = try await concurrently(page, limit: Self.filesConcurrent) { entry in
        switch entry {
        case .file(let file): try await context.storage.delete(file.key)
        case .unfinished(let upload): try await context.storage.discard(upload)
        // Not ours: it stays, and the folder with it.
        case .foreign: break
        }
      }
    }
    try await context.storage.removeEmptyFolders(at: place.key)
  }
}
