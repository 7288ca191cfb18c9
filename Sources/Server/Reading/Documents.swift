import Catalog
import Foundation
import Ledger
import Postgres

/// A list of models, for programs.
struct ModelListDocument: Encodable {
  var schema = "marketplace.models/1"
  var as_of: String?
  var total, page, pages: Int
  var facets: [String: [Count]]
  var models: [CatalogDocument]

  struct Count: Encodable {
    var value: String
    var count: Int
  }

  init(_ page: ModelListPage) {
    as_of = page.request.asOfText
    total = page.answer.count
    self.page = page.page
    pages = page.pages
    facets = Dictionary(
      page.answer.facets.map { facet, counts in (facet.rawValue, counts.map { Count(value: $0.value, count: $0.count) })
      },
      uniquingKeysWith: { $1 })
    models = page.shown.map { CatalogDocument($0) }
  }
}

/// A model, for programs.
struct ModelDocument: Encodable {
  var schema = "marketplace.model/1"
  var as_of: String?
  var workspace, model, title: String
  var name: String?
  /// Its row of the catalog; left out where it has none.
  var entry: CatalogDocument?
  /// Python that loads what the entry names.
  var snippet: String?
  /// The last of its versions, or those before the one that was asked for.
  var versions: [Version]
  /// How many versions there are.
  var versions_count: Int
  var files: [ServiceSources.ExportedFile]?
  /// What happened lately, and whether that is all.
  var history: [HistoryDocument]
  var history_is_whole: Bool

  struct Version: Encodable {
    var version: Int
    var created, stage: String?
    var aliases: [String]
    var deleted, current: Bool
    var description, owner, run_id, run_name, experiment: String?
    var flavors: [String]
    /// JSON as text, as the source has it.
    var signature, metrics, params: String?
    var event: String?

    init(_ version: VersionDetails, of workspace: String) {
      self.version = version.version
      created = version.created?.rfc3339
      stage = version.stage
      aliases = version.aliases
      deleted = version.isDeleted
      current = version.isCurrent
      description = version.description
      owner = version.owner
      run_id = version.runID
      run_name = version.runName
      experiment = version.experiment
      flavors = version.flavors
      signature = version.signature
      metrics = version.metrics
      params = version.params
      event = version.registeredSequence.map { "\(workspace)/\($0)" }
    }
  }

  init(_ model: ModelDetails, asOf: String?, registry: ServiceSources.Registry?) {
    as_of = asOf
    workspace = model.reference.workspace
    self.model = model.reference.model.uuidString.lowercased()
    title = model.title
    name = model.reference.name
    entry = model.entry.map { CatalogDocument($0) }
    if let entry = model.entry, let name = entry.marketplaceName, let number = entry.marketplaceVersion {
      snippet =
        LoadSnippet(name: name, version: number, registry: registry, modelSHA256: entry.export?.modelSHA256).python
    }
    versions = model.versions.map { Version($0, of: model.reference.workspace) }
    versions_count = model.versionsCount
    files = model.files
    history = model.history.map { HistoryDocument($0) }
    history_is_whole = model.historyIsWhole
  }
}

/// Two versions of a model, for programs.
struct ComparisonDocument: Encodable {
  var schema = "marketplace.comparison/1"
  var as_of: String?
  var title: String
  var a, b: ModelDocument.Version

  init(_ page: ComparePage) {
    as_of = page.request.asOfText
    title = page.model.title
    a = ModelDocument.Version(page.a, of: page.model.reference.workspace)
    b = ModelDocument.Version(page.b, of: page.model.reference.workspace)
  }
}

/// What vouches for the log, for programs.
struct AuditDocument: Encodable {
  var schema = "marketplace.audit/1"
  var last_position: Int64
  /// Left out where the log is not published.
  var origin, checkpoint: String?
  var keys: [String]

  init(_ page: AuditPage) {
    last_position = page.last
    origin = page.published?.origin
    checkpoint = page.checkpoint
    keys = page.published?.keys ?? []
  }
}

/// The workspaces, for programs.
struct WorkspacesDocument: Encodable {
  var schema = "marketplace.workspaces/1"
  var as_of: String?
  var workspaces: [One]

  struct One: Encodable {
    var workspace, state: String
    var kind, observed_from, observed_to, unreadable_since, reason, message: String?
    var models, versions: Int?
    var promoted_aliases, promoted_stages: [String]
    var stale: Bool
  }

  init(_ workspaces: [WorkspaceSummary], asOf: String?) {
    as_of = asOf
    self.workspaces = workspaces.map { one in
      One(
        workspace: one.workspace, state: one.state, kind: one.kind, observed_from: one.observedFrom?.rfc3339,
        observed_to: one.observedTo?.rfc3339, unreadable_since: one.unreadableSince?.rfc3339, reason: one.reason,
        message: one.message, models: one.models, versions: one.versions, promoted_aliases: one.promotedAliases,
        promoted_stages: one.promotedStages, stale: one.staleFrom != nil)
    }
  }
}

/// What happened lately, or what is otherwise at one moment than at another, for programs.
struct ChangesDocument: Encodable {
  var schema = "marketplace.changes/1"
  /// What happened lately, the last first; left out where two moments were compared.
  var changes: [One]?
  /// The positions that were compared.
  var from, to: Int64?
  /// A page of the models that changed.
  var changed: [ChangeDocument]?
  /// How many models changed, and the page of them.
  var count, page, pages: Int?

  struct One: Encodable {
    var workspace, model: String
    var title: String
    var line: HistoryDocument
  }

  init(_ page: ChangesPage) {
    guard let comparison = page.comparison else {
      changes = page.recent.prefix(ChangesPage.linesMax).map { change in
        One(
          workspace: change.line.workspace, model: change.model.uuidString.lowercased(),
          title: change.title(page.titles), line: HistoryDocument(change.line))
      }
      return
    }
    (from, to) = (comparison.from, comparison.to)
    changed = comparison.changes.map { ChangeDocument($0) }
    (count, self.page, pages) = (comparison.count, comparison.page, ChangesPage.pages(of: comparison.count))
  }
}

/// One event as it stands in the log, for programs: its data as the exact text, left out where it was redacted or detached.
struct EventDocument: Encodable {
  let envelope: EventEnvelope
  let data: String?

  private enum CodingKeys: String, CodingKey {
    case schema, data
  }

  init(_ event: RecordedEvent) {
    envelope = EventEnvelope(event)
    data = event.data
  }

  func encode(to encoder: any Encoder) throws {
    try envelope.encode(to: encoder)
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode("marketplace.event/1", forKey: .schema)
    try container.encodeIfPresent(data, forKey: .data)
  }
}
