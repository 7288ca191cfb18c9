import ArgumentParser
import Foundation
import Testing

@testable import marketplace

@Suite("Deadline and jitter")
struct StartTests {
  @Test(
    "durations have units, from large to small",
    arguments: [("90s", 90), ("10m", 600), ("1h30m", 5_400), ("2d", 172_800), ("0s", 0), ("1d2h3m4s", 93_784)])
  func durations(text: String, seconds: Int) {
    #expect(Span(argument: text)?.seconds == seconds)
  }

  @Test(
    "what is no duration is refused",
    arguments: ["", "5", "m", "5x", "-5m", "1m1h", "1h1h", "5 m", "367d", "99999999999999999999s", "1.5h", "٣m"])
  func refused(text: String) {
    #expect(Span(argument: text) == nil)
  }

  @Test("the wait before a start is the run's own, and spread over the whole span")
  func jitter() throws {
    let longest = try #require(Span(argument: "10m"))
    let runs = (0..<200).map { _ in RunID.make() }
    let waits = runs.map { StartDelay(upTo: longest, run: $0).seconds }
    #expect(waits == runs.map { StartDelay(upTo: longest, run: $0).seconds })
    #expect(waits.allSatisfy { (0...600).contains($0) })
    let quarters = Set(waits.map { min(3, Int($0 / 150)) })
    #expect(quarters == [0, 1, 2, 3])
  }

  @Test("a jitter that could use up the deadline is refused")
  func both() throws {
    #expect(throws: (any Error).self) { try JobArguments.parse(["--jitter", "10m", "--deadline", "10m"]) }
    let fine = try JobArguments.parse(["--jitter", "10m", "--deadline", "11m"])
    #expect(fine.deadline?.text == "11m")
  }
}
