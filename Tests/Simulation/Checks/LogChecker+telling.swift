import Foundation
import Ledger
import Marketplace
import Registry
import Transfer

/// What events say of an observation, of failures, of changes by hand and of withdrawals, and when they may say it.
extension LogChecker.Workspace {
  private static let weekMilliseconds: Int64 = 7 * 86_400_000
  private static let seen: Set<String> = [
    "ModelVersionRegistered", "ModelVersionDeleted", "ModelRenamed", "StageTransitioned", "AliasAssigned",
    "AliasRemoved",
  ]

  /// Before an event is taken in: what an observation changes is counted from its first event on.
  mutating func noteBefore(_ fact: Fact) {
    let isOfModel = fact.event.type == "ModelDescribed" && fact.optionalNumber("version") == nil
    guard Self.seen.contains(fact.event.type) || isOfModel else { return }
    if currentBefore == nil { currentBefore = currents }
    changes += 1
  }

  private var currents: [String: LogChecker.VersionKey] { models.compactMapValues { current(of: $0) } }

  /// An observation tells how many models and versions there are, and how many changes it found.
  mutating func observed(_ fact: Fact) {
    defer {
      changes = 0
      currentBefore = nil
      thinned = [:]
    }
    // Another run may have come in between, since an observation that finds nothing is decided on no version.
    guard fact.world.running.count == 1 else { return }
    let living = models.values.filter(\.isAlive)
    let versions = living.reduce(0) { $0 + $1.versions.values.count { !$0.isDeleted } }
    if fact.number("versions") != versions {
      fact.violates("J8", "\(fact.number("versions")) versions are told of, \(versions) are known")
    }
    guard fact.text("outcome") == "complete" else {
      if fact.number("models") != living.count || fact.number("changes") != 0 || fact.text("reason").isEmpty {
        fact.violates("J8", "an unreadable registry is told of wrongly")
      }
      return
    }
    if fact.number("changes") != changes {
      fact.violates("J8", "\(fact.number("changes")) changes are told of, there were \(changes)")
    }
    for id in thinned.keys.sorted() where fact.world.plan.dayShift == 0 {
      guard let model = models[id], !model.isAlive, !model.aliases.isEmpty else { continue }
      if fact.registry?.models[ByteName(model.name)]?.created == model.created { continue }
      fact.violates("J8", "\(model.name) is gone, and keeps aliases")
    }
    let before = currentBefore ?? currents
    let fresh = currents.filter { before[$0.key] != $0.value }
    fact.process?.conduct.observed[fact.event.workspace] = .init(
      models: fact.number("models"), changes: changes, promotions: fresh.count)
    // Models without versions are listed and leave no trace in the log.
    if fact.number("models") < living.count { fact.violates("J8", "fewer models are told of than live") }
  }

  /// A failure is told of when the reason changes, not every night; a permanent one also when its week is over.
  mutating func failed(_ fact: Fact, _ id: String) {
    let isExport = fact.event.type == "ExportFailed"
    let failure = LogChecker.Failure(
      code: fact.text("code"), isRetriable: fact.object["retriable"] as? Bool ?? false,
      generation: fact.number("generation"), export: fact.text("export_id"), recorded: fact.world.clock)
    guard let version = models[id]?.versions[fact.key] else { return }
    if isExport ? version.export != nil : version.live != nil { fact.violates("J6", "it has succeeded already") }
    let known = isExport ? version.exportFailure : version.importFailure
    if let known, known.code == failure.code, known.generation == failure.generation, known.export == failure.export,
      failure.isRetriable || failure.recorded - known.recorded < Self.weekMilliseconds
    {
      fact.violates("J7", "told before, with the same reason")
    }
    if isExport || known?.export == failure.export { checkPause(fact, after: known) }
    if isExport {
      models[id]?.versions[fact.key]?.exportFailure = failure
    } else {
      models[id]?.versions[fact.key]?.importFailure = failure
    }
  }

  /// What trying again cannot mend is left alone for a week.
  func checkPause(_ fact: Fact, after failure: LogChecker.Failure?) {
    guard let failure, let process = fact.process, !failure.isRetriable, !process.options.retryFailed,
      failure.recorded < process.began, fact.world.clock - failure.recorded < Self.weekMilliseconds
    else { return }
    fact.violates("J6", "tried again before its week was over, after \(failure.code)")
  }

  /// What somebody changed by hand is told once.
  mutating func drifted(_ fact: Fact, _ id: String) {
    if fact.text("found") == fact.text("expected") { fact.violates("J7", "found as expected") }
    let name = ByteName(fact.text("marketplace_name"))
    let changed = fact.world.handChanged[name]
    if let told = models[id]?.drift, told.expected == fact.text("expected"), (changed ?? 0) < told.at {
      fact.violates("J7", "told twice: \(fact.text("found"))")
    }
    let isAnothers = models.contains {
      $0.key != id && $0.value.available != nil && $0.value.marketplaceName.map { ByteName($0) } == name
    }
    if models[id]?.available == nil, isAnothers, fact.world.running.count == 1 {
      fact.violates("J8", "\(name.text) is another incarnation's, which is available")
    }
    // Whoever went wrong, or is at work, may have changed it without a word.
    let strangers = (fact.world.touched[name] ?? [:]).values.filter { process in
      process !== fact.process && (process.conduct.isBroken || fact.world.running.contains { $0 === process })
    }
    if changed == nil, strangers.isEmpty, fact.process?.conduct.isBroken == false {
      fact.violates("J7", "nobody changed \(name.text) by hand")
    }
    models[id]?.drift = (fact.text("found"), fact.text("expected"), fact.world.clock)
  }

  /// A rollback goes back to what was promoted once; a withdrawal promotes nothing.
  mutating func checkCause(_ fact: Fact, _ model: LogChecker.Model) {
    let to = fact.optionalNumber("to")
    let cause = fact.text("cause")
    let isRollback = to.map { model.everAvailable.contains($0) && model.available != nil } ?? false
    let expected = cause == "drift" ? "drift" : to == nil ? "withdrawal" : isRollback ? "rollback" : "promotion"
    if cause == "drift", model.drift == nil { fact.violates("J7", "put back, and nothing was told of") }
    let name = ByteName(fact.text("marketplace_name"))
    // What it was changed to may be what the source means by now. Another run that wrote there since, and then lost its race, may
    // have covered the change before anybody saw it.
    let isCovered = (fact.world.touched[name] ?? [:]).values.contains { $0 !== fact.process }
    if cause == "drift", !isCovered, let anew = fact.world.foundAnew[name], anew.at == fact.world.handChanged[name],
      anew.to != to, (model.drift?.at ?? .max) < anew.at
    {
      fact.violates("J7", "changed by hand once more, put back, and only the first change was told of")
    }
    if cause != expected { fact.violates("J8", "its cause is \(expected), not \(cause)") }
    // Where somebody deleted the model under the hands of an import, the numbers begin anew: then another import that
    // history does not know to be lost yet may have the same.
    let versions = model.versions.filter { $0.value.live?.number == to && to != nil }.map(\.key.number)
    let version = fact.optionalNumber("version")
    if version.map({ !versions.contains($0) }) ?? !versions.isEmpty {
      fact.violates("J8", "v\(to ?? 0) is the import of v\(versions.first ?? 0), not of v\(version ?? 0)")
    }
    if let to { models[fact.text("model")]?.everAvailable.insert(to) }
  }

  /// A run withdraws no more than it may.
  func checkLimit(_ fact: Fact, _ id: String) {
    guard let process = fact.process, isConnected, !hasSuccessor(id) else { return }
    let name = fact.event.workspace
    process.conduct.withdrawn[name, default: 0] += 1
    let count = process.conduct.withdrawn[name] ?? 0
    let available = process.conduct.available[name]?.upperBound ?? 0
    let most = process.options.withdrawals.permitted ?? max(3, available / 10)
    if count > most { fact.violates("J11", "\(count) models are withdrawn, \(most) may be") }
  }

  /// Where people rest while jobs run, a snapshot says what the source says.
  func checkDescription(_ fact: Fact) {
    guard fact.world.plan.dayShift == 0, let registry = fact.registry,
      let model = registry.models[ByteName(fact.text("name"))]
    else { return }
    guard let number = fact.optionalNumber("version") else { return DescriptionChecker.check(fact, model) }
    if let version = model.versions[number], version.source.hasPrefix("s3:") == false {
      DescriptionChecker.check(fact, version, in: registry)
    }
  }
}

extension Fact {
  /// The source that it is about.
  var registry: RegistryState? { world.sources.first { $0.id.text == event.workspace }?.registry }
}
