import Foundation
import Postgres
import TestSupport
import Testing

/// The worked example of a nightly job, by the real program: its file of results, its projection.
@Suite("Events and projections of one's own, by the real program")
struct OwnEventsTests {
  /// A database with the worked example in it, the workspace `dev01`, and its administrator's configuration.
  private func example() async throws -> CommandWorld {
    let world = try await CommandWorld.make()
    try world.configure(["{id: dev01, registry: \"http://127.0.0.1:1\"}"])
    let file = URL(fileURLWithPath: #filePath).appending(path: "../../../ops/examples/leaderboard.sql").standardized
    // Roles belong to the server, which other tests share.
    let nightly = "nightly_\(UUID().uuidString.prefix(8).lowercased())"
    let script = try String(contentsOf: file, encoding: .utf8).replacing("acme_nightly", with: nightly)
    let pool = world.database.pool(connectionsMax: 1)
    try await pool.withSession { session in
      try session.executeScript(script)
      try session.executeScript(
        "SELECT ledger.open_workspace('dev01'); SELECT ledger.grant_append(current_user, '*', 'acme.');")
    }
    await pool.close()
    return world
  }

  private func results(_ world: CommandWorld, _ lines: [String]) throws -> String {
    let path = world.folder + "/results.csv"
    try Data((["model,version,dataset,auc"] + lines).joined(separator: "\n").utf8).write(to: URL(fileURLWithPath: path))
    return path
  }

  private func append(_ world: CommandWorld, _ file: String, _ more: String...) async throws -> Program.Outcome {
    try await Program.start(
      [
        "events", "append", "dev01", "--from", file, "--format", "csv", "--number", "auc", "--number", "version",
        "--stream", "evaluation/{model}", "--type", "acme.Evaluated", "--output", "json", "--config",
        world.configuration,
      ] + more
    ).outcome()
  }

  @Test("a file is taken in once, whatever is wrong in it is told by its line, and all or nothing is all or nothing")
  func file() async throws {
    let world = try await example()
    let file = try results(world, ["triage,1,test,0.81", "triage,2,test,1.7", "sepsis,1,test,0.93"])
    let atomic = try await append(world, file, "--atomic")
    #expect(atomic.status == 3)
    #expect(try atomic.json()["appended"] as? Int == 0)
    let first = try await append(world, file)
    #expect(first.status == 3)
    let said = try first.json()
    #expect(said["lines"] as? Int == 3 && said["appended"] as? Int == 2 && said["replayed"] as? Int == 0)
    let bad = try #require((said["bad"] as? [[String: Any]])?.first)
    #expect(bad["line"] as? Int == 3)
    #expect((bad["reason"] as? String)?.contains("auc") == true)
    let again = try await append(world, try results(world, ["triage,1,test,0.81", "sepsis,1,test,0.93"]))
    #expect(again.status == 0)
    #expect(try again.json()["appended"] as? Int == 0)
    #expect(try again.json()["replayed"] as? Int == 2)
  }

  @Test("its projection is checked, and made anew, by name")
  func projection() async throws {
    let world = try await example()
    #expect(try await append(world, try results(world, ["triage,1,test,0.81", "sepsis,1,test,0.93"])).status == 0)
    let right = try await world.run("projections", "check", "--projection", "leaderboard")
    #expect(right.status == 0, "\(right.errors)")
    #expect(right.output.contains("dev01  equal to the log"))
    let pool = world.database.pool(connectionsMax: 1)
    try await pool.withSession { try $0.executeScript("UPDATE acme.evaluation SET auc = 0.99 WHERE model = 'triage'") }
    await pool.close()
    let wrong = try await world.run("projections", "check", "--projection", "leaderboard")
    #expect(wrong.status == 8)
    #expect(wrong.output.contains("'marketplace projections rebuild dev01 --projection leaderboard' makes them anew."))
    #expect(try await world.run("projections", "check").status == 0)
    #expect(try await world.run("projections", "rebuild", "--projection", "leaderboard").status == 0)
    #expect(try await world.run("projections", "check", "--projection", "leaderboard").status == 0)
    let unknown = try await world.run("projections", "check", "--projection", "none")
    #expect(unknown.status != 0 && unknown.errors.contains("none"), "\(unknown.errors)")
  }
}
