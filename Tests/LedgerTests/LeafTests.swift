import Foundation
import Ledger
import Postgres
import Testing

/// One test vector: the fields of an event, the leaf's exact text, and its RFC 6962 hash.
private struct Vector: Decodable {
  var position: Int64
  var workspace: String
  var sequence: Int64
  var stream: String
  var version: Int64
  var id: UUID
  var type: String
  var typeVersion: Int16
  var recordedAt: String
  var occurredAt: String?
  var principal: String
  var run: UUID?
  var causeWorkspace: String?
  var causeSequence: Int64?
  var nth: Int
  var dataHash: String
  var leaf: String
  var leafHash: String

  private enum CodingKeys: String, CodingKey {
    case position, workspace, sequence, stream, version, id, type, principal, run, nth, leaf
    case typeVersion = "type_version"
    case recordedAt = "recorded_at"
    case occurredAt = "occurred_at"
    case causeWorkspace = "cause_workspace"
    case causeSequence = "cause_sequence"
    case dataHash = "data_hash"
    case leafHash = "leaf_hash"
  }

  var event: RecordedEvent {
    get throws {
      RecordedEvent(
        workspace: workspace, sequence: sequence, stream: stream, version: version, id: id, type: type,
        typeVersion: typeVersion, recordedAt: try #require(Timestamp(rfc3339: recordedAt)),
        occurredAt: try occurredAt.map { try #require(Timestamp(rfc3339: $0)) }, principal: principal,
        run: run,
        cause: causeWorkspace.map { EventReference(workspace: $0, sequence: causeSequence ?? 0) }, data: nil,
        salt: nil,
        dataHash: stride(from: 0, to: 64, by: 2).compactMap {
          UInt8(dataHash.dropFirst($0).prefix(2), radix: 16)
        },
        nth: nth, position: position)
    }
  }
}

@Suite struct LeafTests {
  private static var folder: String {
    get throws { try #require(Bundle.module.resourcePath) + "/Vectors" }
  }

  private static var vectors: [Vector] {
    get throws {
      let data = try Data(contentsOf: URL(fileURLWithPath: folder + "/leaves.json"))
      return try JSONDecoder().decode([Vector].self, from: data)
    }
  }

  @Test("the vectors hold in Swift")
  func swift() throws {
    let vectors = try Self.vectors
    #expect(vectors.count >= 6)
    for vector in vectors {
      let event = try vector.event
      let leaf = try #require(event.leaf)
      #expect(String(decoding: leaf, as: UTF8.self) == vector.leaf)
      #expect(leaf.count <= RecordedEvent.leafBytesMax)
    }
    let first = try #require(vectors.first)
    var unsealed = try first.event
    unsealed.position = nil
    #expect(unsealed.leaf == nil)
  }

  @Test("the vectors hold in SQL")
  func sql() async throws {
    try await TestLedger.with { test async throws in
      for vector in try Self.vectors {
        let event = try vector.event
        let rows = try await test.sql(
          """
          SELECT l.leaf, encode(sha256('\\x00'::bytea || l.leaf), 'hex') AS hash
          FROM ledger.leaf($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15::int, $16) AS l (leaf)
          """,
          [
            event.position, event.workspace, event.sequence, event.stream, event.version, event.id,
            event.type,
            event.typeVersion, event.recordedAt, event.occurredAt, event.principal, event.run,
            event.cause?.workspace, event.cause?.sequence, Int32(event.nth), event.dataHash,
          ])
        #expect(String(decoding: try rows[0].bytes("leaf"), as: UTF8.self) == vector.leaf)
        #expect(try rows[0].string("hash") == vector.leafHash)
      }
    }
  }

  @Test("the vectors hold in Python, with nothing but its standard library")
  func python() throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("leaf.py")
      .path
    process.arguments = ["python3", script, try Self.folder + "/leaves.json"]
    try process.run()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
  }

  @Test("recorded events have the same leaf in SQL and in Swift, hostile names and edges of time included")
  func recorded() async throws {
    try await TestLedger.with(workspaces: ["dev01", "0-9"]) { test async throws in
      var events = ["a\"b\\c/d", "🐘 ü\u{2028}", "\u{feff}é<>&", String(repeating: "\"", count: 512)].map {
        happened($0)
      }
      events[0].occurredAt = Timestamp(microseconds: -62_135_596_800_000_000)
      events[1].occurredAt = Timestamp(microseconds: 253_402_300_799_999_999)
      events[2].occurredAt = Timestamp(microseconds: -1)
      try await test.sql("SELECT ledger.grant_append('Jörg \"x\" \\', '*', '')")
      _ = try await test.ledger.append(events, to: "dev01", run: UUID(), as: "Jörg \"x\" \\")
      _ = try await test.ledger.append(
        [happened(cause: EventReference(workspace: "dev01", sequence: 2))], to: "0-9")
      try await test.ledger.seal()
      let read = try await test.ledger.read().events
      let leaves = try await test.sql("SELECT leaf FROM ledger.leaves(0, 100)")
      #expect(read.count == 5)
      #expect(try read.map(\.leaf) == leaves.map { try $0.bytes("leaf") })
      #expect(read.compactMap { $0.leaf?.count }.max() ?? 0 < 4_096)
    }
  }
}
