import Foundation
import Ledger
import Postgres
import TestSupport
import Testing

/// The saved queries of `ops/audit/questions` on the sample history, and on what is appended to it here.
@Suite("Questions of an auditor")
struct AuditorQuestionsTests {
  private static let folder = URL(fileURLWithPath: #filePath).appending(path: "../../../ops/audit/questions")
    .standardized

  /// The rows of a question as text, column by column, without those that depend on the clock.
  private func ask(
    _ name: String, _ variables: [String: String], _ columns: [String], of sample: SampleHistory
  ) async throws -> [String] {
    var sql = try String(contentsOf: Self.folder.appending(path: name), encoding: .utf8)
    for (variable, value) in variables {
      sql = sql.replacing(":'\(variable)'", with: "'\(value.replacing("'", with: "''"))'")
        .replacing(":\(variable)", with: value)
    }
    let query = sql.trimmingCharacters(in: .whitespacesAndNewlines).trimmingCharacters(
      in: CharacterSet(charactersIn: ";"))
    let wanted = columns.map { "coalesce(q.\($0)::text, '–')" }.joined(separator: " || ' | ' || ")
    return try await sample.pool.withSession { session in
      try session.query("SELECT \(wanted) AS line FROM (\(query)) q").map { try $0.string("line") }
    }
  }

  private static let now = "infinity"

  /// The time of a seal, so that as-of questions can be asked of it.
  private func time(ofSeal number: Int, in sample: SampleHistory) async throws -> String {
    let position = sample.seals[number]
    return try await sample.pool.withSession { session in
      try session.query("SELECT sealed_at::text AS at FROM ledger.seal WHERE last_position = $1", [position]).first?
        .string("at") ?? ""
    }
  }

  @Test("every question that is listed has its file, and says at its head what it answers and how it is asked")
  func listed() throws {
    let files = try FileManager.default.contentsOfDirectory(atPath: Self.folder.path).sorted()
    #expect(
      files.map { $0.prefix(2) } == ["01", "02", "03", "04", "05", "06", "09", "10", "14", "15", "17", "19", "21"])
    for file in files {
      let text = try String(contentsOf: Self.folder.appending(path: file), encoding: .utf8)
      #expect(text.contains("Question \(Int(file.prefix(2)) ?? 0): "), "\(file)")
      #expect(text.contains("ops/audit/questions/\(file)"), "\(file)")
    }
  }

  @Test("inventory, what could be loaded, and what was known then and is known now")
  func inventory() async throws {
    let sample = try await SampleHistory.append()
    defer { Task { await sample.pool.close() } }
    let columns = [
      "marketplace_name", "marketplace_version", "workspace", "name", "version", "owner", "purpose", "manifest_sha256",
    ]
    let at = try await time(ofSeal: 7, in: sample)
    let inventory = try await ask("01-inventory.sql", ["at": at], columns, of: sample)
    #expect(inventory.count == 2)
    #expect(
      inventory[0].hasPrefix(
        "dev01.readmission-risk | 1 | dev01 | readmission-risk | 1 | cardiology | Risk of readmission"))
    #expect(inventory[1].hasPrefix("dev01.triage | "))

    let model = ["model": "dev01.readmission-risk"]
    let loadable = ["marketplace_version", "version", "manifest_sha256", "promoted_by", "exported_by"]
    func loaded(_ seal: Int) async throws -> [String] {
      try await ask(
        "02-loadable.sql", model.merging(["at": try await time(ofSeal: seal, in: sample)]) { $1 }, loadable, of: sample)
    }
    #expect(try await loaded(0) == ["1 | 1 | \(String(repeating: "1", count: 64)) | dev01/9 | dev01/7"])
    #expect(try await loaded(2).first?.hasPrefix("2 | 2 | ") == true)
    #expect(try await loaded(3).first?.hasPrefix("1 | 1 | ") == true)
    #expect(
      try await ask("02-loadable.sql", ["model": "dev01.readmission-risk", "at": "2000-01-01"], loadable, of: sample)
        == [])

    let difference = try await ask(
      "17-then-and-now.sql", ["at": at], ["workspace", "known_then", "known_now", "certainty_now"], of: sample)
    #expect(!difference.isEmpty)
  }

  @Test("what changed, and who did it")
  func changes() async throws {
    let sample = try await SampleHistory.append()
    defer { Task { await sample.pool.close() } }
    let (from, to) = (try await time(ofSeal: 0, in: sample), try await time(ofSeal: 3, in: sample))
    let between = ["model": "dev01/readmission-risk", "from": from, "to": to]
    let changes = try await ask("04-changes.sql", between, ["event", "kind", "before", "after"], of: sample)
    #expect(changes.contains { $0 == "dev01/11 | current | v1 is current | v2 is current" }, "\(changes)")
    #expect(changes.contains("– | catalog: source_version | 1 | 1") == false)
    let first = ["model": "dev01/readmission-risk", "from": from, "to": try await time(ofSeal: 1, in: sample)]
    let catalog = try await ask("04-changes.sql", first, ["kind", "before", "after"], of: sample)
    #expect(catalog.contains("catalog: source_version | 1 | 2"), "\(catalog)")
    #expect(catalog.contains("catalog: state | available | superseded, successor pending"), "\(catalog)")

    let who = try await ask("06-who.sql", between, ["event", "type", "principal"], of: sample)
    #expect(who.count > 5 && who.allSatisfy { $0.hasPrefix("dev01/") })
    #expect(Set(who.map { $0.split(separator: "|")[2] }).count == 1)
    let by = try await ask("06-who.sql", between, ["tokens"], of: sample)
    #expect(Set(by) == ["–"])
    // A token that stands for whoever appended, and one that was revoked before anything else happened.
    let principal = String(who[0].split(separator: "|")[2].dropFirst())
    try await Ledger(sample.pool).openWorkspace("marketplace")
    for (token, name) in [("aaaa", "the job's"), ("bbbb", "revoked at once")] {
      let made =
        #"{"expires":4102444800000,"name":"\#(name)","principal":"\#(principal)","scopes":["append"],"sha256":"00","token":"\#(token)","workspaces":["*"]}"#
      _ = try await Ledger(sample.pool).append(
        [NewEvent(stream: "token/\(token)", id: UUID(), type: "TokenCreated", data: made)], to: "marketplace")
    }
    _ = try await Ledger(sample.pool).append(
      [NewEvent(stream: "token/bbbb", id: UUID(), type: "TokenRevoked", data: #"{"token":"bbbb"}"#)], to: "marketplace")
    let stream = try await sample.pool.withSession { session in
      try session.query("SELECT stream FROM ledger.events WHERE workspace = 'dev01' AND sequence = 11").first?
        .string("stream") ?? ""
    }
    let described = #"{"description":"later","model":"\#(stream.dropFirst(6))","name":"readmission-risk","tags":{}}"#
    let late = try await Ledger(sample.pool).append(
      [NewEvent(stream: stream, id: UUID(), type: "ModelDescribed", data: described)], to: "dev01")
    _ = try await Ledger(sample.pool).seal()
    let since = ["model": "dev01/readmission-risk", "from": "2000-01-01", "to": Self.now]
    let after = try await ask("06-who.sql", since, ["event", "tokens"], of: sample)
    #expect(after.last == "dev01/\(late.sequences[0]) | the job's (aaaa)", "\(after.suffix(2))")
  }

  @Test("steps in their order are no violation; each that is out of order is named")
  func order() async throws {
    let sample = try await SampleHistory.append()
    defer { Task { await sample.pool.close() } }
    let before = try await ask("05-order.sql", ["at": Self.now], ["event", "violation"], of: sample)
    #expect(before == [], "\(before)")
    let model = "bbbbbbbb-0000-4000-8000-000000000009"
    let facts =
      #""created":9,"export_id":"bbbbbbbb-0000-4000-9000-000000000009","generation":1,"model":"\#(model)","name":"rogue","version":1"#
    let digest = String(repeating: "9", count: 64)
    let events = [
      (
        "ModelVersionRegistered",
        #"{"created":9,"model":"\#(model)","model_created":9,"name":"rogue","not_after":1764000600000,"run_id":"r","source":"s","version":1}"#
      ),
      (
        "ModelImported",
        #"{\#(facts),"manifest_sha256":"\#(digest)","marketplace_name":"dev02.rogue","marketplace_version":1,"target":"marketplace"}"#
      ),
      (
        "ModelExported",
        #"{\#(facts),"bytes":1,"files":1,"manifest_sha256":"\#(digest)","model_sha256":"\#(digest)","uri":"file:///x"}"#
      ),
    ]
    let ledger = Ledger(sample.pool)
    for (type, data) in events {
      _ = try await ledger.append(
        [
          NewEvent(
            stream: "model/\(model)", expectedVersion: nil, id: UUID(), type: type, occurredAt: nil, data: data,
            cause: nil)
        ],
        to: "dev02", run: nil)
    }
    _ = try await ledger.seal()
    let found = try await ask("05-order.sql", ["at": Self.now], ["name", "violation"], of: sample)
    #expect(
      Set(found) == [
        "rogue | exported before it was promoted", "rogue | imported without an earlier export of the same bytes",
      ])
  }

  @Test("requests and approvals are told, and whether the approver was another")
  func approvals() async throws {
    let sample = try await SampleHistory.append()
    defer { Task { await sample.pool.close() } }
    let question = ["model": "dev01.readmission-risk", "at": Self.now]
    let columns = ["type", "policy", "reason", "by_another_than_the_requester"]
    #expect(try await ask("03-approvals.sql", question, columns, of: sample) == [])
    let ledger = Ledger(sample.pool)
    try await ledger.openWorkspace("marketplace")
    try await sample.pool.withSession { session in
      for type in ["ModelRequested", "RequestApproved"] {
        _ = try session.query("SELECT ledger.register_event_type($1, 1::smallint, 'for a test')", [type])
      }
    }
    for (type, data) in [
      ("ModelRequested", #"{"marketplace_name":"dev01.readmission-risk","reason":"for ward 7"}"#),
      ("RequestApproved", #"{"marketplace_name":"dev01.readmission-risk","policy":"v3","reason":"validated locally"}"#),
    ] {
      _ = try await ledger.append(
        [
          NewEvent(
            stream: "request/1", expectedVersion: nil, id: UUID(), type: type, occurredAt: nil, data: data, cause: nil)
        ],
        to: "marketplace", run: nil)
    }
    #expect(
      try await ask("03-approvals.sql", question, columns, of: sample) == [
        "ModelRequested | – | for ward 7 | –", "RequestApproved | v3 | validated locally | false",
      ])
  }

  @Test("what administrators did, what has no counterpart, and who is silent")
  func findings() async throws {
    let sample = try await SampleHistory.append()
    defer { Task { await sample.pool.close() } }
    _ = try await sample.pool.withSession { session in
      try session.query("SELECT ledger.redact('dev01', 4, 'a patient''s name in a description')")
    }
    _ = try await Ledger(sample.pool).seal()
    let administrators = try await ask("10-administrators.sql", ["at": Self.now], ["what", "reason"], of: sample)
    #expect(administrators.contains("redacted dev01/4 | a patient's name in a description"))
    #expect(administrators.contains { $0.hasPrefix("disconnected dev02 | ") })
    #expect(administrators.contains { $0.hasPrefix("migrated to m0001-roles | SHA-256 ") })
    #expect(try await ask("10-administrators.sql", ["at": "2000-01-01"], ["what"], of: sample) == [])

    let unmatched = try await ask("14-unmatched.sql", ["at": Self.now], ["what", "event", "name"], of: sample)
    #expect(unmatched.contains { $0.hasPrefix("changed by hand in the registry | ") })
    #expect(!unmatched.contains { $0.hasPrefix("import with no export") })

    #expect(
      try await ask("15-silent.sql", ["at": Self.now, "days": "2"], ["workspace"], of: sample) == ["dev01"])
    #expect(try await ask("15-silent.sql", ["at": "2000-01-01", "days": "1"], ["workspace"], of: sample) == [])
  }
}
