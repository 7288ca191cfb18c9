import Foundation
import Ledger
import Marketplace
import Registry
import Transfer

/// Compares what a run says it did with what the log and the world saw of it.
struct ReportChecker {
  let world: World
  let job: SimulatedJob
  /// Whether nobody else worked meanwhile, so that what is due afterwards was due to this run.
  let isAlone: Bool

  /// So many waits are not each the first for its lock.
  private static let pausesMany = 30
  /// How often a file is fetched of which less arrives than there is.
  private static let fetchesMost = 3
  /// How many files of one version are fetched side by side.
  private static let filesAtOnce = 4

  /// The code of what a registry will not tell in one answer.
  private static let tooLarge = "too_large"

  private var process: SimulatedProcess { job.process }

  func check() {
    guard let report = job.report else { return }
    if report.wasInterrupted != process.isStopping { violated("it does not say whether it was interrupted") }
    checkUnattended(report)
    checkSilence(report)
    checkProgress()
    checkPatience()
    checkStubbornness(report)
    checkEconomy()
    checkQuestions(report)
    if isAlone { LargeFileChecker(world: world).ended(process) }
    for part in report.workspaces {
      let facts = process.conduct.facts.filter { $0.event.workspace == part.workspace.text }
      if job.options.isDryRun {
        if !facts.isEmpty { violated("a plan appended events") }
      } else {
        checkNumbers(part, facts)
        checkDeeds(part, facts)
        checkHealing(part, facts)
      }
      checkActions(part)
      checkBusy(part)
      checkApart(part)
    }
    for fact in process.conduct.facts
    where fact.event.workspace != "marketplace"
      && !report.workspaces.contains(where: { $0.workspace.text == fact.event.workspace })
    {
      violated("\(fact.event.type) was appended to \(fact.event.workspace), which the report leaves out")
    }
    if isAlone, !job.options.isDryRun { LeftoverChecker(world: world, job: job).check() }
  }

  /// What the marketplace refused or did not answer is told.
  private func checkSilence(_ report: JobReport) {
    // A listing that may come in parts is asked for in parts, unless the run is to end by then.
    guard process.conduct.failed["marketplace"] ?? 0 > 0, report.marketplaceTrouble == nil, !process.isStopping
    else { return }
    // Of a version both may go wrong at once, a request and a file that is rotten: the file is told of.
    let isTold = report.workspaces.contains { part in
      part.trouble != nil || part.items.contains { $0.action == .failed || $0.action == .invalidated }
    }
    if !isTold { violated("a request to the marketplace failed, and nobody is told") }
  }

  /// Every file is told of, and nothing is left open behind it.
  private func checkProgress() {
    let conduct = process.conduct
    if conduct.open > 0 { violated("\(conduct.open) uploads were left open") }
    guard !process.isExposed else { return }
    if conduct.sentLarge != conduct.notedLarge {
      violated("\(conduct.sentLarge) large files arrived, \(conduct.notedLarge) are noted")
    }
    if job.options.workspacesConcurrent * job.options.modelsConcurrent == 1, conduct.nameReadings > 1 {
      violated("the given names were read \(conduct.nameReadings) times")
    }
    // What is found to differ from what an earlier attempt left is given up before it is told of, and so is what was
    // fetched at the same time.
    let untold = 0...conduct.replaced * Self.filesAtOnce
    if conduct.sent != conduct.toldSent || !untold.contains(conduct.stored - conduct.toldStored) {
      violated(
        "\(conduct.stored) and \(conduct.sent) files moved, it told of \(conduct.toldStored) and \(conduct.toldSent)")
    }
  }

  /// Where the versions of all models were listed at once, and nobody was at work, they are not listed one by one as well.
  private func checkEconomy() {
    guard !process.isExposed, world.plan.listsAllVersions else { return }
    for site in world.sources {
      let requests = process.conduct.requests[site.id.text] ?? [:]
      guard let single = requests["list versions"] else { continue }
      let listed = site.registry.models.keys.count { $0.isKeepable }
      guard requests["list versions of all models"] ?? 0 > 0 else {
        if single >= job.options.modelsListedAtOnceMin, single * 2 >= listed {
          violated("\(site.id): versions of \(single) models of \(listed) were listed one by one")
        }
        continue
      }
      // Of these the listing of all says nothing, or less than the model does.
      let silent = site.registry.models.values.count { model in
        model.versions.isEmpty || model.aliases.values.contains { model.versions[$0] == nil }
      }
      if single > silent { violated("\(site.id): versions were listed at once, and of \(single) models one by one") }
    }
  }

  /// Where nobody else was at work, what a listing tells is not asked for one by one as well.
  private func checkQuestions(_ report: JobReport) {
    guard !process.isExposed, isAlone, !job.options.isDryRun else { return }
    let items = report.workspaces.flatMap(\.items)
    // To take something out of promotion, each of its versions is looked at before it is changed; and so is what an import finds
    // under its key.
    if !items.contains(where: { [.withdrawn, .driftPutBack, .imported, .failed].contains($0.action) }) {
      let asked = process.conduct.requests["marketplace"]?["get a version"] ?? 0
      let lost = items.count { $0.action == .lost }
      if asked > lost { violated("\(asked) versions of the marketplace were asked for, \(lost) are lost") }
    }
    guard job.steps.contains(.observe) else { return }
    for site in world.sources where report.workspaces.contains(where: { $0.workspace == site.id && $0.trouble == nil })
    {
      let asked = process.conduct.requests[site.id.text]?["get a model"] ?? 0
      // One that is gone or has another name, one of which something is gone, and one that has not changed since something
      // of it did.
      let facts = process.conduct.facts.filter {
        $0.event.workspace == site.id.text && ["ModelVersionDeleted", "ModelRenamed"].contains($0.event.type)
      }
      let moved = Set(facts.map { "\($0.event.type) \($0.text("model"))" }).count
      let odd = site.registry.models.values.count { model in
        model.aliases.values.contains { model.versions[$0] == nil }
          || model.all.contains { max($0.created, $0.lastUpdated) > model.lastUpdated }
      }
      if asked > moved + odd { violated("\(site.id): \(asked) models were asked for, \(moved + odd) may have moved") }
    }
  }

  /// Whoever waits for long asks less and less often.
  private func checkPatience() {
    let pauses = process.conduct.pauses
    if pauses.count >= Self.pausesMany, Set(pauses).count == 1 {
      violated("it waited \(pauses.count) times for locks, each time for \(pauses[0])")
    }
  }

  /// A file of which less arrives is fetched three times before it counts as cut short.
  private func checkStubbornness(_ report: JobReport) {
    // Somebody at work may make a file longer while it is fetched.
    guard world.plan.dayShift == 0, process.conduct.cut.values.max() ?? 0 < Self.fetchesMost else { return }
    for part in report.workspaces {
      for item in part.items where ["incomplete_file", "incomplete_body"].contains(item.trouble?.code) {
        violated("\(part.workspace) \(item.model) v\(item.version ?? 0) was given up too soon")
      }
    }
  }

  /// J9: a workspace is in trouble only for what happened to its own registry or to what all share.
  private func checkApart(_ part: WorkspaceReport) {
    let (name, conduct) = (part.workspace.text, process.conduct)
    guard let trouble = part.trouble, conduct.failedShared == 0, conduct.failed["marketplace"] == nil,
      conduct.failed[name] == nil, !conduct.hidden.contains(name), !["not_begun", "contended"].contains(trouble.code)
    else { return }
    world.violated("J9", "\(part.workspace) is in trouble, and nothing of its own failed: \(trouble.message)")
  }

  /// A model that another run was working on is named as busy.
  private func checkBusy(_ part: WorkspaceReport) {
    guard !process.conduct.refused.isEmpty, let log = world.checker.workspaces[part.workspace.text], part.trouble == nil
    else { return }
    for (id, model) in log.models {
      guard process.conduct.refused.contains(GuardChecker.lock(of: id)) else { continue }
      // It may have been renamed since the run read of it.
      let names = model.names.union([ByteName(model.first)])
      if !part.items.contains(where: {
        $0.action == .busy && (names.contains(ByteName($0.model)) || world.plan.dayShift > 0)
      }) {
        violated("\(part.workspace) \(model.name) was busy, and nobody is told")
      }
    }
  }

  private func checkUnattended(_ report: JobReport) {
    guard isAlone else { return }
    let named = Set(world.sources.filter(\.isConfigured).map(\.id.text))
    let expected = world.checker.workspaces.filter {
      $0.key != "marketplace" && $0.value.isConnected && !named.contains($0.key)
    }
    if report.unattended.map(\.text) != expected.keys.sorted() {
      violated("unattended are \(expected.keys.sorted()), it says \(report.unattended)")
    }
  }

  private func checkNumbers(_ part: WorkspaceReport, _ facts: [Fact]) {
    let name = part.workspace.text
    let sequences = facts.map(\.event.sequence)
    if let told = part.sequences {
      if let first = sequences.min(), let last = sequences.max(), told.lowerBound > first || told.upperBound < last {
        violated("\(name): events \(first)…\(last) were appended, it says \(told)")
      }
      if sequences.isEmpty, told.upperBound > Int64(world.log.events(name).count) {
        violated("\(name): no such events")
      }
    } else if !sequences.isEmpty {
      violated("\(name): \(sequences.count) events were appended, it names none")
    }
    guard job.steps.contains(.observe), job.configured.contains(part.workspace), part.trouble?.code != "not_begun"
    else { return }
    if !process.conduct.told.contains(name) { violated("\(name): nobody was told that it is read") }
    let observed = process.conduct.observed[name]
    if part.trouble == nil, let observed {
      if (part.models, part.changes, part.promotions) != (observed.models, observed.changes, observed.promotions) {
        violated("\(name): it says \(part.models), \(part.changes) and \(part.promotions) of \(observed)")
      }
    } else if part.trouble == nil, isAlone {
      violated("\(name): neither observed nor in trouble")
    }
  }

  /// What counts as done and the event that says so.
  private static let deeds: [(Item.Action, type: String, cause: String?)] = [
    (.exported, "ModelExported", nil), (.imported, "ModelImported", nil), (.lost, "ImportLost", nil),
    (.invalidated, "ExportInvalidated", nil), (.promoted, "MarketplacePromotionSet", "promotion"),
    (.rolledBack, "MarketplacePromotionSet", "rollback"), (.withdrawn, "MarketplacePromotionSet", "withdrawal"),
    (.driftPutBack, "MarketplacePromotionSet", "drift"),
  ]

  /// Each event has its item. An item without an event of this run tells of what another run was first to record.
  private func checkDeeds(_ part: WorkspaceReport, _ facts: [Fact]) {
    let name = part.workspace.text
    for (action, type, cause) in Self.deeds {
      let items = part.items.filter { $0.action == action }
      for fact in facts where fact.event.type == type && (cause == nil || fact.text("cause") == cause) {
        if !items.contains(where: { isSame($0, fact) }) {
          violated("\(name): \(type) \(fact.text("name")) is left out")
        }
      }
      if isAlone,
        items.count > facts.count(where: { $0.event.type == type && (cause == nil || $0.text("cause") == cause) })
      {
        violated("\(name): it says \(action) \(items.count) times")
      }
    }
    for fact in facts where fact.event.type == "ExportFailed" || fact.event.type == "ImportFailed" {
      let isTold = part.items.contains {
        $0.action == .failed && ByteName($0.model) == ByteName(fact.text("name"))
          && $0.version == fact.number("version")
          && $0.trouble?.code == fact.text("code")
      }
      if !isTold { violated("\(name): \(fact.event.type) \(fact.text("name")) is left out") }
    }
  }

  private func isSame(_ item: Item, _ fact: Fact) -> Bool {
    guard ByteName(item.model) == ByteName(fact.text("name")), item.version == fact.optionalNumber("version") else {
      return false
    }
    if fact.event.type == "ModelExported", item.bytes != Int64(fact.number("bytes")) { return false }
    guard let name = item.marketplaceName,
      fact.event.type.hasPrefix("Marketplace") || fact.event.type == "ModelImported"
    else {
      return fact.event.type != "ModelImported"
    }
    return ByteName(name) == ByteName(fact.text("marketplace_name"))
  }

  /// An export found damaged is healed when its version is imported in the same run.
  private func checkHealing(_ part: WorkspaceReport, _ facts: [Fact]) {
    let damaged = facts.filter { fact in
      fact.event.type == "ExportInvalidated"
        && !facts.contains {
          $0.event.type == "ModelImported" && $0.text("model") == fact.text("model") && $0.key == fact.key
            && $0.event.sequence > fact.event.sequence
        }
    }
    if isAlone, part.unhealed.count != damaged.count {
      violated("\(part.workspace): \(damaged.count) exports stay damaged, it says \(part.unhealed.count)")
    }
  }

  /// What may only be said under certain circumstances.
  private func checkActions(_ part: WorkspaceReport) {
    for item in part.items {
      let name = "\(part.workspace) \(item.model)"
      if item.trouble?.code == Self.tooLarge { violated("\(name): what is too long for one answer comes in several") }
      switch item.action {
      case .busy where isAlone: violated("\(name) is busy, and nobody else is at work")
      case .left where !process.isStopping: violated("\(name) was left by a run that was not to end")
      case .held where job.options.retryFailed: violated("\(name) is held, though failures are to be tried again")
      case .failed, .blocked, .held, .skipped:
        if !item.isFailure || item.trouble?.message.isEmpty != false {
          violated("\(name) \(item.action) has no reason")
        }
      case .exported where !job.options.isDryRun: checkDescribed(name, item, part)
      default:
        if item.isFailure { violated("\(name) \(item.action) is a failure") }
      }
    }
  }

  /// An export stands though the ledger does not take its description, and the report says so.
  private func checkDescribed(_ name: String, _ item: Item, _ part: WorkspaceReport) {
    guard world.plan.dayShift == 0, let site = world.sources.first(where: { $0.id == part.workspace }),
      let version = site.registry.models[ByteName(item.model)]?.versions[item.version ?? 0]
    else { return }
    let isRefused = version.description.contains("unacceptable")
    if isRefused != (item.trouble?.code == "description_refused") {
      violated(
        "\(name): its description was \(isRefused ? "" : "not ")refused, it says \(item.trouble?.code ?? "nothing")")
    }
  }

  private func violated(_ sentence: String) {
    world.violated("R", "run \(process.run.uuidString.prefix(4)): \(sentence)")
  }
}
