import Foundation
import Marketplace
import TestSupport

/// A random history of one workspace as the jobs could have written it: every event is one that some job may append
/// to the state before it. The same seed gives the same events.
struct RandomHistory {
  static let targets = ["marketplace", "marketplace", "marketplace", "second"]
  private static let names = ["triage", "sepsis", "naïve \u{202e} 🧬", "'; drop table x; --", "nai\u{308}ve"]
  private static let stages = ["None", "Staging", "Production", "Production", "Archived"]
  private static let aliases = ["champion", "champion", "prod", "other"]

  private var random: Seeded
  private var draft: EventDraft
  private var now: Int64 = 1_700_000_000_000
  private var marketplaceVersions = 0
  private var state: WorkspaceState { draft.state }

  /// The events, each with the stream version it was decided on.
  var events: [ProposedEvent] { draft.events }

  init(seed: Int, workspace: WorkspaceID, count: Int) {
    random = Seeded(seed)
    draft = EventDraft(on: WorkspaceState(workspace: workspace))
    if !random.once(in: 10) { connect() }
    while draft.events.count < count { step() }
  }

  private mutating func step() {
    now += Int64.random(in: 1...90_000, using: &random)
    switch Int.random(in: 0..<100, using: &random) {
    case 0..<3: connect()
    case 3..<4: add(.workspaceDisconnected(WorkspaceDisconnected(reason: "closed")))
    case 4..<9: observe()
    case 9..<22: register()
    case 22..<26: delete()
    case 26..<28: rename()
    case 28..<33: describe()
    case 33..<50: transition()
    case 50..<60: assignAlias()
    case 60..<63: removeAlias()
    case 63..<75: export()
    case 75..<77: invalidate()
    case 77..<87: importExport()
    case 87..<89: lose()
    case 89..<98: promote()
    default: drift()
    }
  }

  // MARK: - The workspace

  private mutating func connect() {
    let aliases = [[], ["champion"], ["prod", "champion"], ["champion", "prod"], ["champion"]]
    let stages = [[], ["Production"], ["Production", "Staging"], ["Production"]]
    let rule = PromotionRule(aliases: pick(aliases) ?? [], stages: pick(stages) ?? [])
    add(
      .workspaceConnected(
        WorkspaceConnected(
          registry: "http://\(pick(["a", "b"]) ?? "")", kind: "mlflow",
          mlflowWorkspace: random.once(in: 2) ? "team" : nil, promoted: rule)))
  }

  private mutating func observe() {
    let isUnreadable = random.once(in: 3)
    add(
      .workspaceObserved(
        WorkspaceObserved(
          outcome: isUnreadable ? .unreadable : .complete, reason: isUnreadable ? "refused" : nil,
          message: isUnreadable ? "403 \u{1F6AB}" : nil, models: state.models.count, versions: 3, changes: 0,
          observedFrom: now - 500, observedTo: now)))
  }

  // MARK: - The source

  private mutating func register() {
    let model = random.once(in: 3) ? nil : anyModel()
    let name = model?.name ?? pick(Self.names) ?? "x"
    // A name in use has to be given up first.
    if model == nil, state.models.values.contains(where: { $0.name.isExactly(name) && !$0.live.isEmpty }) { return }
    let created = model?.created ?? now
    let id = model?.id ?? ModelID(workspace: state.workspace, name: name, created: created)
    let replaced =
      random.once(in: 6) ? model.flatMap { pick($0.versions.values.sorted { $0.number < $1.number }) } : nil
    if let replaced, !replaced.isDeleted, let model { delete(replaced, of: model) }
    // Now and then one comes back that another had taken the number of.
    let earlier = model?.replaced.keys.filter { $0.number == replaced?.number }.map(\.created).sorted() ?? []
    let isRestored = replaced != nil && random.once(in: 2)
    let restored = random.once(in: 2) ? pick(earlier) ?? replaced?.created : replaced?.created
    add(
      .modelVersionRegistered(
        ModelVersionRegistered(
          model: id.text, name: name, modelCreated: created,
          version: replaced?.number ?? (model?.versions.keys.max() ?? 0) + 1,
          created: isRestored ? restored ?? now : now, source: "s3://\(now)",
          runID: random.once(in: 2) ? "run-\(now)" : nil, modelID: random.once(in: 3) ? "m-\(now)" : nil,
          notBefore: random.once(in: 3) ? nil : now - 900, notAfter: now)), to: id)
  }

  private mutating func delete() {
    guard let (model, version) = anyLive() else { return }
    delete(version, of: model)
  }

  private mutating func delete(_ version: VersionState, of model: ModelState) {
    add(
      .modelVersionDeleted(
        ModelVersionDeleted(
          model: model.id.text, name: model.name, version: version.number, created: version.created,
          notBefore: now - 900, notAfter: now)), to: model.id)
  }

  private mutating func rename() {
    guard let model = anyModel(), let name = pick(Self.names) else { return }
    guard !state.models.values.contains(where: { $0.name.isExactly(name) }) else { return }
    add(.modelRenamed(ModelRenamed(model: model.id.text, from: model.name, to: name, notAfter: now)), to: model.id)
  }

  private mutating func describe() {
    guard let model = anyModel() else { return }
    var described = ModelDescribed(
      model: model.id.text, name: model.name,
      version: random.once(in: 2) ? pick(model.live)?.number : nil,
      description: random.once(in: 4) ? nil : "said at \(now) \"\\ 🧬", owner: random.once(in: 2) ? "alice" : nil,
      tags: ["k": "v\(now)"])
    described.metrics = ["auc": MetricValue(random.once(in: 2) ? .nan : 0.5)]
    described.flavors = ["python_function", "sklearn"]
    add(.modelDescribed(described), to: model.id)
  }

  private mutating func transition() {
    guard let (model, version) = anyLive(), let stage = pick(Self.stages), stage != version.stage else { return }
    add(
      .stageTransitioned(
        StageTransitioned(
          model: model.id.text, name: model.name, version: version.number, created: version.created,
          from: version.stage, to: stage, notBefore: random.once(in: 4) ? nil : now - 900, notAfter: now,
          sourceTime: random.once(in: 2) ? now - 100 : nil)), to: model.id)
  }

  private mutating func assignAlias() {
    guard let (model, version) = anyLive(), let alias = pick(Self.aliases) else { return }
    let target = AliasTarget(number: version.number, created: version.created)
    guard model.aliases[ExactText(alias)] != target else { return }
    add(
      .aliasAssigned(
        AliasAssigned(
          model: model.id.text, name: model.name, alias: alias, version: version.number, created: version.created,
          from: model.aliases[ExactText(alias)]?.number, notBefore: now - 900, notAfter: now)), to: model.id)
  }

  private mutating func removeAlias() {
    guard let model = anyModel(), let (alias, target) = pick(model.aliases.sorted { $0.key < $1.key }) else { return }
    add(
      .aliasRemoved(
        AliasRemoved(
          model: model.id.text, name: model.name, alias: alias.text, version: target.number, notBefore: now - 900,
          notAfter: now)), to: model.id)
  }

  // MARK: - Transfers

  private mutating func export() {
    guard let (model, version) = anyVersion(), version.export == nil else { return }
    guard !random.once(in: 4) else {
      add(.exportFailed(failure(model, version, generation: version.exportGeneration)), to: model.id)
      return
    }
    add(
      .modelExported(
        ModelExported(
          model: model.id.text, name: model.name, version: version.number, created: version.created,
          generation: version.exportGeneration, exportID: uuid(), uri: "file:///\(now)",
          manifestSHA256: "m\(now)", modelSHA256: "s\(now)", files: 3, bytes: now)), to: model.id)
  }

  private mutating func invalidate() {
    guard let (model, version) = anyVersion(), let export = version.export?.data else { return }
    add(
      .exportInvalidated(
        ExportInvalidated(
          model: model.id.text, name: model.name, version: version.number, created: version.created,
          generation: export.generation, exportID: export.exportID, reason: "rotten")), to: model.id)
  }

  private mutating func importExport() {
    guard let (model, version) = anyVersion(), let export = version.export?.data, let target = pick(Self.targets)
    else { return }
    let before = version.imports[target]
    guard before?.live == nil else { return }
    guard !random.once(in: 4) else {
      var failure = failure(model, version, generation: before?.generation ?? 1)
      failure.target = target
      failure.exportID = export.exportID
      add(.importFailed(failure), to: model.id)
      return
    }
    marketplaceVersions += 1
    add(
      .modelImported(
        ModelImported(
          model: model.id.text, name: model.name, version: version.number, created: version.created,
          generation: before?.generation ?? 1, exportID: export.exportID, target: target,
          marketplaceName: "dev.\(model.firstName)", marketplaceVersion: marketplaceVersions,
          marketplaceRunID: random.once(in: 2) ? "r" : nil, manifestSHA256: export.manifestSHA256)), to: model.id)
  }

  private mutating func lose() {
    guard let (model, version) = anyVersion(), let target = pick(Self.targets),
      let live = version.imports[target]?.live
    else { return }
    add(
      .importLost(
        ImportLost(
          model: model.id.text, name: model.name, version: version.number, created: version.created,
          generation: live.generation, target: target, marketplaceName: live.marketplaceName,
          marketplaceVersion: live.marketplaceVersion, reason: "deleted by hand")), to: model.id)
  }

  /// What the follow job decides, now and then put back after a change by hand.
  private mutating func promote() {
    guard let model = anyModel(), let target = pick(Self.targets), let there = model.marketplace[target] else { return }
    if let change = state.promotionChange(of: model, target: target) {
      add(change.event(target: target, name: there.name), to: model.id)
    } else if let available = there.available, random.once(in: 3) {
      add(
        .marketplacePromotionSet(
          MarketplacePromotionSet(
            model: model.id.text, name: model.name, target: target, marketplaceName: there.name, from: available,
            to: available, version: there.sourceVersions[available], cause: .drift)), to: model.id)
    }
  }

  private mutating func drift() {
    guard let model = anyModel(), let target = pick(Self.targets), let there = model.marketplace[target] else { return }
    add(
      .marketplaceDriftFound(
        MarketplaceDriftFound(
          model: model.id.text, name: model.name, target: target, marketplaceName: there.name, kind: "promotion",
          found: "x", expected: "y")), to: model.id)
  }

  // MARK: - Choices

  private func failure(_ model: ModelState, _ version: VersionState, generation: Int) -> TransferFailed {
    TransferFailed(
      model: model.id.text, name: model.name, version: version.number, created: version.created,
      generation: generation, code: "code-\(now % 3)", message: "640 of 812 \(model.name)",
      retriable: now % 2 == 0)
  }

  private mutating func add(_ event: DomainEvent, to model: ModelID? = nil) {
    draft.add(event, stream: model?.stream ?? "workspace", subject: String(draft.events.count))
  }

  private mutating func anyModel() -> ModelState? { pick(state.models.values.sorted { $0.id < $1.id }) }

  private mutating func anyLive() -> (ModelState, VersionState)? {
    guard let model = anyModel(), let version = pick(model.live) else { return nil }
    return (model, version)
  }

  /// A version, now and then one that is deleted or replaced: a job may end after the observation that missed what it
  /// works on.
  private mutating func anyVersion() -> (ModelState, VersionState)? {
    guard let model = anyModel() else { return nil }
    let versions = (Array(model.versions.values) + Array(model.replaced.values))
      .sorted { ($0.number, $0.created) < ($1.number, $1.created) }
    guard let version = pick(random.once(in: 5) ? versions : model.live) else { return nil }
    return (model, version)
  }

  private mutating func pick<T>(_ from: [T]) -> T? { from.randomElement(using: &random) }

  private mutating func uuid() -> String {
    NameBasedUUID.make([String(random.next())]).uuidString.lowercased()
  }
}
