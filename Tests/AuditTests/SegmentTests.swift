import Foundation
import Ledger
import Postgres
import Storage
import TestSupport
import Testing
import Transparency

@testable import Audit

@Suite("Segments of the log")
struct SegmentTests {
  /// Two full segments of 256 events, and some more; one event redacted, and everything of a stream but its last event may
  /// be detached.
  private static func with(_ body: (AuditedLedger) async throws -> Void) async throws {
    try await AuditedLedger.with { test in
      _ = try await test.pool.withSession { try $0.query("SELECT ledger.let_detach('Happened', '')") }
      for (count, workspace) in [(200, "dev01"), (150, "dev02"), (300, "dev01")] {
        try await test.append(count, to: workspace)
        try await test.publish()
      }
      _ = try await test.pool.withSession { try $0.query("SELECT ledger.redact('dev01', 50, 'a name')") }
      try await test.publish()
      try await body(test)
    }
  }

  private static func file(_ number: Int64, of test: AuditedLedger) throws -> URL {
    test.folder.appending(path: try test.segments.key(of: number).path)
  }

  /// What the verifier in Python says, and the status that it ends with.
  private static func python(_ file: String, _ test: AuditedLedger) throws -> (status: Int32, said: String) {
    try Python.run([Python.verifier, file, test.signer.verifier.text])
  }

  @Test("are written once when they are full, and are sound by themselves, to Python too")
  func write() async throws {
    try await Self.with { test in
      let segments = test.segments
      #expect(try await segments.complete() == 2)
      for number in Int64(0)..<2 {
        #expect(try await segments.write(number, from: test.ledger))
        #expect(try await !segments.write(number, from: test.ledger))
        let report = try await segments.verify(number)
        #expect(
          report.positions == number * 256 + 1...number * 256 + 256 && report.withoutData == (number == 0 ? 1 : 0))
        let told = try Self.python(try Self.file(number, of: test).path, test)
        #expect(told.status == 0 && told.said.contains("256 events"), "\(told.said)")
      }
      #expect(try await segments.written() == [0, 1])
      #expect(try await auditCode { _ = try await segments.write(2, from: test.ledger) } == .unpublished)
      #expect(try await auditCode { _ = try await segments.verify(2) } == .segment)
    }
  }

  /// What somebody does to the lines of a segment.
  enum Tampering: CaseIterable, Sendable {
    case header, proof, leaf, data, deleted, swapped, truncated, checkpoint, emptied

    func apply(to lines: inout [String]) {
      switch self {
      case .header: lines[0] = lines[0].replacing("\"first\":1", with: "\"first\":257")
      case .proof: lines[0] = lines[0].replacing("=\"", with: "A\"")
      case .leaf: lines[19] = lines[19].replacing("\"dev01\"", with: "\"dev09\"")
      case .data: lines[20] = lines[20].replacing("number", with: "numbed")
      case .deleted: lines.removeSubrange(19..<21)
      case .swapped: for place in [19, 20] { lines.swapAt(place, place + 2) }
      case .truncated: lines.removeSubrange(400...)
      case .checkpoint: lines[lines.count - 5] += "0"
      case .emptied: lines = []
      }
    }
  }

  @Test("are not believed when anything in them is changed, by Python neither", arguments: Tampering.allCases)
  func tampered(_ tampering: Tampering) async throws {
    try await Self.with { test in
      _ = try await test.segments.write(0, from: test.ledger)
      let file = try Self.file(0, of: test)
      var lines = try String(contentsOf: file, encoding: .utf8).split(separator: "\n", omittingEmptySubsequences: false)
        .map(String.init)
      tampering.apply(to: &lines)
      try Data(lines.joined(separator: "\n").utf8).write(to: file)
      #expect(try await auditCode { _ = try await test.segments.verify(0) } == .segment)
      #expect(try await auditCode { _ = try await test.segments.detach(0, from: test.ledger) } == .segment)
      #expect(try Self.python(file.path, test).status != 0)
    }
  }

  @Test("take data over, and nothing that was published, exported or verified changes")
  func detach() async throws {
    try await Self.with { test in
      let before = try Data(contentsOf: URL(fileURLWithPath: try await test.export().file))
      let root = try await test.root(of: 651)
      for number in Int64(0)..<2 { _ = try await test.segments.write(number, from: test.ledger) }
      let count = try await test.segments.detach(0, from: test.ledger)
      #expect(count == 255)
      #expect(try await test.segments.detach(0, from: test.ledger) == 0)
      #expect(try await test.ledger.detached(bySegmentsOf: 256) == [0: 255])
      #expect(try await test.root(of: 651) == root)
      #expect(Data(try Data(contentsOf: URL(fileURLWithPath: try await test.export().file))) == before)
      let report = try await test.verify()
      #expect(report.findings == [] && report.detached == 255 && report.isProven)
      // Written anew it holds the same, with what was redacted since left out.
      _ = try await test.pool.withSession { try $0.query("SELECT ledger.redact('dev01', 60, 'another')") }
      #expect(try await test.segments.verify(0).withoutData == 1)
      #expect(try await test.segments.write(0, from: test.ledger, again: true))
      #expect(try await test.segments.verify(0).withoutData == 2)
      try await test.publish()
      #expect(try await test.verify().findings == [])

      #expect(try await test.segments.attach(0, to: test.ledger) == 254)
      #expect(try await test.segments.attach(0, to: test.ledger) == 0)
      let attached = try await test.verify()
      #expect(attached.findings == [] && attached.detached == 0)
    }
  }

  @Test("that are gone, or lose data that the database no longer has, are named with the position")
  func lost() async throws {
    try await Self.with { test in
      _ = try await test.segments.write(0, from: test.ledger)
      _ = try await test.segments.detach(0, from: test.ledger)
      let file = try Self.file(0, of: test)
      let whole = try String(contentsOf: file, encoding: .utf8)
      var lines = whole.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
      lines[20] = lines[20].replacing("number", with: "numbed")
      lines[40] = "null"
      try Data(lines.joined(separator: "\n").utf8).write(to: file)
      let report = try await test.verify()
      #expect(report.findings.map(\.kind) == [.data, .missing] && report.findings.map(\.position) == [10, 20])
      #expect(!report.isProven)
      #expect(try await auditCode { _ = try await test.segments.attach(0, to: test.ledger) } == .segment)
      #expect(try await auditCode { _ = try await test.export() } == .segment)
      try FileManager.default.removeItem(at: file)
      let gone = try await test.verify()
      #expect(gone.findings.map(\.kind) == [.missing] && gone.findings.map(\.position) == [1], "\(gone.findings)")
      let without = try await LogVerification(of: test.log, policy: test.policy).run(LedgerEntries(test.ledger))
      #expect(without.findingsCount == 255)
    }
  }

  @Test("of a database that tells another history take nothing from it")
  func forked() async throws {
    try await Self.with { test in
      _ = try await test.segments.write(0, from: test.ledger)
      try await test.tamper(
        "UPDATE ledger.event SET principal = 'mallory' WHERE workspace = 'dev01' AND sequence = 20;")
      #expect(try await auditCode { _ = try await test.segments.detach(0, from: test.ledger) } == .forked)
      #expect(try await auditCode { _ = try await test.segments.write(0, from: test.ledger, again: true) } == .forked)
      #expect(try await test.segments.verify(0).withoutData == 1)
      #expect(try await test.ledger.detached(bySegmentsOf: 256) == [:])
    }
  }
}
