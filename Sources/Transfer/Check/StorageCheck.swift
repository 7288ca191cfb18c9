import Foundation
public import Marketplace
public import Storage
import Synchronization

/// Looks whether storage holds what the ledger says, export by export. Changes nothing.
public struct StorageCheck: Sendable {
  /// Exports looked at side by side.
  static let exportsConcurrent = 4
  /// So many findings are kept for the report; all are counted, and each is handed over as it is made.
  public static let findingsKeptMax = 10_000

  let context: JobContext
  let workspaces: [WorkspaceID]
  let data: DataShare?
  let includesReplaced: Bool

  /// A check of these workspaces.
  ///
  /// - Parameters:
  ///   - data: of which exports every byte is read; of none when it is `nil`.
  ///   - includesReplaced: whether exports count too whose versions the source has replaced by others of their number.
  public init(context: JobContext, workspaces: [WorkspaceID], data: DataShare?, includesReplaced: Bool = false) {
    self.context = context
    self.workspaces = workspaces
    self.data = data
    self.includesReplaced = includesReplaced
  }

  /// Looks at all of it.
  ///
  /// - Parameter found: is given each finding as it is made.
  /// - Throws: ``StorageError`` when the store is not the one that holds the exports, and the database's errors.
  public func run(_ found: @escaping @Sendable (ExportFinding) -> Void = { _ in }) async throws -> StorageCheckReport {
    try await StorageMarker.expect(context)
    var report = StorageCheckReport(workspaces: workspaces)
    let end = End()
    for workspace in workspaces {
      let state = try await History(ledger: context.ledger, run: context.run).load(workspace)
      let exports = state.exports(includingReplaced: includesReplaced)
      let outcomes = try await concurrently(exports, limit: Self.exportsConcurrent) { export -> ExportCheck.Outcome? in
        guard !context.isStopping(), end.error == nil else { return nil }
        do {
          return try await look(at: export, of: workspace, found)
        } catch let error as StorageError {
          end.note(error)
          return nil
        }
      }
      for outcome in outcomes { report.take(outcome) }
    }
    report.ended = end.error
    return report
  }

  /// The first error of the store as a whole: nothing more is looked at then.
  private final class End: Sendable {
    private let first = Mutex<StorageError?>(nil)
    var error: StorageError? { first.withLock { $0 } }
    func note(_ error: StorageError) { first.withLock { $0 = $0 ?? error } }
  }

  private func look(
    at export: ModelExported, of workspace: WorkspaceID, _ found: @Sendable (ExportFinding) -> Void
  ) async throws -> ExportCheck.Outcome {
    let check = ExportCheck(
      storage: context.storage, workspace: workspace, export: export,
      readsData: data?.holds(exportID: export.exportID) ?? false
    ) { [context] bytes in
      context.progress(.checking(workspace, model: export.name, version: export.version, bytes: bytes))
    }
    let outcome = try await check.run()
    for finding in outcome.findings { found(finding) }
    return outcome
  }
}

/// What a check of storage looked at and found.
public struct StorageCheckReport: Sendable {
  /// The workspaces whose exports were to be looked at.
  public let workspaces: [WorkspaceID]
  /// Exports looked at.
  public private(set) var exports = 0
  /// Files of them that are there.
  public private(set) var files = 0
  /// Bytes read, those of manifests included.
  public private(set) var bytesRead: Int64 = 0
  /// Exports that were not looked at, or not to the end: the run was to stop, or the store could not be asked.
  public private(set) var left = 0
  /// What was found, at most ``StorageCheck/findingsKeptMax`` of it.
  public private(set) var findings: [ExportFinding] = []
  /// How much of it says that storage holds something else than it should.
  public private(set) var damages = 0
  /// How often storage could not be read.
  public private(set) var unread = 0
  /// Why the store could not be asked any more, where that ended the check.
  public internal(set) var ended: StorageError?

  init(workspaces: [WorkspaceID]) { self.workspaces = workspaces }

  mutating func take(_ outcome: ExportCheck.Outcome?) {
    guard let outcome else {
      left += 1
      return
    }
    exports += 1
    files += outcome.files
    bytesRead += outcome.bytesRead
    let damaged = outcome.findings.count(where: \.isDamage)
    damages += damaged
    unread += outcome.findings.count - damaged
    findings += outcome.findings.prefix(StorageCheck.findingsKeptMax - findings.count)
  }
}

extension WorkspaceState {
  /// The exports that nothing has given up, by model id and number.
  ///
  /// - Parameter includingReplaced: those of versions too whose numbers other versions have now.
  func exports(includingReplaced: Bool = false) -> [ModelExported] {
    models.values.sorted { $0.id < $1.id }.flatMap { model in
      let replaced = includingReplaced ? Array(model.replaced.values) : []
      return (Array(model.versions.values) + replaced)
        .sorted { ($0.number, $0.created) < ($1.number, $1.created) }.compactMap { $0.export?.data }
    }
  }
}
