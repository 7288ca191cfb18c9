import Foundation
import Simulation
import Testing

/// Lives of a simulated organisation, each from a seed. `ops/faults simulate --seed N` replays one.
@Suite("Simulation", .serialized)
struct SimulationTests {
  /// Fresh seeds are lived for so long, in seconds, unless SIMULATION_SECONDS says otherwise.
  private static let secondsDefault = 5.0

  @Test("no seed that ever failed fails again")
  func keptSeeds() async throws {
    for seed in try Self.seedsThatFailed() {
      let result = await Self.live(seed)
      #expect(result.violations.isEmpty, "\(Self.replay(seed))")
    }
  }

  @Test("a fresh seed holds every invariant, and after the faults one run leaves everything right")
  func freshSeeds() async {
    let environment = ProcessInfo.processInfo.environment
    let seconds = environment["SIMULATION_SECONDS"].flatMap(Double.init) ?? Self.secondsDefault
    var seed = environment["SIMULATION_SEED"].flatMap(UInt64.init) ?? UInt64.random(in: 1..<1 << 62)
    let deadline = Date().addingTimeInterval(seconds)
    var steps = 0
    repeat {
      let result = await Self.live(seed)
      steps += result.steps
      #expect(result.violations.isEmpty, "\(Self.replay(seed))")
      seed += 1
    } while Date() < deadline
    #expect(steps > 0)
  }

  @Test("the same seed lives the same life")
  func replays() async {
    let (first, second) = (await Self.story(7), await Self.story(7))
    let differs = zip(first, second).first { $0 != $1 }
    #expect(differs == nil)
    #expect(first.count == second.count)
    #expect(first.count > 100)
  }

  /// On a thread of its own, since a life leaves no room for the other tests on Swift's own two.
  private static func live(_ seed: UInt64) async -> Simulation.Result {
    await withCheckedContinuation { continuation in
      Thread { continuation.resume(returning: Simulation(seed: seed).run()) }.start()
    }
  }

  private static func story(_ seed: UInt64) async -> [String] {
    await withCheckedContinuation { continuation in
      Thread {
        var lines: [String] = []
        _ = Simulation(seed: seed, trace: { lines.append($0) }).run()
        continuation.resume(returning: lines)
      }.start()
    }
  }

  private static func replay(_ seed: UInt64) -> String {
    "replay with: ops/faults simulate --seed 0x\(String(seed, radix: 16)) --trace"
  }

  private static func seedsThatFailed() throws -> [UInt64] {
    let url = try #require(Bundle.module.url(forResource: "seeds", withExtension: "txt"))
    return try String(contentsOf: url, encoding: .utf8).split(separator: "\n").compactMap { line in
      line.hasPrefix("0x") ? UInt64(line.dropFirst(2).prefix { $0.isHexDigit }, radix: 16) : nil
    }
  }
}
