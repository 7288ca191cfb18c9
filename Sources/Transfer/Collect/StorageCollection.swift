import Foundation
import Ledger
public import Marketplace
import Storage

/// Finds what nobody needs on external storage, and removes it when it is told to.
///
/// Storage is looked at first and the ledger after it, so that whatever was finished in between is known. Nothing is
/// removed but under the lock of its model, after both were looked at once more: see decision 0023.
public struct StorageCollection: Sendable {
  /// What is younger stays, whatever is asked: belt and braces beside locks and claims, which do not depend on clocks.
  public static let ageMin = Duration.seconds(86_400)
  /// What is younger stays, unless something else is asked.
  public static let ageStandard = Duration.seconds(7 * 86_400)
  /// Folders judged together: one reading of the log and of the claims each time.
  static let foldersPerJudgement = 200

  let context: JobContext
  let workspaces: Set<WorkspaceID>
  let age: Duration
  let deletes: Bool

  /// A collection.
  ///
  /// - Parameters:
  ///   - workspaces: those that have a log; folders of others are unknown and stay.
  ///   - age: what is younger stays; at least ``ageMin`` holds.
  ///   - deletes: whether anything is removed.
  public init(context: JobContext, workspaces: [WorkspaceID], olderThan age: Duration, deletes: Bool) {
    self.context = context
    self.workspaces = Set(workspaces).subtracting([.marketplace])
    self.age = max(age, Self.ageMin)
    self.deletes = deletes
  }

  /// Looks at everything below `exports/`.
  ///
  /// - Parameter found: is given each item as it is done with.
  /// - Throws: ``StorageError`` when the store is not the one that holds the exports or cannot be listed, and the
  ///   database's errors.
  public func run(_ found: @escaping @Sendable (CollectedItem) -> Void = { _ in }) async throws -> CollectionReport {
    var report = CollectionReport(isDryRun: !deletes)
    // Without a marker nothing was ever written here by a job of this ledger.
    guard try await StorageMarker.expect(context) else { return report }
    let locks = ModelLocks(context: context)
    do {
      try await collect(into: &report, locks: locks, found)
    } catch {
      await locks.close()
      throw error
    }
    await locks.close()
    report.wasInterrupted = context.isStopping()
    return report
  }

  private func collect(
    into report: inout CollectionReport, locks: ModelLocks, _ found: (CollectedItem) -> Void
  ) async throws {
    var judge = Judge(collection: self)
    var batch: [StoredFolder] = []
    var reading = FolderReading()
    for try await page in context.storage.inventory(below: try StorageKey([StoredPlace.root])) {
      for entry in page {
        switch reading.take(entry) {
        case nil: break
        case .foreign(let path): report.note(unknown: path)
        case .folder(let folder):
          try await add(folder, to: &batch, into: &report, &judge, locks, found)
        }
      }
    }
    if let last = reading.end() { try await add(last, to: &batch, into: &report, &judge, locks, found) }
    try await settle(batch, into: &report, &judge, locks, found)
  }

  /// Folders are judged together, those of one workspace at a time: so one log is held.
  private func add(
    _ folder: StoredFolder, to batch: inout [StoredFolder], into report: inout CollectionReport, _ judge: inout Judge,
    _ locks: ModelLocks, _ found: (CollectedItem) -> Void
  ) async throws {
    let isOther = batch.last.map { $0.place.workspace != folder.place.workspace } ?? false
    if isOther || batch.count >= Self.foldersPerJudgement {
      try await settle(batch, into: &report, &judge, locks, found)
      batch = []
    }
    batch.append(folder)
  }

  private func settle(
    _ folders: [StoredFolder], into report: inout CollectionReport, _ judge: inout Judge, _ locks: ModelLocks,
    _ found: (CollectedItem) -> Void
  ) async throws {
    let verdicts = try await judge.verdicts(on: folders)
    report.folders += folders.count { $0.files > 0 }
    for (folder, reason) in verdicts.kept { report.keep(folder, reason) }
    for candidate in verdicts.candidates {
      let item = try await remove(candidate, judge: judge, locks: locks)
      report.take(item)
      found(item)
    }
  }

  /// Removes a candidate, or says that it would go.
  private func remove(_ candidate: Candidate, judge: Judge, locks: ModelLocks) async throws -> CollectedItem {
    var item = candidate.item
    guard deletes else { return item }
    guard !context.isStopping() else {
      item.outcome = .left
      return item
    }
    do {
      let removal = Removal(context: context, judge: judge, candidate: candidate)
      item.outcome = try await removal.run(locks) ?? .busy
    } catch {
      let trouble = try Trouble(error)
      if let error = error as? StorageError, error.isOfWholeStore { throw error }
      item.outcome = .failed
      item.trouble = trouble
    }
    return item
  }
}

/// Something that may go, by a first look.
struct Candidate: Sendable {
  /// The folder it is, or lies in.
  let place: StoredPlace
  /// The upload, where it is no folder.
  let upload: UnfinishedUpload?
  let item: CollectedItem
}

/// Says of folders what is to become of them, from the log and the claims as they are when it is asked.
struct Judge: Sendable {
  let context: JobContext
  let workspaces: Set<WorkspaceID>
  let ageMilliseconds: Int64
  let isDryRun: Bool
  private var fates: ExportFates?

  init(collection: StorageCollection) {
    context = collection.context
    workspaces = collection.workspaces
    ageMilliseconds = collection.age.components.seconds * 1_000
    isDryRun = !collection.deletes
  }

  private var history: History { History(ledger: context.ledger, run: context.run) }

  /// What stays and what may go of folders of one workspace.
  mutating func verdicts(
    on folders: [StoredFolder]
  ) async throws -> (kept: [(StoredFolder, CollectionReport.Keeping)], candidates: [Candidate]) {
    guard let workspace = folders.first?.place.workspace else { return ([], []) }
    guard workspaces.contains(workspace) else { return (folders.map { ($0, .unknown) }, []) }
    let fates = try await updated(workspace)
    let claims = try await claims(of: workspace, folders.map(\.place.exportID))
    var kept: [(StoredFolder, CollectionReport.Keeping)] = []
    var candidates: [Candidate] = []
    for folder in folders {
      let fate = fates.fate(of: folder.place, claim: claims[folder.place.exportID], in: context.storage)
      // A folder that holds no file yet is no more than its uploads.
      if folder.files > 0 {
        switch verdict(on: folder, fate) {
        case .kept(let reason): kept.append((folder, reason))
        case .unneeded(let reason, let since):
          candidates.append(candidate(folder, reason, since: since ?? 0))
          continue
        }
      }
      guard fate != .kept(.unknown) else { continue }
      candidates += folder.uploads.compactMap { candidate($0, in: folder.place) }
    }
    return (kept, candidates)
  }

  /// The log of a workspace as far as it is known, brought up to date.
  mutating func updated(_ workspace: WorkspaceID) async throws -> ExportFates {
    var fates = fates.flatMap { $0.state.workspace == workspace ? $0 : nil } ?? ExportFates(workspace)
    try await fates.update(history)
    self.fates = fates
    return fates
  }

  /// The claims on these exports, by their ids.
  func claims(of workspace: WorkspaceID, _ ids: [String]) async throws -> [String: ExportClaimed] {
    Dictionary(
      try await context.memory.claims(of: workspace, exportIDs: ids).map { ($0.exportID, $0) },
      uniquingKeysWith: { first, _ in first })
  }

  /// What is to become of a folder at its age: that of its youngest file, or of the moment since when nobody needs it.
  func verdict(on folder: StoredFolder, _ fate: ExportFates.Fate) -> ExportFates.Fate {
    guard case .unneeded(let reason, let since) = fate else { return fate }
    guard let youngest = folder.youngest else { return .kept(.young) }
    let start = max(youngest, since ?? .min)
    return isOld(start) ? .unneeded(reason, since: start) : .kept(.young)
  }

  /// Whether nothing has happened for long enough since a moment; one that is still to come is not long ago.
  func isOld(_ moment: Int64) -> Bool {
    let (age, overflow) = context.now().subtractingReportingOverflow(moment)
    return overflow || age >= ageMilliseconds
  }

  private func candidate(_ folder: StoredFolder, _ reason: CollectedItem.Reason, since: Int64) -> Candidate {
    Candidate(
      place: folder.place, upload: nil,
      item: CollectedItem(
        reason: reason, path: folder.place.key.path, workspace: folder.place.workspace, since: since,
        files: folder.files, bytes: folder.bytes, outcome: .planned))
  }

  private func candidate(_ upload: UnfinishedUpload, in place: StoredPlace) -> Candidate? {
    guard let modified = upload.modified, isOld(modified) else { return nil }
    return Candidate(
      place: place, upload: upload,
      item: CollectedItem(
        reason: .unfinished, path: upload.key.path, workspace: place.workspace, since: modified, files: 0,
        bytes: upload.bytes ?? 0, outcome: .planned))
  }
}
