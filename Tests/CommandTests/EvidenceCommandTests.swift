import Foundation
import Ledger
import Postgres
import TestSupport
import Testing

@testable import marketplace

@Suite("Evidence, replay and recovery from the command line", .enabled(if: MLflowServers.three != nil))
struct EvidenceCommandTests {
  private static let origin = "test.example/marketplace"

  /// A world whose model was observed and published, and its verifier key.
  private func world() async throws -> (CommandWorld, key: String) {
    let world = try await CommandWorld.make()
    let workspace = try await MLflowServers.freshWorkspace("dev01")
    let key = world.folder + "/log.key"
    let made = try await Program.start(["audit", "keygen", Self.origin, key]).outcome()
    try world.configure([CommandWorld.line("dev01", mlflowWorkspace: workspace)])
    try Self.add("audit: {origin: \(Self.origin), signing_keys: [\(key)]}\n", to: world)
    try await CommandWorld.promote("triage", in: workspace)
    #expect(try await world.run("observe").status == 0)
    #expect(try await world.run("export").status == 0)
    return (world, made.output.trimmingCharacters(in: .whitespacesAndNewlines))
  }

  private static func add(_ lines: String, to world: CommandWorld) throws {
    let file = URL(fileURLWithPath: world.configuration)
    try (Data(contentsOf: file) + Data(lines.utf8)).write(to: file)
  }

  @Test("a bundle is an archive that the verifier within it takes, and that it refuses when anything is changed")
  func bundle() async throws {
    let (world, key) = try await world()
    let file = world.folder + "/evidence.zip"
    let written = try await world.run("audit", "bundle", "dev01/triage", file, "--output", "json")
    #expect(written.status == 0, "\(written.errors)")
    #expect(try written.json()["manifests"] as? Int == 1)
    #expect(try await world.run("audit", "bundle", "dev01/triage", file).status == 1)
    #expect(try await world.run("audit", "bundle", "dev01/none", world.folder + "/none.zip").status == 1)
    #expect(!FileManager.default.fileExists(atPath: world.folder + "/none.zip"))

    let unpacked = world.folder + "/unpacked"
    #expect(try Python.run(["-m", "zipfile", "-e", file, unpacked]).status == 0)
    let files = try FileManager.default.subpathsOfDirectory(atPath: unpacked).sorted()
    #expect(
      files.filter { !$0.hasPrefix("manifests") } == [
        "README.txt", "checkpoint", "evidence.json", "keys.txt", "summary.html", "verify.py",
      ])
    let html = try String(contentsOfFile: unpacked + "/summary.html", encoding: .utf8)
    #expect(html.contains("triage") && html.contains("ModelExported") && !html.contains("<script"))

    let verifier = unpacked + "/verify.py"
    let told = try Python.run([verifier, file, key, "--at", "2999-01-01"])
    #expect(told.status == 0, "\(told.said)")
    #expect(told.said.contains("the source meant version 1, in stage Production"))
    #expect(told.said.contains("no version could be loaded"))
    let before = try Python.run([verifier, file, key, "--at", "2000-01-01T00:00:00Z"])
    #expect(before.said.contains("the source meant no version"))
    #expect(try Python.run([verifier, file, key, "--at", "yesterday"]).status == 2)

    // Each file that is verified, changed in one byte, and an event left out.
    let document = unpacked + "/evidence.json"
    let whole = try Data(contentsOf: URL(fileURLWithPath: document))
    let events = try #require(try JSONSerialization.jsonObject(with: whole) as? [String: Any])
    /// The document with its list of events changed.
    func changed(_ body: (inout [[String: Any]]) throws -> Void) throws -> Data {
      var list = try #require(events["events"] as? [[String: Any]])
      try body(&list)
      return try JSONSerialization.data(withJSONObject: events.merging(["events": list]) { $1 })
    }
    func place(of type: String, in list: [[String: Any]]) throws -> Int {
      try #require(list.firstIndex { ($0["leaf"] as? String)?.contains("\"\(type)\"") == true })
    }
    let manifest = try #require(files.first { $0.hasPrefix("manifests/") })
    for (name, bytes) in [
      ("evidence.json", try changed { $0.remove(at: try place(of: "StageTransitioned", in: $0)) }),
      ("evidence.json", try changed { $0.remove(at: try place(of: "WorkspaceConnected", in: $0)) }),
      (
        "evidence.json",
        try changed { list in
          let stage = try place(of: "StageTransitioned", in: list)
          list[stage]["data"] = NSNull()
          list[stage]["salt"] = NSNull()
        }
      ),
      ("evidence.json", try changed { $0 = [] }),
      ("checkpoint", Data("another".utf8)),
      ("evidence.json", Data(String(decoding: whole, as: UTF8.self).replacing("Production", with: "Staging").utf8)),
      (manifest, Data("{}".utf8)),
    ] {
      let original = try Data(contentsOf: URL(fileURLWithPath: "\(unpacked)/\(name)"))
      try bytes.write(to: URL(fileURLWithPath: "\(unpacked)/\(name)"))
      let changed = world.folder + "/\(UUID().uuidString).zip"
      let parts = try FileManager.default.contentsOfDirectory(atPath: unpacked).map { "\(unpacked)/\($0)" }
      #expect(try Python.run(["-m", "zipfile", "-c", changed] + parts).status == 0)
      #expect(try Python.run([verifier, changed, key]).status == 8, "\(name)")
      try original.write(to: URL(fileURLWithPath: "\(unpacked)/\(name)"))
    }
  }

  @Test("a redaction goes with what it emptied, however much later it came, once it is published")
  func redactedLater() async throws {
    let (world, key) = try await world()
    let pool = world.database.pool(connectionsMax: 1)
    let position = try await pool.withSession { session in
      let last = try session.query("SELECT max(last_position) AS last FROM ledger.seal")[0].int64("last")
      _ = try session.query(
        """
        SELECT ledger.redact('dev01', (SELECT max(sequence) FROM ledger.event WHERE type = 'ModelDescribed'), 'a name')
        """)
      return last
    }
    await pool.close()
    let file = world.folder + "/redacted.zip"
    let early = try await world.run("audit", "bundle", "dev01/triage", file, "--as-of", "\(position)")
    #expect(early.status == 1 && early.errors.contains("audit seal"), "\(early.errors)")
    #expect(try await world.run("audit", "seal").status == 0)
    for moment in ["\(position)", "2999-01-01"] {
      let file = world.folder + "/\(UUID().uuidString).zip"
      let written = try await world.run("audit", "bundle", "dev01/triage", file, "--as-of", moment)
      #expect(written.status == 0, "\(written.errors)")
      let told = try Python.run([Python.verifier, file, key])
      #expect(told.status == 0 && told.said.contains("1 were redacted"), "\(told.said)")
    }
  }

  @Test("the questions that are scripts: unaltered since a kept checkpoint, a copy to take along, a restore")
  func scripts() async throws {
    let (world, _) = try await world()
    let folder = URL(fileURLWithPath: #filePath).appending(path: "../../../ops/audit/questions").standardized.path
    let program = try Program.path().path
    func ask(_ script: String, _ arguments: String...) throws -> (status: Int32, said: String) {
      try Python.call(
        ["\(folder)/\(script)"] + arguments + ["--config", world.configuration],
        environment: ["MARKETPLACE_BIN": program])
    }
    let kept = world.folder + "/kept"
    try FileManager.default.copyItem(atPath: world.folder + "/storage/log/checkpoint", toPath: kept)
    #expect(try await world.run("observe").status == 0)

    let unaltered = try ask("09-unaltered.sh", kept)
    #expect(unaltered.status == 0 && unaltered.said.contains("are what they were"), "\(unaltered.said)")
    let text = try String(contentsOfFile: kept, encoding: .utf8)
    var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    let size = lines[1]
    for (line, value) in [(1, "3"), (1, "999"), (2, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")] {
      lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
      lines[line] = value
      try Data(lines.joined(separator: "\n").utf8).write(to: URL(fileURLWithPath: kept))
      let other = try ask("09-unaltered.sh", kept)
      #expect(other.status == 8, "\(size), \(value): \(other.said)")
    }

    let copy = try ask("19-copy.sh", "dev01/triage", world.folder + "/copy")
    #expect(copy.status == 0 && copy.said.contains("have the signed root"), "\(copy.said)")
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: world.folder + "/copy").sorted()
        == ["dev01-triage.zip", "ledger.log", "verify.py"])

    let restored = try ask("21-restored.sh")
    #expect(restored.status == 0 && restored.said.contains("equal to the log"), "\(restored.said)")
    let pool = world.database.pool(connectionsMax: 1)
    try await pool.withSession { try $0.executeScript("UPDATE marketplace_projection.export SET files = 4711") }
    await pool.close()
    let wrong = try ask("21-restored.sh")
    #expect(wrong.status == 8, "\(wrong.said)")
  }

  @Test("an event is proven by its position, its place in its workspace and its id")
  func prove() async throws {
    let (world, key) = try await world()
    let first = try await world.run("audit", "prove", "2")
    let leaf = try #require(first.json()["leaf"] as? String)
    let fields = try #require(try JSONSerialization.jsonObject(with: Data(leaf.utf8)) as? [Any])
    #expect(try await world.run("audit", "prove", "\(fields[2])/\(fields[3])").output == first.output)
    let proof = world.folder + "/proof.json"
    try Data(first.output.utf8).write(to: URL(fileURLWithPath: proof))
    let told = try Python.run([Python.verifier, proof, key])
    #expect(told.status == 0 && told.said.contains("is position 2 of the log"), "\(told.said)")
    try Data(first.output.replacing("\"position\" : 2", with: "\"position\" : 3").utf8).write(
      to: URL(fileURLWithPath: proof))
    #expect(try Python.run([Python.verifier, proof, key]).status == 8)
    let sizes = try FileManager.default.contentsOfDirectory(atPath: world.folder + "/storage/log/checkpoints")
      .compactMap {
        Int($0)
      }.sorted()
    let grown = try await world.run("audit", "consistency", "\(sizes[0])", "\(sizes[sizes.count - 1])")
    try Data(grown.output.utf8).write(to: URL(fileURLWithPath: proof))
    let growth = try Python.run([Python.verifier, proof, key])
    #expect(growth.status == 0 && growth.said.contains("begins with that of \(sizes[0])"), "\(growth.said)")
    #expect(try await world.run("audit", "prove", "\(fields[6])").output == first.output)
    for unknown in ["dev01/99999", UUID().uuidString, "no event", "dev99/1"] {
      #expect(try await world.run("audit", "prove", unknown).status == 2, "\(unknown)")
    }
  }

  @Test("the past is made again and kept, what changed is told, and a version is explained")
  func replay() async throws {
    let (world, _) = try await world()
    let replayed = try await world.run("replay", "--output", "json")
    #expect(replayed.status == 0, "\(replayed.errors)")
    let views = try #require(replayed.json()["views"] as? [[String: Any]])
    #expect(views.count == 10 && views.allSatisfy { $0["differences"] as? Int == 0 })
    #expect(try await world.run("replay", "--into", "past").status == 0)
    #expect(try await world.run("replay", "--into", "past").status == 1)
    #expect(try await world.run("replay", "--into", "ledger").status == 1)
    #expect(try await world.run("replay", "--as-of", "999999").status != 0)
    #expect(try await world.run("replay", "--diff", "1").status == 2)

    let changes = try await world.run("replay", "--diff", "1", "2999-01-01", "--output", "json").json()
    let change = try #require((changes["changes"] as? [[String: Any]])?.first)
    #expect(change["change"] as? String == "added" && change["name"] as? String == "triage")
    #expect((change["events"] as? [Any])?.isEmpty == false)

    let why = try await world.run("catalog", "explain", "dev01/triage", "1")
    #expect(why.status == 0 && why.output.contains("not in the catalog"), "\(why.output)")
    #expect(try await world.run("catalog", "explain", "dev01/triage", "9").status == 1)
    let production = try await world.run("catalog", "production", "2999-01-01", "--output", "json").json()
    #expect((production["answers"] as? [[String: Any]])?.first?["name"] as? String == "triage")
    #expect(try await world.run("catalog", "production", "soon").status == 2)

    // A table that was written to by hand is named, and so is it by a replay.
    let pool = world.database.pool(connectionsMax: 1)
    try await pool.withSession { session in
      try session.executeScript("UPDATE marketplace_projection.model_version SET stage = 'Forged'")
    }
    await pool.close()
    let found = try await world.run("audit", "verify")
    #expect(found.status == 8 && found.output.contains("projection_changed"))
    #expect(try await world.run("audit", "verify", "--log-only").status == 0)
    #expect(try await world.run("replay").status == 8)
  }

  @Test(
    "a database that was set back refuses to seal, takes its events back, or goes on as a new log; a sync repeats nothing"
  )
  func restore() async throws {
    let (world, key) = try await world()
    let backup = try await TestCluster.createDatabase(template: world.database.name)
    let storage = world.folder + "/storage"
    // What happens after the backup, and its export.
    #expect(try await world.run("observe").status == 0)
    let export = world.folder + "/ledger.log"
    #expect(try await world.run("audit", "export", export).status == 0)
    let verified = try await world.run("audit", "verify", "--output", "json").json()

    // The backup in place of the database.
    let configuration = try String(contentsOfFile: world.configuration, encoding: .utf8)
    try configuration.replacing(world.database.conninfo, with: backup.conninfo)
      .write(toFile: world.configuration, atomically: true, encoding: .utf8)
    #expect(try await world.run("audit", "seal").status == 8)
    let missing = try await world.run("audit", "verify", "--output", "json")
    #expect(missing.status == 8 && missing.output.contains("truncated"))
    let second = try await TestCluster.createDatabase(template: backup.name)

    let recovered = try await world.run("audit", "recover", export, "--output", "json")
    #expect(recovered.status == 0, "\(recovered.errors)")
    #expect(try recovered.json()["lost"] as? Int == 0)
    #expect(try (recovered.json()["recovered"] as? Int ?? 0) > 0)
    let after = try await world.run("audit", "verify", "--output", "json")
    #expect(after.status == 0)
    #expect(try after.json()["newest_root"] as? String == verified["newest_root"] as? String)
    #expect(try await world.run("audit", "recover", export).status == 0)
    #expect(try await world.run("audit", "seal").status == 0)

    // The same again, with the export lost: a new log.
    let text = try String(contentsOfFile: world.configuration, encoding: .utf8)
    let newKey = world.folder + "/new.key"
    _ = try await Program.start(["audit", "keygen", "new.example/log", newKey]).outcome()
    try text.replacing(backup.conninfo, with: second.conninfo)
      .write(toFile: world.configuration, atomically: true, encoding: .utf8)
    #expect(try await world.run("audit", "recover", "--old-key", key).status == 2)
    try
      (text.replacing(backup.conninfo, with: second.conninfo).replacing(
        "audit: {origin: \(Self.origin), signing_keys: [\(world.folder)/log.key]}",
        with: "audit: {origin: new.example/log, folder: log-2, signing_keys: [\(newKey)]}"))
      .write(toFile: world.configuration, atomically: true, encoding: .utf8)
    let reopened = try await world.run("audit", "recover", "--old-key", key, "--output", "json")
    #expect(reopened.status == 0, "\(reopened.errors)")
    #expect(try (reopened.json()["lost"] as? Int ?? 0) > 0)
    #expect(try await world.run("audit", "verify").status == 0)
    let events = try await world.run("events", "read", "--type", "LogReopened", "--output", "json")
    #expect(events.output.contains(Self.origin), "\(events.output) \(events.errors)")
    #expect(FileManager.default.fileExists(atPath: storage + "/log-2/checkpoint"))
    #expect(try await world.run("observe").status == 0)
  }

  @Test("an export that a restored database has forgotten is found by its manifest, and nothing is copied again")
  func adopted() async throws {
    let world = try await CommandWorld.make()
    let workspace = try await MLflowServers.freshWorkspace("dev01")
    try world.configure([CommandWorld.line("dev01", mlflowWorkspace: workspace)])
    try await CommandWorld.promote("triage", in: workspace)
    #expect(try await world.run("observe").status == 0)
    let backup = try await TestCluster.createDatabase(template: world.database.name)
    #expect(try await world.run("export").status == 0)
    let folder = world.folder + "/storage/exports/dev01/triage"
    let exports = try FileManager.default.contentsOfDirectory(atPath: folder)
    #expect(exports.count == 1)
    let configuration = try String(contentsOfFile: world.configuration, encoding: .utf8)
    try configuration.replacing(world.database.conninfo, with: backup.conninfo)
      .write(toFile: world.configuration, atomically: true, encoding: .utf8)
    #expect(try await world.run("export").status == 0)
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == exports)
    let events = try await world.run("events", "read", "--output", "json")
    #expect(events.output.contains(String(exports[0].dropFirst(2))))
  }
}
