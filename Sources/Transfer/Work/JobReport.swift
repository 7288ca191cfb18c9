public import Foundation
public import Marketplace

/// What a run did, found and could not do.
public struct JobReport: Sendable {
  /// The run.
  public var run: UUID
  /// Each workspace worked on, in the order of the configuration.
  public var workspaces: [WorkspaceReport] = []
  /// Connected workspaces that the configuration does not name: they keep their models, and nobody looks.
  public var unattended: [WorkspaceID] = []
  /// What was wrong with the marketplace registry as a whole, if anything.
  public var marketplaceTrouble: Trouble?
  /// Whether the operator asked to finish before everything was done.
  public var wasInterrupted = false

  /// An empty report.
  public init(run: UUID) { self.run = run }
}

/// What a run did in one workspace.
public struct WorkspaceReport: Sendable {
  /// The workspace.
  public let workspace: WorkspaceID
  /// Models its registry listed.
  public var models = 0
  /// Events that the observation gave rise to.
  public var changes = 0
  /// Versions newly found to be promoted.
  public var promotions = 0
  /// What was done or not done, in order.
  public var items: [Item] = []
  /// Why the workspace could not be read or worked on, if it could not.
  public var trouble: Trouble?
  /// The first and last sequence appended in the workspace, if any were.
  public var sequences: ClosedRange<Int64>?

  /// An empty report.
  public init(workspace: WorkspaceID) { self.workspace = workspace }

  /// Exports that were found damaged and that this run did not replace: nothing of them is in the marketplace yet.
  public var unhealed: [Item] {
    items.indices.filter { items[$0].action == .invalidated }.filter { index in
      !items[index...].contains { later in
        later.action == .imported && later.version == items[index].version
          && later.model.utf8.elementsEqual(items[index].model.utf8)
      }
    }.map { items[$0] }
  }

  /// Takes appended sequences in.
  mutating func note(_ appended: [Int64]) {
    guard let first = appended.min(), let last = appended.max() else { return }
    sequences = min(first, sequences?.lowerBound ?? first)...max(last, sequences?.upperBound ?? last)
  }
}

/// One thing that a run did, would do or could not do.
public struct Item: Sendable {
  /// What kind of thing.
  public enum Action: String, Sendable, CaseIterable {
    /// A version was copied to storage.
    case exported
    /// A version was made in the marketplace.
    case imported
    /// A version was promoted in the marketplace for the first time.
    case promoted
    /// The marketplace went back to a version it had promoted before.
    case rolledBack = "rolled_back"
    /// A model was taken out of promotion.
    case withdrawn
    /// What somebody had changed by hand was put back.
    case driftPutBack = "drift_put_back"
    /// An export was found rotten or missing.
    case invalidated
    /// A marketplace version was found missing.
    case lost
    /// Something did not succeed.
    case failed
    /// A permanent failure of an earlier run stands, and was not tried again.
    case held
    /// Another run is working on the model.
    case busy
    /// The limit on withdrawals forbids it.
    case blocked
    /// Something that cannot be kept in the ledger was left out.
    case skipped
    /// An export was never imported, and its source no longer promotes the version.
    case notImported = "not_imported"
    /// It was due, and the run was to begin nothing more.
    case left
  }

  /// What was done.
  public var action: Action
  /// The model's name at the source.
  public var model: String
  /// The source version, where one is meant.
  public var version: Int?
  /// The source version promoted before, where one was.
  public var from: Int?
  /// The model's name in the marketplace, once it has one.
  public var marketplaceName: String?
  /// Bytes copied.
  public var bytes: Int64
  /// Why, with what to do.
  public var trouble: Trouble?

  /// Puts the parts together.
  public init(
    _ action: Action, model: String, version: Int? = nil, from: Int? = nil, marketplaceName: String? = nil,
    bytes: Int64 = 0, trouble: Trouble? = nil
  ) {
    self.action = action
    self.model = model
    self.version = version
    self.from = from
    self.marketplaceName = marketplaceName
    self.bytes = bytes
    self.trouble = trouble
  }

  /// Whether the run must not end with exit code 0 because of it.
  public var isFailure: Bool {
    switch action {
    case .failed, .held, .blocked, .skipped: true
    default: false
    }
  }
}
