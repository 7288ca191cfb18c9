import Foundation
import Ledger
import Postgres
import TestSupport
import Testing
import Transparency

@testable import Audit

@Suite("Exporting the log")
struct ExportTests {
  /// An export of 300 events, one of them redacted, with data that has to be escaped; some more that are not published.
  private static func with(_ body: (AuditedLedger, _ file: String) async throws -> Void) async throws {
    try await AuditedLedger.with { test in
      try await test.append(298)
      let strange = NewEvent(
        stream: "s", id: UUID(), type: "Happened", data: "{\n\"text\": \"\\\" / ä \u{1F418}\u{2028}\"\n}")
      _ = try await test.ledger.append([strange], to: "dev02")
      _ = try await test.pool.withSession { session in
        try session.query("SELECT ledger.redact('dev01', 33, 'a name')")
      }
      try await test.publish()
      try await test.append(7)
      let (file, checkpoint) = try await test.export()
      #expect(checkpoint.size == 300)
      try await body(test, file)
    }
  }

  private static func report(
    _ file: String, of test: AuditedLedger, offline: Bool = false
  ) async throws -> LogVerification.Report {
    let entries = try ExportedEntries(path: file)
    return try await LogVerification(of: offline ? nil : test.log, policy: test.policy)
      .run(entries, with: try await entries.checkpoint())
  }

  /// What the verifier in Python says, and the status that it ends with.
  private static func python(_ file: String, _ key: String) throws -> (status: Int32, said: String) {
    try Python.run([Python.verifier, file, key])
  }

  @Test("its lines are the leaves, and it is verified with the published log, without it, and by Python alone")
  func sound() async throws {
    try await Self.with { test, file in
      let lines = try String(contentsOfFile: file, encoding: .utf8).split(
        separator: "\n", omittingEmptySubsequences: false)
      let leaves = try await test.pool.withSession { session in
        try session.query("SELECT leaf FROM ledger.leaves(0, 300)").map { try $0.bytes("leaf") }
      }
      #expect(leaves.enumerated().allSatisfy { Array(lines[2 * $0.offset].utf8) == $0.element })
      #expect(lines.count { $0 == "null" } == 1)
      for offline in [false, true] {
        let report = try await Self.report(file, of: test, offline: offline)
        #expect(report.findings == [] && report.entries == 300 && report.checkpoints == 1)
      }
      let told = try Self.python(file, test.signer.verifier.text)
      #expect(
        told.status == 0 && told.said.contains("300 events have the signed root") && told.said.contains("299 the data"))
      let another = try NoteSigner(name: AuditedLedger.origin).verifier.text
      #expect(try Self.python(file, another).status == 8)
      #expect(try Self.python(file, "no key").status == 2)
    }
  }

  /// What somebody does to the lines of an export.
  enum Tampering: String, CaseIterable, Sendable {
    case edited, changed = "data_changed", deleted, reordered, truncated

    var position: Int64 { self == .truncated ? 299 : 10 }

    func apply(to lines: inout [String]) {
      switch self {
      case .edited: lines[18] = lines[18].replacing("\"dev01\"", with: "\"dev09\"")
      case .changed: lines[19] = lines[19].replacing("number", with: "numbed")
      case .deleted: lines.removeSubrange(18..<20)
      case .reordered: for place in [18, 19] { lines.swapAt(place, place + 2) }
      case .truncated: lines.removeSubrange(596..<600)
      }
    }
  }

  @Test("whatever is changed in it is found, by Python too", arguments: Tampering.allCases)
  func changed(_ tampering: Tampering) async throws {
    try await Self.with { test, file in
      var lines = try String(contentsOfFile: file, encoding: .utf8).split(
        separator: "\n", omittingEmptySubsequences: false
      ).map(String.init)
      tampering.apply(to: &lines)
      try Data(lines.joined(separator: "\n").utf8).write(to: URL(fileURLWithPath: file))
      let report = try await Self.report(file, of: test)
      #expect(report.findings.map(\.kind.rawValue) == [tampering.rawValue], "\(report.findings)")
      #expect(report.findings.first?.position == tampering.position, "\(report.findings)")
      let alone = try await Self.report(file, of: test, offline: true)
      #expect(alone.findings.map(\.kind) == [tampering == .changed ? .data : .differs])
      #expect(try Self.python(file, test.signer.verifier.text).status == 8)
    }
  }

  @Test("what was published since is not missed, and what stands behind its checkpoint is not believed")
  func later() async throws {
    try await Self.with { test, file in
      try await test.publish()
      #expect(try await test.log.sizes().sizes == [300, 307])
      let report = try await Self.report(file, of: test)
      #expect(report.findings == [] && report.entries == 300)

      var lines = try String(contentsOfFile: file, encoding: .utf8).split(
        separator: "\n", omittingEmptySubsequences: false
      ).map(String.init)
      lines.insert(contentsOf: lines[0..<2], at: 600)
      try Data(lines.joined(separator: "\n").utf8).write(to: URL(fileURLWithPath: file))
      for offline in [false, true] {
        let report = try await Self.report(file, of: test, offline: offline)
        #expect(report.findings.map(\.kind) == [.inserted] && report.findings.first?.position == 301)
      }
      #expect(try Self.python(file, test.signer.verifier.text).status == 8)
    }
  }

  @Test("what is no export, or is cut short, is told as that")
  func unreadable() async throws {
    try await Self.with { test, file in
      let whole = try Data(contentsOf: URL(fileURLWithPath: file))
      for bytes in [
        Data(), whole.prefix(10_000), whole.dropLast(20), Data("no export\n".utf8), whole.prefix(500) + [0x0a],
      ] {
        try Data(bytes).write(to: URL(fileURLWithPath: file))
        #expect(try await auditCode { _ = try await Self.report(file, of: test) } == .unreadable, "\(bytes.count)")
        #expect(try Self.python(file, test.signer.verifier.text).status != 0, "\(bytes.count)")
      }
      #expect(try await auditCode { _ = try ExportedEntries(path: file + ".none") } == .unreadable)
    }
  }

  @Test("a ledger that is not what was published is not exported")
  func forked() async throws {
    try await Self.with { test, _ in
      try await test.tamper(
        "UPDATE ledger.event SET principal = 'mallory' WHERE workspace = 'dev01' AND sequence = 20;")
      #expect(try await auditCode { _ = try await test.export() } == .forked)
    }
  }
}
