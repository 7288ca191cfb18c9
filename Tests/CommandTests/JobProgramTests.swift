import Foundation
import Ledger
import Marketplace
import Postgres
import TestSupport
import Testing

@testable import Transfer

@Suite("The jobs' commands, as processes")
struct JobProgramTests {
  @Test(
    "one workspace's credentials or address are its own trouble: the others complete, and the end is 3",
    .enabled(if: MLflowServers.three != nil))
  func ownTrouble() async throws {
    let world = try await CommandWorld.make()
    let source = try await MLflowServers.freshWorkspace("dev")
    let target = try await MLflowServers.freshWorkspace("market")
    try await CommandWorld.promote("triage", in: source)
    let url = try #require(MLflowServers.three)
    let bad = [
      "{id: a-file, registry: \"\(url)\", token_file: /no/such/token}",
      "{id: b-variable, registry: \"\(url)\", token_env: NOT_SET_ANYWHERE}",
      "{id: c-address, registry: \"https://me:hunter2@mlflow.example\"}",
      "{id: d-password, registry: \"\(url)\", username: me}",
    ]
    let good = CommandWorld.line("dev01", mlflowWorkspace: source)
    let marketplace = "{registry: \"\(url)\", mlflow_workspace: \(target)}"
    try world.configure(bad + [good], marketplace: marketplace)

    let outcome = try await world.run("sync", "--output", "json")
    #expect(outcome.status == 3)
    let workspaces = try #require(try outcome.json()["workspaces"] as? [[String: Any]])
    let ids = workspaces.compactMap { $0["id"] as? String }
    #expect(ids == ["a-file", "b-variable", "c-address", "d-password", "dev01"])
    let codes = workspaces.map { ($0["error"] as? [String: Any])?["code"] as? String ?? "none" }
    #expect(
      codes == ["not_authenticated", "not_authenticated", "configuration", "not_authenticated", "none"])
    let actions = (workspaces.last?["items"] as? [[String: Any]])?.compactMap { $0["action"] as? String }
    #expect(actions == ["exported", "imported", "promoted"])

    // What an address holds of a password reaches neither the output nor the ledger.
    let events = try await world.run("events", "read")
    #expect(!(outcome.output + outcome.errors + events.output).contains("hunter2"))
    #expect(events.output.contains("\"outcome\":\"unreadable\""))

    let export = try await world.run("export", "--output", "json")
    #expect(export.status == 3)
    let exported = try #require(try export.json()["workspaces"] as? [[String: Any]])
    #expect(exported.map { $0["error"] != nil } == [true, true, true, true, false])
    let doctor = try await world.run("doctor")
    #expect(doctor.status == 1)
    for name in ["a-file", "b-variable", "c-address", "d-password"] {
      #expect(doctor.output.contains("PROBLEM  workspace \(name): "))
    }
  }

  @Test(
    "the marketplace's credentials are the marketplace's trouble: observing and exporting are done",
    .enabled(if: MLflowServers.three != nil))
  func marketplaceTrouble() async throws {
    let world = try await CommandWorld.make()
    let source = try await MLflowServers.freshWorkspace("dev")
    try await CommandWorld.promote("triage", in: source)
    try world.configure(
      [CommandWorld.line("dev01", mlflowWorkspace: source)],
      marketplace: "{registry: \"\(try #require(MLflowServers.three))\", token_env: NOT_SET_ANYWHERE}")
    let outcome = try await world.run("sync", "--output", "json")
    #expect(outcome.status == 3)
    let json = try outcome.json()
    let actions = (json["summary"] as? [String: Any])?["actions"] as? [String: Int]
    #expect(actions == ["exported": 1])
    let message = (json["marketplace_error"] as? [String: Any])?["message"] as? String
    #expect(message?.contains("NOT_SET_ANYWHERE") == true)
  }

  @Test(
    "two syncs at once both end with 0 or 6, and together do the work once",
    .enabled(if: MLflowServers.three != nil))
  func together() async throws {
    let world = try await CommandWorld.make()
    let source = try await MLflowServers.freshWorkspace("dev")
    let target = try await MLflowServers.freshWorkspace("market")
    for name in ["a", "b", "c"] { try await CommandWorld.promote(name, in: source) }
    try world.configure(
      [CommandWorld.line("dev01", mlflowWorkspace: source)],
      marketplace: "{registry: \"\(try #require(MLflowServers.three))\", mlflow_workspace: \(target)}")
    let plan = try await world.run("sync", "--dry-run")
    #expect(plan.status == 0)
    // A plan cannot know bytes.
    #expect(plan.output.contains("3 promotions found  to export 3  to import 3\n"), "\(plan.output)")
    #expect(try await world.run("events", "read").output.isEmpty)
    async let one = world.run("sync")
    async let two = world.run("sync")
    let ends = try await [one, two]
    #expect(Set(ends.map(\.status)).isSubset(of: [0, 6]), "\(ends.map { $0.output + $0.errors })")
    let after = try await world.run("sync")
    #expect(after.status == 0)
    let exports = try await world.run("events", "read", "dev01", "--type", "ModelExported", "--type", "ModelImported")
    #expect(exports.output.split(separator: "\n").count == 6)
    #expect(try await world.run("check").status == 0)
  }

  @Test(
    "what another run holds is passed over and told, with 6; once it is free it is done",
    .enabled(if: MLflowServers.three != nil))
  func held() async throws {
    let world = try await CommandWorld.make()
    let source = try await MLflowServers.freshWorkspace("dev")
    for name in ["free", "held"] { try await CommandWorld.promote(name, in: source) }
    try world.configure([CommandWorld.line("dev01", mlflowWorkspace: source)])
    #expect(try await world.run("observe").status == 0)
    let pool = world.database.pool(connectionsMax: 2)
    let lease = try await pool.lease()
    let state = try await History(ledger: Ledger(pool), run: UUID()).load(WorkspaceID("dev01"))
    let held = try #require(state.models.values.first { $0.name == "held" })
    let key = ModelLocks.key(held.id.stream)
    try await lease.withSession { session in _ = try session.query("SELECT pg_advisory_lock($1)", [key]) }
    let outcome = try await world.run("export", "--output", "json")
    #expect(outcome.status == 6)
    let items = (try outcome.json()["workspaces"] as? [[String: Any]])?.first?["items"] as? [[String: Any]] ?? []
    let actions = items.map { "\($0["model"] ?? "") \($0["action"] ?? "")" }
    #expect(Set(actions) == ["free exported", "held busy"])
    await lease.release()
    await pool.close()
    #expect(try await world.run("export").status == 0)
    let exports = try await world.run("events", "read", "dev01", "--type", "ModelExported")
    #expect(exports.output.split(separator: "\n").count == 2)
  }

  @Test("a deadline that has passed begins nothing, says so and ends with 3; a later run does the work")
  func deadline() async throws {
    let world = try await CommandWorld.make()
    try world.configure(["dev01", "dev02"].map { "{id: \($0), registry: \"http://127.0.0.1:1\"}" })
    let outcome = try await world.run("observe", "--deadline", "0s")
    #expect(outcome.status == 3)
    #expect(outcome.output.contains("  dev01  not begun\n  dev02  not begun\n"))
    #expect(outcome.output.contains("the deadline of 0s has passed: 2 workspaces left; run again to go on"))
    let json = try await world.run("observe", "--deadline", "0s", "--output", "json").json()
    #expect(json["deadline_passed"] as? Bool == true)
    #expect(try await world.run("events", "read").output.isEmpty)
  }

  @Test("Ctrl-C ends the wait before a jittered start: 130, and nothing was begun")
  func jitter() async throws {
    let world = try await CommandWorld.make()
    try world.configure(["{id: dev01, registry: \"http://127.0.0.1:1\"}"])
    let call = try Program.start(["sync", "--jitter", "300d", "--config", world.configuration])
    try await call.says("waiting ")
    call.interrupt()
    let outcome = try await call.outcome()
    #expect(outcome.status == 130)
    #expect(outcome.errors.contains("Nothing was begun."))
    #expect(try await world.run("events", "read").output.isEmpty)
  }

  @Test("mistakes in the file itself, not in one workspace's access, end the command with 2")
  func structure() async throws {
    let world = try await CommandWorld.make()
    let fine = "{id: dev01, registry: \"http://127.0.0.1:1\"}"
    for wrong in [
      "{id: Dev_02, registry: \"http://127.0.0.1:1\"}", "{id: dev01, registry: \"http://127.0.0.1:2\"}",
      "{id: dev02, registry: \"http://127.0.0.1:1\", tokenfile: x}",
      "{id: marketplace, registry: \"http://127.0.0.1:1\"}",
    ] {
      try world.configure([fine, wrong])
      let outcome = try await world.run("sync")
      #expect(outcome.status == 2, "\(wrong): \(outcome.errors)")
    }
    try world.configure([fine], marketplace: "{registry: \"http://127.0.0.1:1\", name: \"{model}\"}")
    #expect(try await world.run("sync").status == 2)
  }

  @Test(
    "a setting of another kind is told by its place and what it takes",
    arguments: [
      ("workspaces: dev01", "workspaces takes a list, each entry after a '-'."),
      ("workspaces:\n  - {id: dev01}", "workspaces[0] lacks 'registry'."),
      ("concurrency: {models: many}", "concurrency.models takes a whole number."),
      ("workspaces:\n  - {id: a, registry: b, tag_source: perhaps}", "workspaces[0].tag_source takes true or false."),
      ("marketplace: here", "marketplace takes keys with values."),
    ])
  func kinds(yaml: String, message: String) async throws {
    let folder = TestCluster.newDirectory()
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let file = folder + "/a.yaml"
    try Data((yaml + "\n").utf8).write(to: URL(fileURLWithPath: file))
    let outcome = try await Program.run("sync", "--config", file)
    #expect(outcome.status == 2)
    #expect(outcome.errors == "Error: \(file): \(message)\n")
    let directory = try await Program.run("sync", "--config", folder)
    #expect(directory.errors == "Error: \(folder) is a directory; name the file in it.\n")
  }

  @Test("a workspace that was let go is in no metric; one whose address is none is told as not readable")
  func watched() async throws {
    let world = try await CommandWorld.make()
    try world.configure(["{id: gone, registry: \"http://127.0.0.1:1\"}", "{id: wrong, registry: nonsense}"])
    #expect(try await world.run("observe").status == 3)
    try world.configure(["{id: wrong, registry: nonsense}"])
    let letGo = try await world.run("workspace", "disconnect", "gone", "--output", "json")
    #expect(try letGo.json()["schema"] as? String == "marketplace.workspace.disconnect/1")
    let metrics = try await world.run("status", "--output", "prometheus").output
    #expect(!metrics.contains("workspace=\"gone\""))
    #expect(metrics.contains("marketplace_workspace_readable{workspace=\"wrong\"} 0"))
    let status = try await world.run("status")
    #expect(status.status == 3)
    #expect(status.output.contains("  not readable: wrong: "))
  }

  @Test("the status can be had as metrics in a file, which is replaced in one step")
  func metrics() async throws {
    let world = try await CommandWorld.make()
    try world.configure(["{id: dev01, registry: \"http://127.0.0.1:1\"}"])
    let file = world.folder + "/marketplace.prom"
    let outcome = try await world.run("status", "--output", "prometheus", "--file", file)
    #expect(outcome.status == 0)
    #expect(outcome.output.isEmpty)
    let text = try String(contentsOfFile: file, encoding: .utf8)
    #expect(text.contains("marketplace_workspace_last_success_timestamp_seconds{workspace=\"dev01\"} 0.000\n"))
    let rights = try FileManager.default.attributesOfItem(atPath: file)[.posixPermissions] as? Int
    #expect(rights == 0o644)
    let names = try FileManager.default.contentsOfDirectory(atPath: world.folder)
    #expect(names.filter { $0.hasPrefix("marketplace.prom") } == ["marketplace.prom"])
  }

  @Test("every command that prints data prints one versioned object with --output json")
  func envelopes() async throws {
    let world = try await CommandWorld.make()
    try world.configure([])
    for arguments in [
      ["migrate"], ["doctor"], ["status"], ["workspace", "list"], ["catalog", "list"], ["catalog", "search", "x"],
      ["projections", "check"], ["projections", "rebuild"], ["check"], ["catalog", "show", "none"],
      ["workspace", "disconnect", "none"], ["database", "start"], ["database", "stop"], ["database", "connection"],
    ] {
      let call = try Program.start(arguments + ["--output", "json", "--config", world.configuration])
      let schema = try await call.outcome().json()["schema"] as? String
      #expect(schema?.hasPrefix("marketplace.") == true, "\(arguments)")
    }
  }
}
