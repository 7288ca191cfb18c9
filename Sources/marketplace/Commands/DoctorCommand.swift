import ArgumentParser
import Foundation
import Ledger
import Marketplace
import Postgres
import Registry
import Storage
import Transfer

/// `marketplace doctor`
struct DoctorCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor", abstract: "Find what is wrong with the set-up, and say how to mend it.",
    discussion: """
      Changes nothing but a small file that it writes to the storage and removes again. Exit code 1 when there is a \
      problem. For example:
        marketplace doctor
        marketplace doctor --output json --config /etc/marketplace/marketplace.yaml
      """)
  @OptionGroup var options: GlobalOptions

  /// The oldest MLflow without known holes that let a stranger read files (CVE-2026-2614 and before).
  static let mlflowSafe = (major: 3, minor: 10)

  /// One thing looked at.
  struct Finding: Encodable, Sendable {
    enum Level: String, Encodable, Sendable {
      case ok
      case warning
      case problem
    }
    var what: String
    var level: Level
    var message: String
    /// What to do about it.
    var fix: String?
  }

  private struct JSON: Encodable {
    var schema = "marketplace.doctor/1"
    var findings: [Finding]
  }

  func run() async throws {
    let settings = try Settings(options)
    var findings = [
      Finding(
        what: "configuration", level: settings.path == nil ? .warning : .ok,
        message: settings.path ?? "no file found", fix: settings.path == nil ? "marketplace init" : nil)
    ]
    findings += await database(settings)
    findings.append(await storage(settings))
    findings += try await registries(settings)
    switch options.output {
    case .json: try JSONOutput.print(JSON(findings: findings))
    case .table:
      for finding in findings {
        let mark = finding.level == .ok ? "ok     " : finding.level == .warning ? "warning" : "PROBLEM"
        Console.data("  \(mark)  \(finding.what): \(Sentence.oneLine(finding.message))")
        if let fix = finding.fix { Console.data("           → \(fix)") }
      }
    }
    if findings.contains(where: { $0.level == .problem }) { throw JobEnded(status: .failed) }
  }

  private func database(_ settings: Settings) async -> [Finding] {
    do {
      let place = try await Workplace.connect(settings, options: options)
      let pending = try await Migrator(place.pool).pending()
      let facts = try await place.pool.withSession { session in
        try session.query(
          """
          select current_setting('server_version_num')::bigint as version,
                 current_setting('fsync') || current_setting('full_page_writes') || current_setting('synchronous_commit') as durability,
                 abs(extract(epoch from clock_timestamp()) - $1::double precision)::double precision as skew,
                 coalesce((select extract(epoch from max(now() - xact_start)) from pg_stat_activity
                           where state <> 'idle' and pid <> pg_backend_pid()), 0)::double precision as oldest
          """, [Date().timeIntervalSince1970])[0]
      }
      await place.pool.close()
      var findings = [Self.schema(pending, isPrivate: place.isPrivate)]
      if try facts.int("version") < 150_000 {
        findings.append(
          Finding(what: "PostgreSQL", level: .problem, message: "older than 15", fix: "use PostgreSQL 15 or newer"))
      }
      if try facts.string("durability") != "ononon" {
        findings.append(
          Finding(
            what: "PostgreSQL", level: .warning,
            message:
              "fsync, full_page_writes or synchronous_commit is off: an acknowledged event may be lost in a crash",
            fix: "set all three to on"))
      }
      if try facts.double("skew") > 5 {
        findings.append(
          Finding(
            what: "clock", level: .warning,
            message: "the database's clock is \(Sentence.seconds(try facts.double("skew"))) away from this machine's",
            fix: "run a time service on both"))
      }
      if try facts.double("oldest") > 600 {
        findings.append(
          Finding(
            what: "PostgreSQL", level: .warning,
            message: "a transaction has been open for \(Sentence.seconds(try facts.double("oldest")))",
            fix: "select pid, query from pg_stat_activity order by xact_start"))
      }
      return findings
    } catch {
      return [Finding(what: "database", level: .problem, message: "\(error)", fix: nil)]
    }
  }

  private static func schema(_ pending: [String], isPrivate: Bool) -> Finding {
    if isPrivate, !pending.isEmpty {
      return Finding(what: "database", level: .ok, message: "private and new; the first command sets it up")
    }
    return pending.isEmpty
      ? Finding(what: "database", level: .ok, message: "reachable, its schema is up to date")
      : Finding(
        what: "database", level: .problem, message: "\(Sentence.count(pending.count, "migration")) missing",
        fix: "marketplace migrate")
  }

  /// Writes, finds taken, reads and removes a small file: what an export needs of a store.
  private func storage(_ settings: Settings) async -> Finding {
    do {
      let storage = try settings.storage()
      let key = try StorageKey([".doctor-\(UUID().uuidString.lowercased())"])
      let bytes = Array("marketplace".utf8)
      let isNew = try await storage.putIfAbsent(bytes, at: key)
      let isAgain = try await storage.putIfAbsent(Array("other".utf8), at: key)
      let read = try await storage.bytes(of: key)
      try await storage.delete(key)
      guard isNew, !isAgain, read == bytes else {
        return Finding(
          what: "storage", level: .problem, message: "\(settings.storageURL) does not refuse to replace a file",
          fix: "use a file system with hard links, or an object store with conditional writes")
      }
      if let s3 = storage as? S3Storage, s3.conditionalWrites == .ignored {
        return Finding(
          what: "storage", level: .warning,
          message: "\(settings.storageURL) works, but its server ignores If-None-Match: two runs that end an export in "
            + "the same moment may both write its manifest", fix: "use a server that honours conditional writes")
      }
      return Finding(what: "storage", level: .ok, message: "\(settings.storageURL), conditional writes work")
    } catch {
      return Finding(what: "storage", level: .problem, message: "\(error)", fix: "check 'storage' and its permissions")
    }
  }

  private func registries(_ settings: Settings) async throws -> [Finding] {
    var findings: [Finding] = []
    for workspace in try settings.workspaces(named: []) {
      let what = "workspace \(workspace.id)"
      findings.append(await probe(what) { try settings.source(workspace).source.registry })
      findings += await buckets(workspace.artifacts, of: what, isWritten: false, settings)
    }
    if settings.file.marketplace == nil {
      findings.append(
        Finding(
          what: "marketplace", level: .warning, message: "none is configured: exports go nowhere",
          fix: "add 'marketplace: {registry: …}' to the configuration"))
    } else {
      findings.append(await probe("marketplace") { try settings.target()?.registry })
      findings += await buckets(settings.file.marketplace?.artifacts, of: "marketplace", isWritten: true, settings)
    }
    return findings
  }

  private func probe(_ what: String, _ open: () throws -> (any ModelRegistry)?) async -> Finding {
    do {
      guard let registry = try open() else { return Finding(what: what, level: .warning, message: "not configured") }
      let server = try await registry.serverInfo()
      let models = try await registry.registeredModels()
      let parts = server.version.split(separator: ".").compactMap { Int($0) }
      let isSafe = server.isDatabricks || parts.count >= 2 && (parts[0], parts[1]) >= Self.mlflowSafe
      return Finding(
        what: what, level: isSafe ? .ok : .warning,
        message: (server.isDatabricks ? "Databricks" : "MLflow \(server.version)")
          + ", \(Sentence.count(models.count, "model")) visible"
          + (isSafe ? "" : "; versions before 3.10 let a crafted tag read the server's files"),
        fix: isSafe ? nil : "upgrade it, or keep strangers away from it")
    } catch {
      return Finding(what: what, level: .problem, message: "\(error)", fix: nil)
    }
  }
}
