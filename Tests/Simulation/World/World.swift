import Foundation
import Marketplace
import Registry

/// Everything outside of the jobs: registries, storage, the log, what lies beside it, and time.
final class World: @unchecked Sendable {
  // Unchecked: the scheduler keeps everything on one thread.
  let scheduler = Scheduler()
  let plan: Plan
  var dice: Dice
  /// For what was added later, so that the lives of older seeds go on as they were.
  var aside: Dice
  /// For what was added after that.
  var apart: Dice
  /// For what collects what nobody needs.
  var yard: Dice
  /// For what came after those.
  var attic: Dice
  /// For what came last.
  var cellar: Dice
  /// Whether the store is cleared now and then, and at the end.
  let isCleared: Bool
  /// How names in the marketplace are made.
  let template: String
  /// Our clock, in milliseconds since 1970. It never stands still.
  var clock: Int64 = 1_767_225_600_000
  /// What has happened: changes by people, and calls of a port.
  var steps = 0
  var sources: [SourceSite] = []
  let marketplace: RegistryState
  let storage = StorageState()
  let log = LogState()
  let memory = MemoryState()
  let locks = LockState()
  var violations: [String] = []
  var checker = LogChecker()
  /// What each fault did, counted.
  var faults: [String: Int] = [:]
  /// When somebody last changed a model of the marketplace by hand.
  var handChanged: [ByteName: Int64] = [:]
  /// When somebody last changed one by hand whose change before that was told and not put back, to what no putting back
  /// passes through, and the version that its alias names since; no longer once a call went wrong, since then it may be a
  /// job's own half.
  var foundAnew: [ByteName: (at: Int64, to: Int?)] = [:]
  /// Who has changed what is promoted of a model of the marketplace, and has not told of it.
  var touched: [ByteName: [UUID: SimulatedProcess]] = [:]
  /// When somebody last deleted a run of the marketplace by hand.
  var runsDeleted: [String: Int64] = [:]
  /// How many files were made that are compared before they are sent.
  var hugeFiles = 0
  /// Metrics that were measured as NaN.
  var oddities: Set<String> = []
  /// Requests of processes that died, still on their way.
  var late: [() -> Void] = []
  /// Files that processes which died had sent to the store whole, still on their way. The store waits for hours at most.
  var lateFiles: [() -> Void] = []
  /// Runs and logged models of the marketplace that such requests made.
  var arrivedLate: Set<String> = []
  /// Exports whose claim was lost before any event named them, by what they were claimed for.
  var forgotten: [MemoryState.ClaimKey: String] = [:]
  /// A model of a source whose name is to pass on, and how far that has come.
  var succession: (site: Int, name: String, step: Int)?
  /// The model of the marketplace of which a process has just changed what is promoted.
  var promoting: ByteName?
  /// Processes at work.
  var running: [SimulatedProcess] = []
  var trace: ((String) -> Void)?

  init(_ plan: Plan) {
    self.plan = plan
    dice = Dice(plan.seed ^ 0x5151_5151)
    aside = Dice(plan.seed ^ 0xa51d_e000)
    apart = Dice(plan.seed ^ 0xa9a2_7000)
    yard = Dice(plan.seed ^ 0x9a2d_0000)
    attic = Dice(plan.seed ^ 0xa771_c000)
    cellar = Dice(plan.seed ^ 0xce11_a200)
    isCleared = yard.once(in: 3)
    marketplace = RegistryState(id: "marketplace", major: plan.marketplaceMajor)
    template =
      ["{workspace}.{model}", "{workspace}.{model}", "{workspace}-{model}", "m {model}.{workspace}"][attic.below(4)]
    // Somebody has an experiment there already that is called as the first workspace's would be.
    if attic.once(in: 3) {
      marketplace.experiments[Self.ownExperiment] = Experiment(id: Self.ownExperiment, name: "ws0/Default")
    }
  }

  /// The id of an experiment that somebody else made in the marketplace.
  static let ownExperiment = "own"

  /// What a model is to be called in the marketplace.
  func marketplaceName(_ workspace: WorkspaceID, _ model: String) -> String {
    template.replacing("{workspace}", with: workspace.text, maxReplacements: 1)
      .replacing("{model}", with: model, maxReplacements: 1)
  }

  /// The template as the configuration has it. One without both names, or with one twice, is refused.
  func nameTemplate() -> NameTemplate {
    let wrong = ["{model}", "{workspace}", "model", "{workspace}.{model}.{model}", "{workspace}{workspace}{model}"]
    if let text = attic.pick(wrong), (try? NameTemplate(text)) != nil {
      violated("J5", "'\(text)' is taken for a template")
    }
    if let known = try? NameTemplate(template) { return known }
    violated("J5", "'\(template)' is refused")
    return .standard
  }

  /// One step further in time.
  func tick() {
    steps += 1
    clock += 1 + Int64(dice.below(40))
  }

  func note(_ line: @autoclosure () -> String) { trace?(line()) }

  func violated(_ invariant: String, _ sentence: String) {
    violations.append("\(invariant): \(sentence)")
    note("VIOLATED \(invariant): \(sentence)")
  }

  func count(_ fault: String) { faults[fault, default: 0] += 1 }
}

/// A source workspace as its people and the configuration know it.
struct SourceSite {
  let id: WorkspaceID
  let registry: RegistryState
  var rule: PromotionRule
  /// Whether the configuration names it.
  var isConfigured = true
  /// Whether a command has disconnected it since it was last worked on.
  var isDisconnected = false
  let tagsSource: Bool
}
