import Foundation
import Ledger
import Marketplace
import Transfer

/// What is still due when a run that was alone has ended: each is in its report, with the right word.
struct LeftoverChecker {
  let world: World
  let job: SimulatedJob

  private static let weekMilliseconds: Int64 = 7 * 86_400_000
  private var process: SimulatedProcess { job.process }

  func check() {
    guard let report = job.report else { return }
    for part in report.workspaces {
      guard part.trouble == nil, let log = world.checker.workspaces[part.workspace.text] else { continue }
      let isWorkedOn = job.configured.contains(part.workspace)
      for (id, model) in log.models.sorted(by: { $0.key < $1.key }) {
        if isWorkedOn { checkTransfers(part, log, model, report) }
        if job.steps.contains(.import), report.marketplaceTrouble == nil { checkPromotion(part, log, id, model) }
      }
      if isWorkedOn, job.steps.contains(.import), report.marketplaceTrouble == nil {
        checkPassedOver(part, log)
      }
    }
  }

  /// A version that should be exported or imported and is not has failed, is held by a failure, or was left.
  private func checkTransfers(
    _ part: WorkspaceReport, _ log: LogChecker.Workspace, _ model: LogChecker.Model, _ report: JobReport
  ) {
    for key in log.promoted(of: model).sorted(by: { $0.number < $1.number }) {
      guard let version = model.versions[key] else { continue }
      let isExport = version.export == nil
      guard
        isExport
          ? job.steps.contains(.export)
          : version.live == nil && job.steps.contains(.import) && report.marketplaceTrouble == nil
      else { continue }
      let items = part.items.filter { ByteName($0.model) == ByteName(model.name) && $0.version == key.number }
      let words = Set(items.map(\.action))
      let place = "\(part.workspace) \(model.name) v\(key.number)"
      if words.isDisjoint(with: [.failed, .held, .left, .invalidated, .lost]) {
        violated("\(place) is not \(isExport ? "exported" : "imported"), and nothing says why")
      }
      if !words.isDisjoint(with: [.failed]), words.isDisjoint(with: [.lost, .invalidated, .left]) {
        let known = isExport ? version.exportFailure : version.importFailure
        if !items.contains(where: {
          $0.action == .failed && $0.trouble?.code == known?.code || $0.trouble?.code == "lock_lost"
        }) {
          violated("\(place) failed, and the log says \(known?.code ?? "nothing")")
        }
      }
      checkHeld(place, items, isExport ? version.exportFailure : version.importFailure, version)
    }
  }

  /// Held is what failed for good less than a week ago, and nothing else.
  private func checkHeld(
    _ place: String, _ items: [Item], _ failure: LogChecker.Failure?, _ version: LogChecker.Version
  ) {
    guard let item = items.first(where: { $0.action == .held }) else { return }
    guard let failure, !failure.isRetriable else { return violated("\(place) is held, and has not failed for good") }
    if item.trouble?.code != failure.code {
      violated("\(place) is held by \(item.trouble?.code ?? ""), not \(failure.code)")
    }
    if process.began - failure.recorded >= Self.weekMilliseconds { violated("\(place) is held for longer than a week") }
  }

  /// What the marketplace should promote and does not was blocked, has failed, or was left.
  private func checkPromotion(
    _ part: WorkspaceReport, _ log: LogChecker.Workspace, _ id: String, _ model: LogChecker.Model
  ) {
    guard model.marketplaceName != nil else { return }
    let current = log.meant(model)
    let live = current.flatMap { model.versions[$0]?.live?.number }
    let isDue = log.isToBeWithdrawn(model) || live != nil && live != model.available
    let items = part.items.filter { ByteName($0.model) == ByteName(model.name) }
    let blocked = items.contains { $0.action == .blocked }
    // A model that was deleted and created again has the name of its predecessor.
    let isOnly = log.models.values.count { ByteName($0.name) == ByteName(model.name) } == 1
    if blocked, isOnly, !log.isToBeWithdrawn(model) {
      violated("\(part.workspace) \(model.name) is blocked, and nothing is due")
    }
    guard isDue else { return }
    if Set(items.map(\.action)).isDisjoint(with: [.failed, .blocked, .left, .lost]) {
      violated("\(part.workspace) \(model.name): v\(live ?? 0) is not available, and nothing says why")
    }
    if blocked { checkBlocked(part, log) }
  }

  /// Blocked is only what exceeds the limit.
  private func checkBlocked(_ part: WorkspaceReport, _ log: LogChecker.Workspace) {
    let due = log.models.count {
      log.isToBeWithdrawn($0.value) && !log.hasSuccessor($0.key)
    }
    let available = process.conduct.available[part.workspace.text]?.lowerBound ?? 0
    let most = process.options.withdrawals.permitted ?? max(3, available / 10)
    if due <= most { violated("\(part.workspace): \(due) withdrawals are blocked, \(most) may be made") }
  }

  /// Exports that were never imported and are not promoted are named, and nothing else is.
  private func checkPassedOver(_ part: WorkspaceReport, _ log: LogChecker.Workspace) {
    var (least, most) = (0, 0)
    for model in log.models.values {
      let promoted = log.promoted(of: model)
      let passedOver = model.versions.filter { key, version in
        version.export != nil && version.live == nil && version.importGeneration == 1 && !promoted.contains(key)
      }
      most += passedOver.count
      // The number may belong to another version of the model by now.
      least += passedOver.keys.count { key in model.versions.keys.allSatisfy { $0.number != key.number || $0 == key } }
    }
    let told = part.items.count { $0.action == .notImported }
    if !(least...most).contains(told) {
      violated("\(part.workspace): \(most) exports were passed over, \(told) are told of")
    }
  }

  private func violated(_ sentence: String) {
    world.violated("R", "run \(process.run.uuidString.prefix(4)): \(sentence)")
  }
}
