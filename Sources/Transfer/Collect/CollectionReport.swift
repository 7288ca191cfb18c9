public import Marketplace
import Storage

/// Something on storage that nobody needs.
public struct CollectedItem: Sendable {
  /// Why nobody needs it.
  public enum Reason: String, Sendable, CaseIterable {
    /// No event and no claim names the export: it lost a race, or its claim was replaced.
    case orphan
    /// A claim names it whose version needs no export any more.
    case deadAttempt = "dead_attempt"
    /// It was given up, and its version has another export or needs none.
    case givenUp = "given_up"
    /// An upload that was neither finished nor abandoned.
    case unfinished = "unfinished_upload"
  }

  /// What became of it.
  public enum Outcome: String, Sendable, CaseIterable {
    /// It would go.
    case planned
    /// It is gone.
    case collected
    /// Another run is working on the model; the next collection looks again.
    case busy
    /// It is not what it was when it was first looked at, and stays.
    case changed
    /// It could not be removed, or not all of it.
    case failed
    /// The run was to end before its turn came.
    case left
  }

  /// Why nobody needs it.
  public let reason: Reason
  /// Its place in the store: an export's folder, or an unfinished upload.
  public let path: String
  /// The workspace it belongs to.
  public let workspace: WorkspaceID
  /// Since when nobody has touched it and nobody needs it, in milliseconds since 1970.
  public let since: Int64
  /// Finished files.
  public let files: Int
  /// Their sizes, summed; what is linked elsewhere stays on the disk.
  public let bytes: Int64
  /// What became of it.
  public internal(set) var outcome: Outcome
  /// Why it did not succeed.
  public internal(set) var trouble: Trouble?
}

/// What a collection looked at, and what became of it.
public struct CollectionReport: Sendable {
  /// So many items, and so many unknown paths, are kept for the report; all are counted.
  public static let keptMax = 10_000

  /// Why a folder stays.
  public enum Keeping: String, Sendable, CaseIterable {
    /// An event names it and nothing has given it up.
    case live
    /// A claim names it and its version is still to be exported: the next run goes on there.
    case underWay = "under_way"
    /// It was given up, and its version has no other export yet.
    case awaited
    /// Nobody needs it, and it is not old enough; or how old it is cannot be told.
    case young
    /// It fits our layout, and the ledger knows neither its workspace nor its model.
    case unknown
  }

  /// Whether anything was removed.
  public let isDryRun: Bool
  /// Folders of exports looked at.
  public internal(set) var folders = 0
  /// Folders that stay, by the reason.
  public internal(set) var kept: [Keeping: Int] = [:]
  /// What nobody needs, at most ``keptMax`` of it.
  public private(set) var items: [CollectedItem] = []
  /// How much of it there is, by what became of it.
  public private(set) var counts: [CollectedItem.Outcome: Int] = [:]
  /// Bytes of what was collected, or would be.
  public private(set) var bytes: Int64 = 0
  /// Paths that nobody of us wrote, or whose model the ledger does not know, at most ``keptMax``.
  public private(set) var unknown: [String] = []
  /// How many there are.
  public private(set) var unknownCount = 0
  /// Whether the operator asked to finish before everything was done.
  public internal(set) var wasInterrupted = false

  init(isDryRun: Bool) { self.isDryRun = isDryRun }

  mutating func take(_ item: CollectedItem) {
    counts[item.outcome, default: 0] += 1
    if item.outcome == .planned || item.outcome == .collected { bytes += item.bytes }
    if items.count < Self.keptMax { items.append(item) }
  }

  mutating func keep(_ folder: StoredFolder, _ reason: Keeping) {
    kept[reason, default: 0] += 1
    if reason == .unknown { note(unknown: folder.place.key.path) }
  }

  mutating func note(unknown path: String) {
    unknownCount += 1
    if unknown.count < Self.keptMax { unknown.append(path) }
  }
}
