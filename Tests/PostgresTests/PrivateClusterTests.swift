import Foundation
import Postgres
import TestSupport
import Testing

@Suite struct PrivateClusterTests {
  @Test("two starts at once give one server; it has checksums, one socket and no port; stop ends it")
  func twoAtOnce() async throws {
    let directory = TestCluster.newDirectory() + "/a dir"
    try TestCluster.removeAtExit(directory)
    async let first = PrivateCluster.start(dataDirectory: directory)
    async let second = PrivateCluster.start(dataDirectory: directory)
    let both = try await [first, second]
    #expect(both.filter(\.startedNow).count == 1)
    #expect(both[0].conninfo == both[1].conninfo)
    let pool = PostgresPool(.init(conninfo: both[0].conninfo))
    try await pool.withSession { (session) throws in
      func show(_ name: String) throws -> String {
        try session.query("SELECT current_setting($1) v", [name])[0].string("v")
      }
      #expect(try show("listen_addresses") == "")
      #expect(try show("data_checksums") == "on")
      #expect(try show("server_encoding") == "UTF8")
      #expect(try show("lc_collate") == "C")
      #expect(try show("fsync") == "on")
      #expect(try show("unix_socket_directories") == "\(both[0].directory)")
      #expect(try session.query("SELECT current_user::text u")[0].string("u") == "marketplace")
    }
    await pool.close()
    let attributes = try FileManager.default.attributesOfItem(atPath: directory)
    #expect(attributes[.posixPermissions] as? Int == 0o700)
    let reused = try await PrivateCluster.start(dataDirectory: directory)
    #expect(!reused.startedNow)
    try await reused.stop()
    try await reused.stop()
    #expect(!FileManager.default.fileExists(atPath: directory + "/data/postmaster.pid"))
    try FileManager.default.removeItem(atPath: (directory as NSString).deletingLastPathComponent)
  }

  @Test("a set-up that was interrupted is begun anew")
  func interrupted() async throws {
    let directory = TestCluster.newDirectory()
    try TestCluster.removeAtExit(directory)
    try FileManager.default.createDirectory(
      atPath: directory + "/data.new/base", withIntermediateDirectories: true)
    try Data("15\n".utf8).write(to: URL(fileURLWithPath: directory + "/data.new/PG_VERSION"))
    try Data().write(to: URL(fileURLWithPath: directory + "/start.lock"))
    let server = try await PrivateCluster.start(dataDirectory: directory)
    #expect(server.startedNow)
    try await server.stop()
  }

  private func refusal(_ directory: String) async throws -> PostgresError {
    try await #require(throws: PostgresError.self) {
      try await PrivateCluster.start(dataDirectory: directory)
    }
  }

  @Test("a path too long for a socket is refused with the limit")
  func longPath() async throws {
    let parent = TestCluster.newDirectory()
    defer { try? FileManager.default.removeItem(atPath: parent) }
    let error = try await refusal(parent + "/" + String(repeating: "x", count: 90))
    #expect(error.code == .dataDirectory)
    #expect(error.message.contains("the system takes 107"))
  }

  @Test(
    "a path that PostgreSQL's tools would take apart is refused",
    arguments: ["it's", "a,b", "$HOME", "`id`", "\\"])
  func awkwardPath(name: String) async throws {
    let parent = TestCluster.newDirectory()
    defer { try? FileManager.default.removeItem(atPath: parent) }
    #expect(try await refusal(parent + "/" + name).message.contains("which PostgreSQL cannot take"))
  }

  @Test("a directory with other things in it is not taken over")
  func foreign() async throws {
    let directory = TestCluster.newDirectory()
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: directory) }
    try Data().write(to: URL(fileURLWithPath: directory + "/thesis.tex"))
    let error = try await refusal(directory)
    #expect(error.message.contains("neither empty nor"))
  }

  @Test("as root, a directory the server's account may not enter is named", .enabled(if: geteuid() == 0))
  func closedParent() async throws {
    let parent = TestCluster.newDirectory()
    try FileManager.default.createDirectory(
      atPath: parent, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    defer { try? FileManager.default.removeItem(atPath: parent) }
    let error = try await refusal(parent + "/data")
    #expect(error.code == .dataDirectory)
    #expect(error.message.contains("may not enter \(parent)"))
  }

  @Test("a data directory of a version that is not installed is refused by its number")
  func otherVersion() async throws {
    let directory = TestCluster.newDirectory()
    try FileManager.default.createDirectory(atPath: directory + "/data", withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: directory) }
    try Data("9999\n".utf8).write(to: URL(fileURLWithPath: directory + "/data/PG_VERSION"))
    try Data().write(to: URL(fileURLWithPath: directory + "/start.lock"))
    let error = try await refusal(directory)
    #expect(error.code == .notInstalled)
    #expect(error.hint == "apt-get install postgresql-9999")
  }
}
