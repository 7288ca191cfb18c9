import ArgumentParser
import Foundation
import Server
import Testing
import Yams

@testable import marketplace

@Suite("The files of ops that schedule and watch")
struct ScheduleFilesTests {
  private static let ops = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("ops")

  private static let cronJobs = ["sync", "check", "collect"].map { "kubernetes/cronjob-\($0).yaml" }

  private static func text(_ path: String) throws -> String {
    try String(contentsOf: ops.appendingPathComponent(path), encoding: .utf8)
  }

  private static func names(in folder: String, ending: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: ops.appendingPathComponent(folder).path)
      .filter { $0.hasSuffix(ending) }.sorted().map { "\(folder)/\($0)" }
  }

  private static func yaml(_ path: String) throws -> [String: Any] {
    try #require(try Yams.load(yaml: text(path)) as? [String: Any], "\(path)")
  }

  /// Values by keys and indices.
  private static func value(_ node: Any?, _ path: String) -> Any? {
    path.split(separator: ".").reduce(node) { node, key in
      if let index = Int(key) { return (node as? [Any]).flatMap { $0.indices.contains(index) ? $0[index] : nil } }
      return (node as? [String: Any])?[String(key)]
    }
  }

  @Test("systemd's units start commands that the program takes, and none forgets a part of the sandbox")
  func units() throws {
    let services = try Self.names(in: "systemd", ending: ".service")
    #expect(services.count == 6)
    for path in services {
      let lines = try Self.text(path).split(separator: "\n").map(String.init)
      let starts = lines.filter { $0.hasPrefix("ExecStart=") || $0.hasPrefix("ExecStop=") }
      #expect(!starts.isEmpty)
      for start in starts {
        let words = start.split(separator: " ").map(String.init)
        #expect(words[0].hasSuffix("=/usr/local/bin/marketplace"))
        #expect(throws: Never.self, "\(start)") { try MarketplaceCommand.parseAsRoot(Array(words.dropFirst())) }
      }
      for setting in [
        "User=marketplace", "NoNewPrivileges=yes", "CapabilityBoundingSet=", "ProtectSystem=strict", "ProtectHome=yes",
        "PrivateDevices=yes", "RestrictNamespaces=yes", "SystemCallFilter=@system-service",
        "SystemCallArchitectures=native",
      ] {
        #expect(lines.contains(setting), "\(path) lacks \(setting)")
      }
    }
    for path in try Self.names(in: "systemd", ending: ".timer") {
      #expect(services.contains(path.replacing(".timer", with: ".service")))
      #expect(try Self.text(path).contains("RandomizedDelaySec="))
    }
  }

  @Test("a clean stop, and another run's work, are successes of the unit; only what may help itself is tried again")
  func endings() throws {
    let unit = try Self.text("systemd/marketplace-sync.service")
    func codes(_ key: String) -> Set<Int32> {
      let line = unit.split(separator: "\n").first { $0.hasPrefix(key + "=") } ?? ""
      return Set(line.dropFirst(key.count + 1).split(separator: " ").compactMap { Int32($0) })
    }
    #expect(
      codes("SuccessExitStatus") == [marketplace.ExitStatus.held.rawValue, marketplace.ExitStatus.terminated.rawValue])
    // ArgumentParser has a type of that name too.
    let all: [marketplace.ExitStatus] = [
      .failed, .usage, .someFailed, .notAllowed, .unavailable, .held, .conflict, .integrity, .interrupted, .terminated,
    ]
    let retried = Set(all.map(\.rawValue)).subtracting(codes("SuccessExitStatus"))
      .subtracting(codes("RestartPreventExitStatus"))
    #expect(retried == [marketplace.ExitStatus.unavailable.rawValue])
  }

  @Test("CronJobs start commands that the program takes, as nobody, on a root that cannot be written to")
  func cronJobs() throws {
    for path in Self.cronJobs {
      let job = try Self.yaml(path)
      #expect(Self.value(job, "spec.concurrencyPolicy") as? String == "Forbid")
      #expect(Self.value(job, "spec.timeZone") as? String == "Etc/UTC")
      let deadline = Self.value(job, "spec.jobTemplate.spec.activeDeadlineSeconds") as? Int
      let pod = Self.value(job, "spec.jobTemplate.spec.template.spec")
      #expect(Self.value(pod, "restartPolicy") as? String == "Never")
      let command = try Self.command(of: pod)
      if let sync = command as? SyncCommand {
        let begun = try #require(sync.job.deadline?.seconds)
        #expect(begun < (try #require(deadline)))
      }
      let policy = "spec.jobTemplate.spec.podFailurePolicy.rules.1.onExitCodes"
      #expect(Self.value(job, "\(policy).operator") as? String == "In")
      let final = try #require(Self.value(job, "\(policy).values") as? [Int])
      // 5 and 6 are tried again.
      #expect(Set(final).isDisjoint(with: [0, 5, 6]))
    }
  }

  /// The command that a pod's container starts, as nobody and with nothing that it does not need.
  private static func command(of pod: Any?) throws -> any ParsableCommand {
    #expect(value(pod, "automountServiceAccountToken") as? Bool == false)
    #expect(value(pod, "securityContext.runAsNonRoot") as? Bool == true)
    #expect(value(pod, "securityContext.seccompProfile.type") as? String == "RuntimeDefault")
    let container = value(pod, "containers.0")
    #expect(value(container, "securityContext.readOnlyRootFilesystem") as? Bool == true)
    #expect(value(container, "securityContext.allowPrivilegeEscalation") as? Bool == false)
    #expect(value(container, "securityContext.capabilities.drop") as? [String] == ["ALL"])
    #expect(value(container, "resources.limits.memory") != nil)
    return try MarketplaceCommand.parseAsRoot(try #require(value(container, "args") as? [String]))
  }

  @Test("the Deployment serves where its Service, its probes and its network policy look for it")
  func deployment() throws {
    func documents(_ path: String) throws -> [Any] { try Array(Yams.load_all(yaml: Self.text(path))) }
    let made = try documents("kubernetes/deployment-serve.yaml")
    let pod = Self.value(made.first, "spec.template.spec")
    let serve = try #require(try Self.command(of: pod) as? ServeCommand)
    let port = try #require(Self.value(pod, "containers.0.ports.0.containerPort") as? Int)
    #expect(serve.listen == "0.0.0.0:\(port)")
    for (probe, path) in [("livenessProbe", "/livez"), ("readinessProbe", "/readyz"), ("startupProbe", "/livez")] {
      #expect(Self.value(pod, "containers.0.\(probe).httpGet.path") as? String == path)
      #expect(Self.value(pod, "containers.0.\(probe).httpGet.port") as? String == "http")
    }
    // It is not ended before it has answered, the pause before the signal included.
    let grace = try #require(Self.value(pod, "terminationGracePeriodSeconds") as? Int)
    let pause = try #require(Self.value(pod, "containers.0.lifecycle.preStop.sleep.seconds") as? Int)
    #expect(Int64(grace - pause) > CatalogService.Configuration().stopSeconds)
    let labels = Self.value(made.first, "spec.template.metadata.labels") as? [String: String]
    #expect(Self.value(made[1], "spec.selector") as? [String: String] == labels)
    let policy = try #require(try documents("kubernetes/network-policy.yaml").last)
    #expect(Self.value(policy, "spec.podSelector.matchLabels") as? [String: String] == labels)
    #expect(Self.value(policy, "spec.ingress.0.ports.0.port") as? Int == port)
    let secret = try Self.yaml("kubernetes/secret.example.yaml")
    let key = try #require(
      (Self.value(pod, "containers.0.env") as? [Any])?.compactMap {
        Self.value($0, "valueFrom.secretKeyRef.key") as? String
      }.first)
    #expect((secret["stringData"] as? [String: String])?[key] != nil)
  }

  @Test("the configuration and the secret of the CronJobs fit together")
  func configurations() throws {
    let map = try Self.yaml("kubernetes/configuration.yaml")
    let text = try #require(Self.value(map, "data") as? [String: String])["marketplace.yaml"] ?? ""
    let configuration = try YAMLDecoder().decode(Configuration.self, from: text)
    let files =
      (configuration.workspaces ?? []).compactMap(\.token_file)
      + [configuration.marketplace?.token_file].compactMap(\.self)
    let secret = try Self.yaml("kubernetes/secret.example.yaml")
    let keys = try #require(secret["stringData"] as? [String: String]).keys
    for path in Self.cronJobs {
      let volumes = Self.value(try Self.yaml(path), "spec.jobTemplate.spec.template.spec.volumes.1.secret.items")
      let mounted = (volumes as? [[String: Any]] ?? []).compactMap { $0["path"] as? String }
      #expect(Set(mounted) == Set(files))
      #expect(Set(keys) == Set(files).union(["database", "database-serve"]))
    }
  }

  @Test("the Databricks job starts a command that the program takes, one at a time, as a service principal")
  func databricks() throws {
    let job = Self.value(try Self.yaml("databricks/databricks.yml"), "resources.jobs.marketplace_sync")
    #expect(Self.value(job, "max_concurrent_runs") as? Int == 1)
    #expect(Self.value(job, "run_as.service_principal_name") as? String == "${var.service_principal}")
    let parameters = try #require(Self.value(job, "tasks.0.spark_python_task.parameters") as? [String])
    let command = parameters.drop { $0 != "--" }.dropFirst()
    let sync = try #require(try MarketplaceCommand.parseAsRoot(Array(command)) as? SyncCommand)
    let begun = try #require(sync.job.deadline?.seconds)
    let end = try #require(Self.value(job, "timeout_seconds") as? Int)
    #expect(begun < end)
  }

  @Test("alerts speak of metrics that the status writes")
  func alerts() throws {
    let written = Set(
      StatusMetrics(StatusMetricsTests.facts, at: Date()).text.matches(of: /# TYPE ([a-z_]+)/).map { String($0.1) })
    let rules = try #require(
      Self.value(try Self.yaml("prometheus/marketplace.rules.yaml"), "groups.0.rules") as? [[String: Any]])
    for rule in rules {
      let expression = try #require(rule["expr"] as? String)
      let named = expression.matches(of: /marketplace_[a-z_]+/).map { String($0.0) }
      #expect(!named.isEmpty && Set(named).isSubset(of: written), "\(expression)")
    }
  }

  @Test("the image is built from sources alone and run by nobody")
  func image() throws {
    let lines = try Self.text("Dockerfile").split(separator: "\n").map(String.init)
    #expect(lines.filter { $0.hasPrefix("FROM ") }.count == 2)
    #expect(lines.contains("USER 65532:65532"))
    #expect(lines.contains { $0.contains("--static-swift-stdlib") })
    let kept = try Self.text("Dockerfile.dockerignore").split(separator: "\n").filter { $0.hasPrefix("!") }
    // What is embedded from elsewhere is a source too.
    let package = try String(contentsOf: Self.ops.appending(path: "../Package.swift"), encoding: .utf8)
    let embedded = package.matches(of: /path: "(ops\/[^"]+)"/).map { String($0.1) }
    #expect(embedded.count == 2)
    let wanted = Set(["Package.swift", "migrations", "Sources", "Tests"] + embedded)
    #expect(Set(kept.map { String($0.dropFirst()) }) == wanted)
    // Without one of them the package is none.
    let copied = lines.filter { $0.hasPrefix("COPY ") && !$0.hasPrefix("COPY --from") }
      .map { String($0.split(separator: " ")[1]) }
    #expect(Set(copied) == wanted && copied.count == wanted.count)
  }
}
