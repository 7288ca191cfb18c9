import Access
import ArgumentParser
import Audit
import Catalog
import Foundation
import Ledger
import Logging
import Postgres
import Server
import ServiceLifecycle
import Storage
import Transfer
import Transparency

/// `marketplace serve`
struct ServeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serve", abstract: "Serve the catalog to browsers and programs, and seal the log continually.",
    discussion: """
      Pages under /models, /workspaces, /changes and /audit, and the same as JSON for whoever accepts that; /livez, /readyz and \
      /metrics for machines. Ends with what it is answering finished when it is told to by SIGTERM or Ctrl-C. Listens on loopback \
      unless the configuration says otherwise. For example:
        marketplace serve
        marketplace serve --listen 127.0.0.1:9000
      """)
  @OptionGroup var options: PlaceOptions
  @Option(
    help: ArgumentHelp("Where it listens; over the configuration. Port 0 is any that is free.", valueName: "host:port"))
  var listen: String?

  func run() async throws {
    let settings = try Settings(options)
    let service = try settings.service(listen: listen)
    let isOpen = try settings.catalogIsOpen()
    let providers = try settings.identityProviders()
    let keys = try settings.auditKeysIfAny(signs: true)
    let (isQuiet, telling) = (options.quiet, try settings.workspaces(named: []).filter(\.tellsOfChanges))
    // What cannot be read is told now, and not when the first hint comes.
    for workspace in telling { _ = try settings.webhookSecrets(of: workspace) }
    Self.allowConnections()
    try await ProviderDocuments.with { documents in
      try await Workplace.use(settings, options: options) { place in
        let callers = Callers(
          tokens: TokenBook(place.ledger),
          providers: IdentityProviders(providers) { try await documents.document(at: $0) })
        let guardian = Guardian(
          isCatalogOpen: isOpen, caller: { try await callers.caller(showing: $0, at: .now()) })
        try await Self.serve(place, settings, keys, service, guardian, telling, isQuiet: isQuiet)
      }
    }
  }

  private static func serve(
    _ place: Workplace, _ settings: Settings, _ keys: AuditKeys?, _ service: CatalogService.Configuration,
    _ guardian: Guardian, _ telling: [Configuration.Workspace], isQuiet: Bool
  ) async throws {
    let logger = Logger(label: "marketplace") { _ in JSONLog() }
    let sealing = ContinualSealing(place: place, settings: settings, keys: keys, logger: logger)
    let hinted = try HintedObservation(
      place: place, sources: telling.map { try settings.source($0).source }, storage: settings.storage(), logger: logger
    )
    let sources = try sources(place, settings, keys, sealing, hinted)
    let catalog = CatalogService(
      sources, guardian: guardian, configuration: service, logger: logger, now: Timestamp.now)
    do {
      try await catalog.run(beside: [sealing, hinted]) { port in
        guard !isQuiet else { return }
        let host = service.host.contains(":") ? "[\(service.host)]" : service.host
        let scheme = service.tls == nil ? "http" : "https"
        Console.remark("  serving \(scheme)://\(host):\(port ?? service.port)/models; Ctrl-C ends it")
        if service.tls == nil, !service.isLoopback {
          Console.remark(
            "  without TLS, whoever listens on the way reads tokens: see 'serve: tls' in the configuration")
        }
      }
    } catch {
      await sealing.finish()
      throw error
    }
    await sealing.finish()
  }

  /// Each connection is an open file, and the usual limit is a thousand; a process may raise its own as far as it was allowed.
  private static func allowConnections() {
    #if canImport(Glibc)
      let files = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
      var limit = rlimit()
      guard getrlimit(files, &limit) == 0 else { return }
      limit.rlim_cur = limit.rlim_max
      _ = setrlimit(files, &limit)
    #endif
  }

  /// What went wrong with what is published, as the service tells it.
  private static func told(_ error: any Error) -> any Error {
    switch error {
    case let error as AuditError where [.unknown, .unpublished, .unwitnessed].contains(error.code):
      ServiceSources.Missing("\(error)")
    case is AuditError, is StorageError: ServiceSources.Away("What is published of the log cannot be read: \(error)")
    default: error
    }
  }

  private static func sources(
    _ place: Workplace, _ settings: Settings, _ keys: AuditKeys?, _ sealing: ContinualSealing,
    _ hinted: HintedObservation
  ) throws -> ServiceSources {
    let storage = try settings.storage()
    let configured = Set(try settings.workspaces(named: []).map(\.id))
    var published: ServiceSources.Published?
    if let keys {
      let log = try settings.publishedLog(storage)
      let proofs = LogProofs(of: log, policy: keys.policy)
      published = ServiceSources.Published(
        origin: keys.policy.origin, keys: keys.policy.keys.map(\.text),
        checkpoint: {
          do {
            return String(decoding: try await log.newest(believedBy: keys.policy).note.encoded, as: UTF8.self)
          } catch let error as AuditError where error.code == .unpublished || error.code == .unwitnessed {
            return nil
          } catch {
            throw Self.told(error)
          }
        },
        inclusion: { position in
          do {
            return try JSONOutput.text(AuditCommand.Prove.JSON(try await proofs.inclusion(of: position))) + "\n"
          } catch {
            throw Self.told(error)
          }
        },
        consistency: { earlier, later in
          do {
            let proof = try await proofs.consistency(from: earlier, to: later)
            return try JSONOutput.text(AuditCommand.Consistency.JSON(proof)) + "\n"
          } catch {
            throw Self.told(error)
          }
        })
    }
    return ServiceSources(
      catalog: Catalog(place.pool), ledger: place.ledger,
      registry: settings.file.marketplace.map { .init(address: $0.registry, workspace: $0.mlflow_workspace) },
      files: { uri, sha256 in
        try await ExportManifest.files(at: uri, sha256: sha256, in: storage)?.map {
          ServiceSources.ExportedFile(path: $0.path, size: $0.size, sha256: $0.sha256)
        }
      }, published: published,
      metrics: {
        StatusMetrics(try await StatusCommand.collect(place, configured: configured), at: Date()).text
      }, ownMetrics: { sealing.metrics + hinted.metrics },
      webhooks: try settings.webhooks(to: hinted),
      obstacles: { await sealing.obstacles() })
  }
}

extension Settings {
  /// What registries tell, and who takes it.
  fileprivate func webhooks(to hinted: HintedObservation) throws -> ServiceSources.Webhooks {
    let all = Dictionary(
      try workspaces(named: []).map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
    // Read each time, so that a secret that was changed holds at once.
    return ServiceSources.Webhooks(
      secrets: { id in all[id].flatMap { try? webhookSecrets(of: $0) } ?? [] }, hint: { hinted.hint($0) })
  }
}

extension Configuration.Workspace {
  /// Whether its registry tells of changes by webhooks.
  fileprivate var tellsOfChanges: Bool { webhook_secret_file != nil || webhook_secret_env != nil }
}

extension Timestamp {
  /// The clock of this machine.
  static func now() -> Timestamp { Timestamp(microseconds: Int64(Date().timeIntervalSince1970 * 1_000_000)) }
}
