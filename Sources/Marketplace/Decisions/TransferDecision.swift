public import Foundation

/// A version that a job has to do something about.
public struct DueTransfer: Hashable, Sendable {
  /// The model as history knows it.
  public let model: ModelState
  /// The version.
  public let version: VersionState
  /// Why it is not tried now, if it is not: the failure that stands.
  public let held: TransferFailure?

  /// Whether both, of one model, are about one version, whatever became of it in between.
  public func isSameVersion(as other: DueTransfer) -> Bool {
    version.number == other.version.number && version.created == other.version.created
  }
}

extension WorkspaceState {
  /// A failure that trying again cannot mend is tried again after this long all the same.
  public static let permanentRetryMilliseconds: Int64 = 7 * 24 * 3_600 * 1_000

  /// Promoted versions without a live export, by model id and number. One whose last failure is permanent is held back for
  /// a week, unless `retryFailed`.
  ///
  /// - Parameters:
  ///   - model: the one model that is asked about; all of them without it.
  ///   - now: our clock, in milliseconds since 1970.
  public func exportsDue(of model: ModelID? = nil, now: Int64, retryFailed: Bool) -> [DueTransfer] {
    due(of: model, now: now, retryFailed: retryFailed) { version in
      version.export == nil ? .some(version.exportFailure) : nil
    }
  }

  /// Promoted versions with a live export and no live import at `target`, however old the export is.
  ///
  /// - Parameters: as for ``exportsDue(of:now:retryFailed:)``.
  public func importsDue(
    of model: ModelID? = nil, target: String, now: Int64, retryFailed: Bool
  ) -> [DueTransfer] {
    due(of: model, now: now, retryFailed: retryFailed) { version in
      guard version.export != nil, version.imports[target]?.live == nil else { return nil }
      // A failure of an earlier export says nothing about this one.
      let failure = version.imports[target]?.failure
      return .some(failure?.data.exportID == version.export?.data.exportID ? failure : nil)
    }
  }

  private func due(
    of model: ModelID?, now: Int64, retryFailed: Bool, pending: (VersionState) -> TransferFailure??
  ) -> [DueTransfer] {
    let asked = model.map { models[$0].map { [$0] } ?? [] } ?? models.values.sorted { $0.id < $1.id }
    return asked.flatMap { model in
      promoted(of: model).compactMap { version in
        guard let failure = pending(version) else { return nil }
        let isHeld =
          failure.map {
            !$0.data.retriable && !retryFailed && now - $0.recordedAt < Self.permanentRetryMilliseconds
          }
          ?? false
        return DueTransfer(model: model, version: version, held: isHeld ? failure : nil)
      }
    }
  }

  /// Exports that hold, were never imported at `target`, and are not due there: their versions are no longer promoted,
  /// or another one has become the current one. By model id and number.
  public func exportsPassedOver(target: String) -> [(model: ModelState, version: VersionState)] {
    models.values.sorted { $0.id < $1.id }.flatMap { model in
      let due = Set(promoted(of: model).map(\.number))
      return model.versions.values.sorted { $0.number < $1.number }.filter { version in
        version.export != nil && !due.contains(version.number) && version.imports[target]?.live == nil
          && version.imports[target]?.generation ?? 1 == 1
      }.map { (model, $0) }
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

extension TransferFailed {
  /// The id of the event that tells it: the same for everybody who knows the same failure before and meets the same trouble, so
  /// that of two jobs of which one has lost its lock without noticing the first alone tells it.
  ///
  /// - Parameters:
  ///   - kind: the first part of the name, which tells exports from imports.
  ///   - known: the newest failure that is known of the same.
  public func eventID(_ kind: String, in workspace: WorkspaceID, after known: TransferFailure?) -> UUID {
    NameBasedUUID.make([
      kind, workspace.text, model, String(version), String(created), String(generation), target ?? "", exportID ?? "",
      code, known.map { String($0.recordedAt) } ?? "",
    ])
  }
}
