import Foundation
import Ledger
import Marketplace
import Registry

/// Reads one workspace's registry and appends what changed.
struct ObserveJob: Sendable {
  /// How often a reading is repeated when another run's events came first.
  static let attemptsMax = 5

  let context: JobContext
  let workspace: SourceWorkspace

  private var history: History { History(ledger: context.ledger, run: context.run) }

  /// What the job leaves for the jobs after it.
  struct Outcome: Sendable {
    var state: WorkspaceState
    var report: WorkspaceReport
    /// The registry's listing; empty where it could not be read.
    var listed: [RegisteredModel] = []
  }

  /// Observes the workspace. Trouble with its registry is in the report, not thrown.
  func run() async throws -> Outcome {
    context.progress(.observing(workspace.id))
    for _ in 1..<Self.attemptsMax {
      do {
        return try await observe()
      } catch let error as LedgerError where error.isLostRace {
        continue
      }
    }
    return try await observe()
  }

  private func observe() async throws -> Outcome {
    if !context.options.isDryRun { try await context.ledger.openWorkspace(workspace.id.text) }
    let state = try await history.load(workspace.id)
    let cursors = try await ObservationCursors.load(workspace.id.text, from: context.memory)
    var report = WorkspaceReport(workspace: workspace.id)
    var draft = EventDraft(on: state)
    connect(&draft)
    var listed: [RegisteredModel] = []
    let began = context.now()
    do {
      let reading = try await RegistryReading(
        of: workspace.registry, state: draft.state, cursors: cursors,
        modelsListedAtOnceMin: context.options.modelsListedAtOnceMin, now: context.now
      ).read()
      listed = reading.listed
      let before = promoted(draft.state)
      let connected = draft.events
      draft = ObserveDecision.decide(draft.state, reading.observation)
      report.models = reading.observation.models.count
      report.changes = draft.events.count
      report.promotions = promoted(draft.state).subtracting(before).count
      report.items += reading.unkeepable.map(Self.unkeepable)
      let events = connected + draft.events + [observed(reading, changes: draft.events.count, in: draft.state)]
      guard !context.options.isDryRun else { return Outcome(state: draft.state, report: report) }
      report.note(try await history.append(events, to: workspace.id))
      try await cursors.save(reading.listed, of: reading.listed, to: context.memory)
    } catch {
      let trouble = try Trouble(error)
      report.trouble = trouble
      guard !context.options.isDryRun else { return Outcome(state: state, report: report) }
      try await record(trouble, from: began, in: state, report: &report)
    }
    return Outcome(state: try await history.load(workspace.id, from: state), report: report, listed: listed)
  }

  /// Silence is a finding. Where the ledger refuses even that, the report tells what is wrong.
  private func record(
    _ trouble: Trouble, from: Int64, in state: WorkspaceState, report: inout WorkspaceReport
  ) async throws {
    var draft = EventDraft(on: state)
    connect(&draft)
    do {
      let events = draft.events + [unreadable(trouble, from: from, in: state)]
      report.note(try await history.append(events, to: workspace.id))
    } catch let error as LedgerError where !error.isLostRace {
      return
    }
  }

  /// A first sight of the workspace, or a change of its address or rule.
  private func connect(_ draft: inout EventDraft) {
    guard let connection = workspace.connection else { return }
    guard draft.state.connection != connection || draft.state.isDisconnected else { return }
    draft.add(.workspaceConnected(connection), stream: "workspace", subject: "")
  }

  /// Which version is current in each model.
  private func promoted(_ state: WorkspaceState) -> Set<VersionIdentity> {
    Set(
      state.models.values.compactMap { model in
        state.current(of: model).map { VersionIdentity(state.workspace, model, $0) }
      })
  }

  private func observed(_ reading: RegistryReading.Result, changes: Int, in state: WorkspaceState) -> ProposedEvent {
    let versions = state.models.values.reduce(0) { $0 + $1.live.count }
    return event(
      WorkspaceObserved(
        outcome: .complete, models: reading.observation.models.count, versions: versions, changes: changes,
        observedFrom: reading.observation.from, observedTo: reading.observation.to))
  }

  private func unreadable(_ trouble: Trouble, from: Int64, in state: WorkspaceState) -> ProposedEvent {
    event(
      WorkspaceObserved(
        outcome: .unreadable, reason: trouble.code, message: trouble.message.kept(bytes: Trouble.messageBytesMax),
        models: state.models.values.count { !$0.live.isEmpty },
        versions: state.models.values.reduce(0) { $0 + $1.live.count }, changes: 0, observedFrom: from,
        observedTo: context.now()))
  }

  /// One event a run and reading: not decided on the stream's version, since it says what was done, not what is.
  private func event(_ data: WorkspaceObserved) -> ProposedEvent {
    ProposedEvent(
      stream: "workspace", expectedVersion: nil,
      id: NameBasedUUID.make([
        "observed", workspace.id.text, context.run.uuidString, String(data.observedFrom), data.outcome.rawValue,
      ]), event: .workspaceObserved(data))
  }

  private static func unkeepable(_ name: String) -> Item {
    Item(
      .skipped, model: name,
      trouble: Trouble(
        "unkeepable_name",
        "The registry holds a model called '\(name.prefix(200))', whose name has a NUL character or more than "
          + "\(RegistryReading.nameBytesMax) bytes; neither the ledger nor a file name can hold it. Rename the model at its "
          + "source.", retriable: false))
  }
}
