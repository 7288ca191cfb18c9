import Foundation
import Ledger
import Postgres
import TestSupport
import Testing

@testable import marketplace

@Suite("The transparency log from the command line", .enabled(if: MLflowServers.three != nil))
struct AuditCommandTests {
  private static let origin = "test.example/marketplace"

  /// A world with a model in production, and a key.
  private func world() async throws -> CommandWorld {
    let world = try await CommandWorld.make()
    let workspace = try await MLflowServers.freshWorkspace("dev01")
    try world.configure([CommandWorld.line("dev01", mlflowWorkspace: workspace)])
    try await CommandWorld.promote("triage", in: workspace)
    return world
  }

  private func add(_ lines: String, to world: CommandWorld) throws {
    let file = URL(fileURLWithPath: world.configuration)
    try (Data(contentsOf: file) + Data(lines.utf8)).write(to: file)
  }

  @Test("a key is made once, a job publishes, and what was changed since is found and ends every run with 8")
  func published() async throws {
    let world = try await world()
    #expect(try await world.run("audit", "verify").status == 2)
    let key = world.folder + "/log.key"
    let made = try await Program.start(["audit", "keygen", Self.origin, key]).outcome()
    #expect(made.status == 0 && made.output.hasPrefix("\(Self.origin)+"))
    #expect(made.errors.contains("signing_keys: [\(key)]"))
    #expect(try FileManager.default.attributesOfItem(atPath: key)[.posixPermissions] as? Int == 0o600)
    #expect(try await Program.start(["audit", "keygen", Self.origin, key]).outcome().status == 1)

    try add("audit: {origin: \(Self.origin), signing_keys: [\(key)]}\n", to: world)
    #expect(try await world.run("audit", "verify").errors.contains("nothing to verify against"))
    #expect(try await world.run("observe").status == 0)
    let verified = try await world.run("audit", "verify", "--output", "json")
    #expect(verified.status == 0)
    let events = try #require(try verified.json()["events"] as? Int)
    #expect(events > 3)
    #expect(try verified.json()["newest_size"] as? Int == events)
    let again = try await world.run("audit", "seal", "--output", "json")
    #expect(try again.json()["added"] as? Int == 0)
    let proof = try await world.run("audit", "prove", "2").json()
    #expect((proof["leaf"] as? String)?.hasPrefix("[1,2,\"dev01\",2,") == true)
    #expect(try await world.run("audit", "prove", "\(events + 1)").status == 2)
    #expect(try await world.run("audit", "consistency", "\(events)", "\(events)").status == 0)

    let file = world.folder + "/ledger.log"
    #expect(try await world.run("audit", "export", file).status == 0)
    #expect(try await world.run("audit", "export", file).status == 1)
    #expect(try await world.run("audit", "verify", "--export", file).status == 0)
    #expect(try await world.run("audit", "verify", "--export", file, "--offline").status == 0)
    #expect(try await world.run("audit", "verify", "--offline").status == 2)
    #expect(try await world.run("audit", "keys").output == made.output)

    let pool = world.database.pool(connectionsMax: 1)
    try await pool.withSession { session in
      try session.executeScript(
        """
        DROP TRIGGER append_only_update ON ledger.event;
        UPDATE ledger.event SET principal = 'mallory' WHERE workspace = 'dev01' AND sequence = 2;
        """)
    }
    await pool.close()
    let found = try await world.run("audit", "verify")
    #expect(found.status == 8)
    #expect(found.output.contains("edited") && found.output.contains("position 2") && found.output.contains("mallory"))
    let job = try await world.run("observe")
    #expect(job.status == 8)
    #expect(job.output.contains("dev01") && job.errors.contains("position 2"))
  }

  @Test("a key that others may read, and a machine without one, sign nothing")
  func keys() async throws {
    let world = try await world()
    let key = world.folder + "/log.key"
    let made = try await Program.start(["audit", "keygen", Self.origin, key]).outcome()
    let verifier = made.output.trimmingCharacters(in: .whitespacesAndNewlines)
    let plain = try Data(contentsOf: URL(fileURLWithPath: world.configuration))
    try add("audit: {origin: \(Self.origin), signing_keys: [\(key)]}\n", to: world)
    try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: key)
    let refused = try await world.run("audit", "seal")
    #expect(refused.status == 2 && refused.errors.contains("chmod 600"))
    try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: key)
    #expect(try await world.run("observe").status == 0)

    try plain.write(to: URL(fileURLWithPath: world.configuration))
    try add("audit: {origin: \(Self.origin), verifier_keys: [\"\(verifier)\"]}\n", to: world)
    #expect(try await world.run("audit", "verify").status == 0)
    let unsigned = try await world.run("audit", "seal")
    #expect(unsigned.status == 2 && unsigned.errors.contains("no signing_keys"))
    #expect(try await world.run("observe").status == 0)
    #expect(try await world.run("events", "read", "--limit", "1").status == 0)

    // The log of another ledger: this one is behind it.
    let folder = world.folder + "/storage/log"
    try FileManager.default.removeItem(atPath: folder)
    let other = try await self.world()
    try add("audit: {origin: \(Self.origin), signing_keys: [\(key)]}\n", to: other)
    for command in [["observe"], ["export"], ["export"]] {
      #expect(try await Program.start(command + ["--config", other.configuration]).outcome().status == 0)
    }
    try FileManager.default.moveItem(atPath: other.folder + "/storage/log", toPath: folder)
    for command in [["observe"], ["events", "read"], ["catalog", "list", "--as-of", "1"], ["audit", "verify"]] {
      let refused = try await Program.start(command + ["--config", world.configuration]).outcome()
      #expect(refused.status == 8, "\(command): \(refused.errors)")
    }
  }
}
