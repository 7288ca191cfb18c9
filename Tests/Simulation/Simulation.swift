import Foundation
import Ledger
import Marketplace
import Registry
import Transfer

/// One life of a simulated organisation: nights of jobs under fire, people at work between and during them, and at the
/// end a night without faults, after which everything must be right.
public final class Simulation {
  /// What became of it.
  public struct Result: Sendable {
    /// The seed that was lived.
    public var seed: UInt64
    /// Changes by people, and calls of a port.
    public var steps = 0
    /// Executions of the job.
    public var jobs = 0
    /// Events in all logs.
    public var events = 0
    /// Exports among them.
    public var exports = 0
    /// Imports among them.
    public var imports = 0
    /// How often each fault happened.
    public var faults: [String: Int] = [:]
    /// What did not hold, in words.
    public var violations: [String] = []
  }

  /// A run that takes more steps than this does not end.
  static let jobStepsMax = 500_000
  /// So many others observe while jobs are at work, at most.
  private static let observersMost = 3
  private let world: World
  private var jobs = 0
  private var processes: [SimulatedProcess] = []

  /// A life that `run()` lives, each step told to `trace`.
  public init(seed: UInt64, trace: ((String) -> Void)? = nil) {
    world = World(Plan(seed: seed))
    world.trace = trace
    for index in 0..<world.plan.workspaces {
      guard let id = try? WorkspaceID("ws\(index)") else { continue }
      var site = SourceSite(
        id: id, registry: RegistryState(id: id.text, major: world.plan.sourceMajors[index]),
        rule: World.rules[world.dice.below(World.rules.count)], tagsSource: world.dice.once(in: 4))
      if world.aside.once(in: 4) { site.rule.versions = .all }
      // An MLflow workspace is born without the experiment that a server has.
      if world.aside.once(in: 4) { site.registry.experiments["0"]?.name = "Home" }
      world.sources.append(site)
    }
  }

  /// The seed of a world in which sixty-five workspaces live for three months.
  public static func seed(ofMonths number: UInt32) -> UInt64 { Plan.monthsMark << 48 | UInt64(number) }

  /// How much there is to live in a seed's world, roughly.
  public static func size(of seed: UInt64) -> Int { Plan(seed: seed).size }

  /// Lives the life.
  public func run() -> Result {
    defer { forget() }
    for night in 0..<world.plan.nights where world.violations.isEmpty {
      world.note("night \(night)")
      while !world.lateFiles.isEmpty { world.deliverLateFile() }
      for index in world.sources.indices {
        for _ in 0..<world.dice.below(world.plan.changes + 1) { world.peopleChange(index) }
        if world.aside.once(in: 10) { world.tidyUp(index) }
        if world.apart.once(in: 60) { world.leave(index) }
      }
      world.meddle()
      if world.attic.once(in: 8) { world.litter() }
      if world.plan.kind == .ordinary { world.passOn() }
      if world.attic.once(in: 12) { world.forgetClaims() }
      world.changeSight()
      world.administer()
      if world.dice.once(in: world.plan.handOnceIn) { world.handChange() }
      if world.dice.once(in: world.plan.rotsOnceIn) { world.rot() }
      world.clock += 3_600_000 * Int64(1 + world.dice.below(40))
      var jobs = (0..<(1 + world.dice.below(world.plan.jobs))).map { _ in nightJob() }
      if world.isCleared, world.yard.once(in: 3) {
        jobs.append(collection(days: 1 + world.yard.below(3), deletes: !world.yard.once(in: 4), isExposed: true))
      }
      work(jobs)
    }
    if world.violations.isEmpty { settle() }
    if world.violations.isEmpty { StateChecker(world: world).check() }
    return result()
  }

  /// A process and what it did know of each other, and of the world.
  private func forget() {
    for process in processes { process.conduct = Conduct() }
    processes = []
    world.touched = [:]
    world.late = []
    world.lateFiles = []
  }

  private func result() -> Result {
    let events = world.log.workspaces.values.flatMap(\.self)
    return Result(
      seed: world.plan.seed, steps: world.steps, jobs: jobs, events: events.count,
      exports: events.count { $0.type == "ModelExported" }, imports: events.count { $0.type == "ModelImported" },
      faults: world.faults, violations: world.violations)
  }

  /// A job as operators run it: mostly everything at once, now and then a part of it, for some workspaces, or as a plan.
  private func nightJob() -> SimulatedJob {
    var options = JobOptions()
    options.isDryRun = world.dice.once(in: 12)
    options.retryFailed = world.dice.once(in: 6)
    options.workspacesConcurrent = 1 + world.dice.below(4)
    options.modelsConcurrent = 1 + world.dice.below(4)
    if world.dice.once(in: 5) { options.withdrawals = WithdrawalLimit(permitted: 100) }
    let steps: SyncJob.Steps =
      switch world.dice.below(8) {
      case 0: [.observe, .export]
      case 1: .import
      case 2: .observe
      case 3: [.observe, .import]
      default: .all
      }
    let only = world.dice.once(in: 5) ? world.dice.pick(world.sources.map(\.id)) : nil
    return job(options, steps: steps, only: only, isExposed: true)
  }

  /// What nobody needs is looked for, and removed.
  private func collection(days: Int, deletes: Bool, isExposed: Bool) -> SimulatedJob {
    jobs += 1
    var options = JobOptions()
    options.isDryRun = !deletes
    let process = SimulatedProcess(
      world, run: world.yard.uuid(), options: options, isExposed: isExposed,
      stopsAfter: isExposed && world.yard.once(in: 10) ? world.yard.below(60) : .max)
    process.collectsOlderThan = Int64(days) * 86_400_000
    return SimulatedJob(process: process, options: options, collectsOlderThan: .seconds(days * 86_400))
  }

  private func job(
    _ options: JobOptions, steps: SyncJob.Steps, only: WorkspaceID? = nil, isExposed: Bool
  ) -> SimulatedJob {
    jobs += 1
    var options = options
    options.modelsListedAtOnceMin = world.plan.modelsListedAtOnceMin
    let stops = isExposed && world.dice.once(in: 10) ? world.dice.below(150) : .max
    let process = SimulatedProcess(
      world, run: world.dice.uuid(), options: options, isExposed: isExposed, stopsAfter: stops)
    return SimulatedJob(process: process, options: options, steps: steps, only: only)
  }

  /// Runs jobs side by side to the end, people at work meanwhile on day shifts.
  private func work(_ begun: [SimulatedJob], dayShift: Bool = true) {
    var jobs = begun
    world.running = jobs.map(\.process)
    processes += world.running
    defer { world.running = [] }
    for job in jobs { job.start() }
    world.scheduler.runReady()
    let begin = world.steps
    var hurry = (run: UUID(), turns: 0)
    while jobs.contains(where: { !$0.isDone }) {
      guard world.scheduler.waitingCount > 0 else { return world.violated("O", "a job waits for nothing, for ever") }
      guard world.steps - begin < Self.jobStepsMax else { return world.violated("O", "a job does not end") }
      if dayShift, world.dice.once(in: world.plan.dayShift) {
        world.peopleChange(world.dice.below(world.sources.count))
        if world.plan.handOnceIn > 0, world.dice.once(in: 20) { world.handChange() }
      }
      if !world.late.isEmpty, world.apart.once(in: 200) { world.deliverLate() }
      if !world.lateFiles.isEmpty, world.cellar.once(in: 100) { world.deliverLateFile() }
      let anyone = world.dice.below(world.scheduler.waitingCount)
      if jobs.count > 1, hurry.turns == 0, world.yard.once(in: 40) { hurry = somebodyHurries(jobs, dayShift: dayShift) }
      hurry.turns = max(0, hurry.turns - 1)
      let hurried = hurry.turns > 0 ? world.scheduler.waiting(of: hurry.run) : []
      world.scheduler.giveTurn(to: world.yard.pick(hurried) ?? anyone)
      if let observer = observer(dayShift: dayShift, jobs: jobs.count - begun.count) { jobs.append(observer) }
    }
    for job in jobs where !job.process.sessions.isEmpty {
      world.violated("O", "run \(job.process.run.uuidString.prefix(4)) left a session open that holds locks")
      job.process.endSessions()
    }
    for job in jobs where job.options.isDryRun && job.process.writes > 0 {
      world.violated("J7", "a dry run wrote")
    }
    for item in jobs.compactMap(\.collection?.items).joined() where item.outcome == .collected {
      world.count("\(item.reason.rawValue) collected")
    }
    for job in jobs { CollectionChecker.checkClaims(job, world) }
    for job in jobs { ReportChecker(world: world, job: job, isAlone: jobs.count == 1).check() }
  }

  /// Just after a job has changed what is promoted of a model, its source is turned back, and another run observes that
  /// before the job can tell what it did.
  private func observer(dayShift: Bool, jobs before: Int) -> SimulatedJob? {
    let promoting = world.promoting
    world.promoting = nil
    guard let promoting, dayShift, world.plan.dayShift > 0, before < Self.observersMost, world.attic.once(in: 6),
      let workspace = world.turnBack(promoting)
    else { return nil }
    jobs += 1
    let options = JobOptions()
    let process = SimulatedProcess(world, run: world.attic.uuid(), options: options, isExposed: false)
    let job = SimulatedJob(process: process, options: options, steps: .observe, only: workspace)
    processes.append(process)
    world.running.append(process)
    job.start()
    world.scheduler.runReady()
    while !job.isDone, let next = world.scheduler.waiting(of: process.run).first { world.scheduler.giveTurn(to: next) }
    return job
  }

  /// One of several jobs does much while the others stand still, and on day shifts what it finds is new to them.
  private func somebodyHurries(_ jobs: [SimulatedJob], dayShift: Bool) -> (run: UUID, turns: Int) {
    if dayShift, world.plan.dayShift > 0, world.yard.once(in: 2) {
      world.peopleChange(world.yard.below(world.sources.count))
    }
    return (world.yard.pick(jobs)?.process.run ?? UUID(), 1 + world.yard.below(60))
  }

  /// Faults stop and people go home: one run must leave everything right, and the next must have nothing to do.
  private func settle() {
    while !world.late.isEmpty { world.deliverLate() }
    while !world.lateFiles.isEmpty { world.deliverLateFile() }
    if world.apart.once(in: 6) { world.leave(world.apart.below(world.sources.count)) }
    comeToLight()
    world.marketplace.sight = .ordinary
    if world.dice.once(in: 2) { for index in world.sources.indices { world.sources[index].isConfigured = true } }
    if world.attic.once(in: 3) { world.forgetClaims() }
    world.clock += 86_400_000
    if world.plan.kind == .crowd { reachLimit() } else if world.aside.once(in: 2) { evening() }
    guard world.violations.isEmpty else { return }
    var options = JobOptions()
    options.retryFailed = true
    options.withdrawals = WithdrawalLimit(permitted: .max)
    world.note("faults stop")
    let isSpoiled = world.aside.once(in: 4)
    if isSpoiled { spoil(options) }
    let plan = !isSpoiled && world.aside.once(in: 2) ? self.plan(options) : nil
    let last = job(options, steps: .all, isExposed: false)
    work([last], dayShift: false)
    guard let report = last.report else { return world.violated("J6", "the last run failed: \(last.failure ?? "")") }
    for trouble in report.workspaces.compactMap(\.trouble) + [report.marketplaceTrouble].compactMap(\.self) {
      world.violated("J6", "the last run had trouble: \(trouble.message)")
    }
    if let plan { PlanChecker(world: world, plan: plan, report: report, facts: last.process.conduct.facts).check() }
    WorldChecker(world: world, report: report).check()
    guard world.violations.isEmpty else { return }
    checkQuiet()
    if world.violations.isEmpty, world.isCleared { clear(options) }
  }

  /// Sources are seen whole.
  private func comeToLight() {
    for site in world.sources {
      site.registry.sight = .ordinary
      site.registry.unlisted = []
      site.registry.unlistedModels = []
      // Where nothing is left that ever was seen, a registry without this experiment can never show that it is seen.
      if site.registry.models.isEmpty, site.registry.hasVersionsOfNothing {
        site.registry.experiments["0"]?.name = "Default"
      }
    }
  }

  /// Long after, what nobody needs goes, and nothing is missed: neither that night nor when work goes on.
  private func clear(_ options: JobOptions) {
    world.note("the store is cleared")
    world.clock += 40 * 86_400_000
    // What failed for good is tried again by now, and told again; what is damaged is given up, and is young as such.
    work([job(options, steps: .all, isExposed: false)], dayShift: false)
    if world.attic.once(in: 4) { checkAttic(isKnown: world.attic.once(in: 2)) }
    world.clock += 2 * 86_400_000
    let plan = collection(days: 1, deletes: false, isExposed: false)
    work([plan], dayShift: false)
    let before = CollectionChecker.Store(world)
    let collection = collection(days: 1, deletes: true, isExposed: false)
    work([collection], dayShift: false)
    CollectionChecker(world: world, job: collection, plan: plan, before: before).check()
    guard world.violations.isEmpty else { return }
    checkQuiet()
    for index in world.sources.indices {
      for _ in 0..<world.yard.below(6) { world.peopleChange(index) }
    }
    comeToLight()
    let next = job(options, steps: .all, isExposed: false)
    work([next], dayShift: false)
    guard let report = next.report else { return world.violated("J6", "a run after it failed: \(next.failure ?? "")") }
    WorldChecker(world: world, report: report).check()
  }

  /// More lies there than a report names one by one.
  private func checkAttic(isKnown: Bool) {
    let folders = world.fillAttic(isKnown: isKnown)
    world.clock += 2 * 86_400_000
    let plan = collection(days: 1, deletes: false, isExposed: false)
    work([plan], dayShift: false)
    CollectionChecker.checkKept(
      plan, world, removable: isKnown ? folders.count : 0, unknown: isKnown ? 0 : folders.count)
    for folder in folders { world.storage.remove("\(folder)/MLmodel") }
  }

  /// What was exported and is still to be imported rots: one run finds it, exports it again and imports it.
  private func spoil(_ options: JobOptions) {
    work([job(options, steps: [.observe, .export], isExposed: false)], dayShift: false)
    for workspace in world.checker.workspaces.values {
      for model in workspace.models.values {
        for key in workspace.promoted(of: model) {
          guard let version = model.versions[key], version.live == nil, let export = version.export?.id,
            let folder = workspace.folders[export],
            let path = world.aside.pick(world.storage.below(folder))
          else { continue }
          world.rot(path)
        }
      }
    }
  }

  /// Exactly a tenth of what is available goes, which is permitted; one more is not.
  private func reachLimit() {
    let registry = world.sources[0].registry
    world.sources[0].rule = .standard
    for name in registry.models.keys.sorted() {
      guard let newest = registry.models[name]?.all.last else { continue }
      world.tick()
      _ = registry.transition(name.text, newest.version, to: "Production", archives: true, at: world.clock)
    }
    for step in 0..<3 {
      let available = world.checker.workspaces["ws0"]?.models.values.filter { $0.available != nil } ?? []
      let count = step == 1 ? available.count % 10 : step == 2 ? available.count / 10 + world.aside.below(2) : 0
      for model in available.sorted(by: { $0.created < $1.created }).prefix(count) {
        world.tick()
        registry.deleteModel(model.name)
      }
      var options = JobOptions()
      options.retryFailed = step == 0
      if step < 2 { options.withdrawals = WithdrawalLimit(permitted: .max) }
      work([job(options, steps: .all, isExposed: false)], dayShift: false)
    }
  }

  /// An ordinary run without faults: it may hold failures back, and block withdrawals.
  private func evening() {
    world.note("an evening without faults")
    var options = JobOptions()
    if world.aside.once(in: 3) { options.withdrawals = WithdrawalLimit(permitted: world.aside.below(4)) }
    if world.aside.once(in: 2) {
      options.workspacesConcurrent = 1
      options.modelsConcurrent = 1
    }
    let job = job(options, steps: .all, isExposed: false)
    work([job], dayShift: false)
    if job.report == nil { world.violated("J6", "a run without faults failed: \(job.failure ?? "")") }
    world.clock += 3_600_000
  }

  private func plan(_ options: JobOptions) -> JobReport? {
    world.note("a plan")
    var options = options
    options.isDryRun = true
    let job = job(options, steps: .all, isExposed: false)
    work([job], dayShift: false)
    if job.report == nil { world.violated("J6", "a plan failed: \(job.failure ?? "")") }
    return job.report
  }

  private func checkQuiet() {
    let before = world.log.workspaces.mapValues(\.count)
    world.note("a quiet night")
    let quiet = job(JobOptions(), steps: .all, isExposed: false)
    work([quiet], dayShift: false)
    QuietChecker(world: world, job: quiet, before: before).check()
  }
}
