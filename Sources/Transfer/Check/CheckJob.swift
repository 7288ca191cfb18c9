import Foundation
public import Ledger
public import Marketplace
import Postgres
import Registry
import Storage

/// Tests what must always hold of the jobs, against the live ledger, storage and registry. Changes nothing, unless it is
/// told to give up the exports that do not hold and to remove what jobs that died left twice in the marketplace.
public struct CheckJob: Sendable {
  /// Exports whose files are looked at side by side.
  static let exportsConcurrent = 8

  let context: JobContext
  let workspaces: [WorkspaceID]
  let target: MarketplaceTarget?
  /// Whether every byte of every live export is read and hashed, or only its manifest and the sizes.
  let readsData: Bool
  /// Whether an export that storage no longer holds as it was is given up, so that the next one is made, and what jobs
  /// that died left twice in the marketplace is removed.
  let repairs: Bool

  /// A check of these workspaces; without a target the marketplace registry is left out.
  ///
  /// - Parameter repairs: whether damaged exports are given up and late doubles removed, see ``CheckJob/run()``.
  public init(
    context: JobContext, workspaces: [WorkspaceID], target: MarketplaceTarget?, readsData: Bool,
    repairs: Bool = false
  ) {
    self.context = context
    self.workspaces = workspaces
    self.target = target
    self.readsData = readsData
    self.repairs = repairs
  }

  /// What does not hold. What was given up counts as pending: the next sync exports what is current of it again.
  ///
  /// - Throws: ``StorageError`` when exports are to be given up and the store is not the one that holds them, the database's errors, and the registry's when it cannot be asked at all.
  public func run() async throws -> [Violation] {
    // A store that is not mounted would seem to have lost everything.
    if repairs { try await StorageMarker.prove(context) }
    let history = History(ledger: context.ledger, run: context.run)
    var violations: [Violation] = try await checkNames(history)
    let locks = ModelLocks(context: context)
    do {
      for workspace in workspaces {
        let state = try await history.load(workspace)
        violations += try await checkEvents(workspace)
        violations += try await checkExports(state, history)
        guard let target else { continue }
        violations += try await checkMarketplace(state, target)
        violations += try await LateDoubles(
          context: context, target: target, state: state, locks: repairs ? locks : nil
        ).run()
      }
    } catch {
      await locks.close()
      throw error
    }
    await locks.close()
    return violations
  }

  /// J5: names are injective under NFC and case folding.
  private func checkNames(_ history: History) async throws -> [Violation] {
    var owners: [String: MarketplaceNameAssigned] = [:]
    var violations: [Violation] = []
    try await forEachEvent(of: .marketplace) { event, _ in
      guard case .marketplaceNameAssigned(let data) = event else { return }
      if let owner = owners[data.folded] {
        violations.append(
          Violation(
            "J5", "'\(data.name)' of \(data.workspace) and '\(owner.name)' of \(owner.workspace) fold to one name."))
      }
      owners[data.folded] = data
    }
    return violations
  }

  /// J1 and J2: one live export and import each, an import names an earlier export of the same digest, an export an
  /// earlier promotion.
  private func checkEvents(_ workspace: WorkspaceID) async throws -> [Violation] {
    var violations: [Violation] = []
    var state = WorkspaceState(workspace: workspace)
    var exports: [String: ModelExported] = [:]
    var promoted: Set<VersionIdentity> = []
    try await forEachEvent(of: workspace) { event, recorded in
      let place = "\(workspace)/\(recorded.sequence)"
      switch event {
      case .modelExported(let data):
        let model = state.models[ModelID(text: data.model)]
        let version = model?.versions[data.version]
        if version?.export != nil {
          violations.append(Violation("J1", "\(place): a second live export of one version."))
        }
        let identity = VersionIdentity(
          workspace: workspace, model: ModelID(text: data.model), version: data.version, created: data.created)
        if !promoted.contains(identity) {
          violations.append(Violation("J2", "\(place): the exported version was never promoted before."))
        }
        exports[data.exportID] = data
      case .modelImported(let data):
        let version = state.models[ModelID(text: data.model)]?.versions[data.version]
        if version?.imports[data.target]?.live != nil {
          violations.append(Violation("J1", "\(place): a second live import of one version."))
        }
        if exports[data.exportID]?.manifestSHA256 != data.manifestSHA256 {
          violations.append(Violation("J2", "\(place): the import names no earlier export of the same digest."))
        }
      default: break
      }
      state.apply(
        event, stream: recorded.stream, streamVersion: recorded.version, sequence: recorded.sequence,
        recordedAt: recorded.recordedAt.microseconds / 1_000)
      for model in state.models(touchedBy: event) {
        promoted.formUnion(state.promoted(of: model).map { VersionIdentity(workspace, model, $0) })
      }
    }
    return violations
  }

  private func forEachEvent(
    of workspace: WorkspaceID, _ work: (DomainEvent, RecordedEvent) throws -> Void
  ) async throws {
    var cursor: SequenceCursor = 0
    while true {
      let page = try await context.ledger.read(workspace: workspace.text, after: cursor, limit: History.pageEvents)
      cursor = page.next
      for event in page.events {
        guard let data = event.data,
          let domain = try DomainEvent(type: event.type, typeVersion: Int(event.typeVersion), json: data)
        else { continue }
        try work(domain, event)
      }
      if page.isLast { return }
    }
  }

  /// J3: a live export's manifest is there and is the one the ledger names, every file it names is there too, and none
  /// besides.
  private func checkExports(_ state: WorkspaceState, _ history: History) async throws -> [Violation] {
    let exports = state.models.values.sorted { $0.id < $1.id }.flatMap { model in
      model.versions.values.sorted { $0.number < $1.number }.compactMap { version in
        version.export.map { (model: model, version: version, data: $0.data) }
      }
    }
    let found = try await concurrently(exports, limit: Self.exportsConcurrent) { export -> [Violation] in
      let findings = try await findings(of: export.data, in: state.workspace)
      guard repairs, let first = findings.first(where: \.endsExport) else {
        return findings.map { Violation("J3", $0.message) }
      }
      try await giveUp(export.data, VersionIdentity(state.workspace, export.model, export.version), first, history)
      return findings.map {
        Violation("J3", "\($0.message) Given up: the next sync exports it again if it is needed.", isPending: true)
      }
    }
    return found.flatMap(\.self)
  }

  /// - Throws: ``StorageError`` when storage could not be read, which says nothing about what it holds.
  private func findings(of export: ModelExported, in workspace: WorkspaceID) async throws -> [ExportFinding] {
    let findings = try await ExportCheck(
      storage: context.storage, workspace: workspace, export: export, readsData: readsData,
      progress: { [context] bytes in
        context.progress(.checking(workspace, model: export.name, version: export.version, bytes: bytes))
      }
    ).run().findings
    if let unread = findings.first(where: { $0.code == .unread }) {
      throw StorageError(.failed, key: export.uri, "could not be read to the end: \(unread.message)")
    }
    return findings
  }

  /// Ends the export's life, as an import does that finds it damaged.
  private func giveUp(
    _ export: ModelExported, _ identity: VersionIdentity, _ finding: ExportFinding, _ history: History
  ) async throws {
    let event = ProposedEvent(
      stream: identity.model.stream, expectedVersion: nil,
      id: identity.eventID("export invalidated", generation: export.generation),
      event: .exportInvalidated(
        ExportInvalidated(
          model: export.model, name: export.name, version: export.version, created: export.created,
          generation: export.generation, exportID: export.exportID,
          reason: finding.message.kept(bytes: Trouble.messageBytesMax))))
    do {
      _ = try await history.append([event], to: identity.workspace)
    } catch let error as LedgerError where error.isLostRace {
      // Another run has given it up already.
      return
    }
  }

  /// J4 and J8: one marketplace version for each live import and none with its key besides; what is promoted there
  /// is what was set.
  private func checkMarketplace(_ state: WorkspaceState, _ target: MarketplaceTarget) async throws -> [Violation] {
    var violations: [Violation] = []
    for model in state.models.values.sorted(by: { $0.id < $1.id }) {
      guard let marketplace = model.marketplace[target.id] else { continue }
      for version in model.versions.values.sorted(by: { $0.number < $1.number }) {
        guard let live = version.imports[target.id]?.live else { continue }
        let key = VersionIdentity(state.workspace, model, version).sourceKey(generation: live.generation)
        let found = try await target.registry.modelVersions(tagged: .init(OwnTags.sourceKey, key))
        let isOne =
          found.count == 1 && found[0].version == live.marketplaceVersion
          && found[0].name.isExactly(live.marketplaceName)
        guard !isOne else { continue }
        // The next sync tells that a version which is not promoted is lost; nobody misses it until then.
        let isPending = found.isEmpty && marketplace.available != live.marketplaceVersion
        violations.append(
          Violation(
            "J4",
            "\(marketplace.name) v\(live.marketplaceVersion): the registry holds "
              + "\(found.isEmpty ? "no version" : found.map { "\($0.name) v\($0.version)" }.joined(separator: ", ")) with its key"
              + (isPending ? "; a sync is due." : "."), isPending: isPending))
      }
      // A model that was created again goes on under its predecessor's name, and answers for it.
      guard state.answersForName(model, target: target.id) else {
        if marketplace.available != nil {
          violations.append(
            Violation("J8", "\(marketplace.name): two incarnations are available; a sync is due.", isPending: true))
        }
        continue
      }
      let expected = target.expected(marketplace.available)
      let reading = try await MarketplaceReading.promotion(of: marketplace.name, in: target)
      if let reading, reading != expected {
        violations.append(
          Violation("J8", "\(marketplace.name): the registry promotes \(reading.text), set was \(expected.text)."))
      }
      if state.promotionChange(of: model, target: target.id) != nil {
        violations.append(
          Violation(
            "J8", "\(marketplace.name): what the source means is not what is available; a sync is due.", isPending: true
          ))
      }
    }
    return violations
  }
}

extension WorkspaceState {
  /// The models whose current version an event may have changed: its own, or all when the rule changed.
  func models(touchedBy event: DomainEvent) -> [ModelState] {
    switch event {
    case .workspaceConnected, .workspaceDisconnected: Array(models.values)
    default: event.model.flatMap { models[$0] }.map { [$0] } ?? []
    }
  }
}
