import Foundation
import Simulation

/// `simulate [--seed N] [--seeds N] [--steps N] [--minutes N] [--cpu-seconds N] [--small-first] [--months] [--first] [--trace]`:
/// lives seeds one after another, from one on; `--first` ends at the first that fails, `--small-first` begins with the worlds
/// in which least happens, and `--months` lives only such in which sixty-five workspaces live for three months. Where no seed
/// is given, one life in a hundred is such.
@main
struct Simulate {
  /// One life in so many lasts months, where no seed is given.
  static let longOnceIn = 100

  static func main() {
    // Dictionaries must be walked in the same order in every process, or a seed would not replay.
    if getenv("SWIFT_DETERMINISTIC_HASHING") == nil {
      setenv("SWIFT_DETERMINISTIC_HASHING", "1", 1)
      let arguments = CommandLine.arguments.map { strdup($0) } + [nil]
      execv("/proc/self/exe", arguments)
    }
    let options = Options(Array(CommandLine.arguments.dropFirst()))
    var total = Totals()
    let deadline = Date().addingTimeInterval(60 * Double(options.minutes ?? .max / 100))
    let months = options.lastsMonths ? Simulation.seed(ofMonths: .random(in: 1..<1 << 31)) : nil
    let first = options.seed ?? months ?? UInt64.random(in: 1..<UInt64.max / 2)
    var seeds = options.seeds.map { count in (0..<UInt64(count)).map { first + $0 } } ?? []
    if options.isSmallFirst { seeds.sort { (Simulation.size(of: $0), $0) < (Simulation.size(of: $1), $1) } }
    var index = 0
    while total.isWanted(options), Date() < deadline {
      let isLong = options.seed == nil && index % longOnceIn == longOnceIn - 1
      let next = first + UInt64(index)
      let long = Simulation.seed(ofMonths: UInt32(truncatingIfNeeded: next))
      let seed = index < seeds.count ? seeds[index] : isLong ? long : next
      let simulation = Simulation(seed: seed, trace: options.isTraced ? { print($0) } : nil)
      total.add(simulation.run())
      index += 1
    }
    total.tell()
    exit(total.failed.isEmpty ? 0 : 1)
  }
}

struct Options {
  var seed: UInt64?
  var seeds: Int?
  var steps: Int?
  var minutes: Int?
  /// Processor time of this process.
  var seconds: Int?
  var isSmallFirst = false
  var lastsMonths = false
  var isTraced = false
  /// The most seeds that may fail before it ends.
  var failuresMax = 20

  init(_ arguments: [String]) {
    var rest = arguments[...]
    while let word = rest.popFirst() {
      switch word {
      case "--trace": isTraced = true
      case "--first": failuresMax = 1
      case "--small-first": isSmallFirst = true
      case "--months": lastsMonths = true
      case "--cpu-seconds": seconds = rest.popFirst().flatMap { Int($0) }
      case "--seed": seed = rest.popFirst().flatMap(Self.number)
      case "--seeds": seeds = rest.popFirst().flatMap { Int($0) }
      case "--steps": steps = rest.popFirst().flatMap { Int($0.replacing("_", with: "")) }
      case "--minutes": minutes = rest.popFirst().flatMap { Int($0) }
      default:
        print(
          "usage: simulate [--seed N] [--seeds N] [--steps N] [--minutes N] [--cpu-seconds N] [--small-first] [--months] "
            + "[--first] [--trace]")
        exit(2)
      }
    }
    // A seed alone is replayed alone.
    if seed != nil, seeds == nil, steps == nil, minutes == nil { seeds = 1 }
  }

  private static func number(_ text: String) -> UInt64? {
    text.hasPrefix("0x") ? UInt64(text.dropFirst(2), radix: 16) : UInt64(text)
  }
}

struct Totals {
  var seeds = 0
  var steps = 0
  var jobs = 0
  var events = 0
  var exports = 0
  var imports = 0
  var faults: [String: Int] = [:]
  var failed: [UInt64] = []
  let began = Date()

  func isWanted(_ options: Options) -> Bool {
    if let seeds = options.seeds, self.seeds >= seeds { return false }
    if let steps = options.steps, self.steps >= steps { return false }
    if let seconds = options.seconds, clock() / clock_t(CLOCKS_PER_SEC) >= clock_t(seconds) { return false }
    return failed.count < options.failuresMax
  }

  mutating func add(_ result: Simulation.Result) {
    seeds += 1
    steps += result.steps
    jobs += result.jobs
    events += result.events
    exports += result.exports
    imports += result.imports
    faults.merge(result.faults) { $0 + $1 }
    guard !result.violations.isEmpty else { return }
    failed.append(result.seed)
    for violation in result.violations.prefix(5) { print("  \(violation)") }
    let seed = "0x\(String(result.seed, radix: 16))"
    print("seed \(seed) fails; replay: ops/faults simulate --seed \(seed) --trace")
  }

  func tell() {
    let seconds = Date().timeIntervalSince(began)
    for (fault, count) in faults.sorted(by: { $0.key < $1.key }) { print("  \(count) × \(fault)") }
    print("\(seeds) seeds, \(jobs) jobs, \(events) events, \(exports) exports, \(imports) imports in \(Int(seconds)) s")
    let figure = """
      {"name": "steps", "tried": \(steps), "survived": \(failed.isEmpty ? steps : 0), "seeds": \(seeds), "jobs": \(jobs), \
      "failed_seeds": \(failed.count), "steps_per_s": \(Int(Double(steps) / max(0.001, seconds)))}
      """
    print("{\"faults\": \"simulate\", \"figures\": [\(figure)]}")
  }
}
