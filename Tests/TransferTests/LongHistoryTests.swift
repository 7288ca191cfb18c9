import Foundation
import Marketplace
import Registry
import Synchronization
import TestSupport
import Testing

@testable import Transfer

@Suite("Metric histories that no document holds", .enabled(if: MLflowServers.three != nil))
struct LongHistoryTests {
  private static let start: Int64 = 1_700_000_000_000
  private static let pagePoints = 25_000

  /// The point of a history that nobody logged.
  private static func point(_ key: String, _ step: Int) -> Metric {
    Metric(
      key: key, value: step.isMultiple(of: 1_000) ? .nan : Double(step) / 3, timestamp: start + Int64(step),
      step: Int64(step))
  }

  /// What was logged, in the order of the logging, without keeping it.
  private final class Heard: Sendable {
    struct Sums {
      var points = 0
      var wrong = 0
      var callMax = 0
    }
    private let sums = Mutex(Sums())
    var all: Sums { sums.withLock { $0 } }

    func take(_ metrics: [Metric]) {
      sums.withLock { sums in
        sums.callMax = max(sums.callMax, metrics.count)
        for metric in metrics {
          let expected = LongHistoryTests.point("loss", sums.points)
          let isRight =
            metric.step == expected.step && metric.timestamp == expected.timestamp
            && (metric.value == expected.value || metric.value.isNaN && expected.value.isNaN)
          if !isRight || metric.key != "loss" { sums.wrong += 1 }
          sums.points += 1
        }
      }
    }
  }

  /// A world with a model in whose run somebody logged so many pages of points.
  private func world(pages: Int) async throws -> TestWorld {
    var world = try await TestWorld.make("dev01")
    try await world.source().register("long", stage: "Production", metrics: [Self.point("loss", 1)])
    let source = try world.interpose()
    source.invent { key, page in
      page < pages ? (0..<Self.pagePoints).map { Self.point(key, page * Self.pagePoints + $0) } : []
    }
    return world
  }

  private func document(_ world: TestWorld) throws -> RunDocument {
    let stored = try world.stored().keys.first { $0.hasSuffix("/run.json") }
    let bytes = try Data(contentsOf: URL(fileURLWithPath: try #require(stored)))
    return try ExportDocument<RunDocument>.decode(Array(bytes))
  }

  @Test("pass through in pages: run.json holds the last points, a file beside it all, and each call logs a thousand")
  func manyPoints() async throws {
    var world = try await world(pages: 8)
    let heard = Heard()
    let target = world.interposeTarget()
    target.listen { heard.take($0) }
    #expect(try await world.sync().isClean)
    #expect(heard.all.points == 8 * Self.pagePoints)
    #expect(heard.all.wrong == 0)
    #expect(heard.all.callMax == MetricHistories.pointsPerLineMax)

    let document = try document(world)
    let kept = (document.metrics["loss"] ?? []) + (document.nonFiniteMetrics["loss"] ?? [])
    #expect(kept.count == MetricHistories.pointsInRunMax)
    #expect(kept.map(\.step).max() == Int64(8 * Self.pagePoints - 1))
    #expect(kept.map(\.step).min() == Int64(8 * Self.pagePoints - MetricHistories.pointsInRunMax))
    #expect(document.metricHistory?.points == Int64(8 * Self.pagePoints))
    let run = try world.stored().first { $0.key.hasSuffix("/run.json") }
    #expect(try #require(run).value < 4_000_000)
    #expect(try await world.violations().isEmpty)
  }

  @Test("that rotted are found before a point is logged, and exported again")
  func rotten() async throws {
    var world = try await world(pages: 1)
    let heard = Heard()
    let target = world.interposeTarget()
    target.listen { heard.take($0) }
    _ = try await world.sync([.observe, .export])
    let stored = try world.stored().keys.first { $0.hasSuffix("/\(MetricHistories.fileName)") }
    let path = URL(fileURLWithPath: try #require(stored))
    var bytes = try Data(contentsOf: path)
    bytes[bytes.count / 2] ^= 1
    try bytes.write(to: path)
    let report = try await world.sync()
    #expect(report.items.map(\.action) == [.invalidated, .exported, .imported, .promoted])
    #expect(heard.all.points == Self.pagePoints && heard.all.wrong == 0)
    #expect(try await world.violations().isEmpty)
  }

  @Test("arrive point by point, in a registry that keeps them")
  func equality() async throws {
    let world = try await TestWorld.make("dev01")
    let server = try world.server()
    var training = Training()
    training.metrics = (0..<20_500).map { Self.point("loss", $0) }
    training.metrics += ["\u{c5}", "\u{212b}"].flatMap { key in (0..<3).map { Self.point(key, $0) } }
    let run = try await server.train(training)
    let model = try await server.logModel("long", in: run)
    try await server.registerVersion(of: "long", source: "models:/\(model.id)", run: run)
    #expect(try await world.sync().isClean)
    #expect(try document(world).metricHistory?.points == 20_506)
    #expect(try document(world).metrics.count == 3)

    let imported = try await world.marketplaceRun(of: "dev01.long", version: 1)
    for key in ["loss", "\u{c5}", "\u{212b}"] {
      let expected = try await server.metricHistory(run: run.id, key: key).map { "\($0)" }
      let found = try await world.marketplace.metricHistory(run: imported.id, key: key).map { "\($0)" }
      #expect(expected.count == (key == "loss" ? 20_500 : 3))
      #expect(found == expected)
    }
    #expect(try await world.violations().isEmpty)
  }
}
