import Marketplace

/// One workspace's state for work on many of its models side by side: each asks for it as it is then, and it is read on
/// from where the one before left it, not from where all of them began.
actor LatestState {
  private let history: History
  private var state: WorkspaceState

  init(_ state: WorkspaceState, history: History) {
    self.state = state
    self.history = history
  }

  /// The state with everything in it that was recorded before the call.
  ///
  /// - Throws: as ``History/load(_:from:seeing:)``.
  func load() async throws -> WorkspaceState {
    let loaded = try await history.load(state.workspace, from: state)
    // Another may have read further meanwhile.
    if loaded.sequence > state.sequence { state = loaded }
    return loaded
  }
}
