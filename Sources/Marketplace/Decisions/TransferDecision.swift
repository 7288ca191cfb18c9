/// A version that a job has to do something about.
public struct DueTransfer: Hashable, Sendable {
  /// The model as history knows it.
  public let model: ModelState
  /// The version.
  public let version: VersionState
  /// Why it is not tried now, if it is not: the failure that stands.
  public let held: TransferFailure?
}

extension WorkspaceState {
  /// A failure that trying again cannot mend is tried again after this long all the same.
  public static let permanentRetryMilliseconds: Int64 = 7 * 24 * 3_600 * 1_000

  /// Current versions without a live export, by model id. One whose last failure is permanent is held back for
  /// a week, unless `retryFailed`.
  ///
  /// - Parameter now: our clock, in milliseconds since 1970.
  public func exportsDue(now: Int64, retryFailed: Bool) -> [DueTransfer] {
    due(now: now, retryFailed: retryFailed) { version in
      version.export == nil ? .some(version.exportFailure) : nil
    }
  }

  /// Current versions with a live export and no live import at `target`, however old the export is.
  public func importsDue(target: String, now: Int64, retryFailed: Bool) -> [DueTransfer] {
    due(now: now, retryFailed: retryFailed) { version in
      guard version.export != nil, version.imports[target]?.live == nil else { return nil }
      // A failure of an earlier export says nothing about this one.
      let failure = version.imports[target]?.failure
      return .some(failure?.data.exportID == version.export?.data.exportID ? failure : nil)
    }
  }

  private func due(
    now: Int64, retryFailed: Bool, pending: (VersionState) -> TransferFailure??
  ) -> [DueTransfer] {
    models.values.sorted { $0.id < $1.id }.compactMap { model in
      guard let version = current(of: model), let failure = pending(version) else { return nil }
      let isHeld =
        failure.map {
          !$0.data.retriable && !retryFailed && now - $0.recordedAt < Self.permanentRetryMilliseconds
        }
        ?? false
      return DueTransfer(model: model, version: version, held: isHeld ? failure : nil)
    }
  }
}

extension VersionIdentity {
  /// The identity of a version of `model` in `workspace`.
  public init(_ workspace: WorkspaceID, _ model: ModelState, _ version: VersionState) {
    self.init(workspace: workspace, model: model.id, version: version.number, created: version.created)
  }
}

extension VersionState {
  /// Whether a failure would say anything that the ledger does not know yet: a first one, or another reason, or
  /// the same one after the pause that a permanent failure earns.
  public static func isNews(_ failure: TransferFailed, after known: TransferFailure?, now: Int64) -> Bool {
    guard let known else { return true }
    if known.data.code != failure.code || known.data.generation != failure.generation { return true }
    if known.data.exportID != failure.exportID { return true }
    return !failure.retriable && now - known.recordedAt >= WorkspaceState.permanentRetryMilliseconds
  }
}
