import Catalog
import Foundation
import Ledger
import Postgres
import TestSupport
import Testing

/// One row of the catalog, as far as it does not depend on the clock.
struct Row: Hashable, CustomStringConvertible {
  var name: String
  var source: Int?
  var available: Int?
  var state: String
  var reason: String?
  var sequence: Int64

  init(
    _ name: String, _ source: Int?, _ available: Int?, _ state: String, _ reason: String?, _ sequence: Int64
  ) {
    self.name = name
    self.source = source
    self.available = available
    self.state = state
    self.reason = reason
    self.sequence = sequence
  }

  init(_ entry: CatalogEntry) {
    self.init(
      "\(entry.workspace)/\(entry.name ?? "?")", entry.sourceVersion, entry.availableVersion,
      entry.state.rawValue,
      entry.reason, entry.sequence)
  }

  var description: String {
    "\(name) \(source.map(String.init) ?? "–")/\(available.map(String.init) ?? "–") \(state) (\(reason ?? "")) \(sequence)"
  }
}

/// What the catalog must say after each seal of the sample history, worked out by hand.
private let expected: [Set<Row>] = {
  let hostile = Row(
    "dev01/\(SampleHistory.hostileName)", 1, nil, "pending", "version 1 is not exported yet", 42)
  let risk = Row("dev01/readmission-risk", 1, 1, "available", nil, 19)
  let lost = Row(
    "dev01/sepsis-warning", 2, nil, "pending",
    "version 2 was lost from the marketplace (deleted by hand); imported again by the next run", 38)
  return [
    [Row("dev01/readmission-risk", 1, 1, "available", nil, 9)],
    [
      Row(
        "dev01/readmission-risk", 2, 1, "superseded, successor pending", "version 2 is not exported yet", 11)
    ],
    [Row("dev01/readmission-risk", 2, 2, "available", nil, 15)],
    [risk],
    [
      risk,
      Row(
        "dev01/sepsis-alert", 1, nil, "failed",
        "version 1: export failed (size-mismatch): MLmodel: 640 of 812 bytes", 24),
    ],
    [
      risk,
      Row(
        "dev01/sepsis-warning", 2, 1, "superseded, successor pending", "version 2 is not exported yet", 29),
    ],
    [risk, lost],
    [risk, lost, hostile, Row("dev01/triage", 1, 1, "available", nil, 46)],
    [
      risk, lost, hostile,
      Row(
        "dev01/triage", nil, 1, "withdrawal pending", "the promoted version was deleted at the source", 47),
    ],
    [risk, lost, hostile],
    [risk, lost, hostile, Row("dev02/los", 1, 1, "available", nil, 7)],
    [
      risk, lost, hostile,
      Row("dev02/los", nil, 1, "withdrawal pending", "the workspace was disconnected", 8),
    ],
  ]
}()

@Suite("The catalog of the sample history")
struct CatalogTests {
  @Test("says after each seal what the sources mean and what can be loaded, and says it for ever")
  func everySeal() async throws {
    let sample = try await SampleHistory.append()
    defer { Task { await sample.pool.close() } }
    let catalog = Catalog(sample.pool)
    #expect(sample.seals.count == expected.count)
    for (position, rows) in zip(sample.seals, expected) {
      #expect(Set(try await catalog.list(asOf: .position(position)).map { Row($0) }) == rows)
    }
    #expect(Set(try await catalog.list().map { Row($0) }) == expected.last)
    // As we knew it when a later event was recorded: the seal before it had been made by then.
    let disconnected = try await catalog.workspaces().first { $0.workspace == "dev02" }
    #expect(disconnected?.state == "disconnected")
    let future = try #require(Timestamp(rfc3339: "2999-01-01T00:00:00Z"))
    let past = try #require(Timestamp(rfc3339: "2001-01-01T00:00:00Z"))
    #expect(Set(try await catalog.list(asOf: .time(future)).map { Row($0) }) == expected.last)
    #expect(try await catalog.list(asOf: .time(past)).isEmpty)
  }

  @Test("refuses a position that does not exist yet, and says which do")
  func unsealed() async throws {
    let sample = try await SampleHistory.append()
    defer { Task { await sample.pool.close() } }
    await #expect(throws: CatalogError.self) {
      _ = try await Catalog(sample.pool).list(asOf: .position(1_000_000))
    }
  }

  @Test("finds entries by name, by words and by incarnation, whatever characters they hold")
  func finding() async throws {
    let sample = try await SampleHistory.append()
    defer { Task { await sample.pool.close() } }
    let catalog = Catalog(sample.pool)
    #expect(try await catalog.entries(named: "dev01.readmission-risk").map(\.version) == [1])
    #expect(
      try await catalog.entries(named: "dev01/sepsis-warning").map(\.marketplaceName) == [
        "dev01.sepsis-alert"
      ])
    #expect(try await catalog.entries(named: SampleHistory.hostileName).count == 1)
    #expect(try await catalog.search("CARDIOLOGY readmission").map(\.name) == ["readmission-risk"])
    #expect(try await catalog.search("sklearn").map(\.name) == ["readmission-risk"])
    #expect(try await catalog.search("%").isEmpty)
    let model = try #require(UUID(uuidString: "aaaaaaaa-0000-4000-8000-000000000001"))
    let entry = try #require(try await catalog.entry(model: model, in: "dev01"))
    #expect(entry.owner == "cardiology")
    #expect(entry.flavors == ["python_function", "sklearn"])
    #expect(entry.export?.bytes == 1001)
    #expect(entry.export?.files == 3)
    #expect(entry.export?.manifestSHA256 == String(repeating: "11", count: 32))
  }

  @Test("lists exports and imports with what became of them")
  func summaries() async throws {
    let sample = try await SampleHistory.append()
    defer { Task { await sample.pool.close() } }
    let catalog = Catalog(sample.pool)
    let sepsis = try await catalog.exportSummary(workspace: "dev01").filter { $0.name == "sepsis-warning" }
    #expect(
      sepsis.map { "v\($0.version) g\($0.generation ?? 0) \($0.state)" } == [
        "v1 g1 live", "v2 g1 invalidated", "v2 g2 live",
      ])
    let failed = try await catalog.exportSummary(asOf: .position(sample.seals[4]), state: "failed")
    #expect(failed.map(\.reason) == ["size-mismatch: MLmodel: 640 of 812 bytes"])
    #expect(failed.map(\.isRetriable) == [true])
    let lost = try await catalog.importSummary(state: "lost")
    #expect(
      lost.map { "\($0.marketplaceName ?? "?") \($0.marketplaceVersion ?? 0): \($0.reason ?? "")" } == [
        "dev01.sepsis-alert 2: deleted by hand"
      ])
  }
}
