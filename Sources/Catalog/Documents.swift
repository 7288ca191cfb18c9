import Foundation
import Postgres

/// A row of the catalog for programs, with the names of the columns of view `marketplace.catalog`.
public struct CatalogDocument: Encodable, Sendable {
  var workspace, model: String
  var name, marketplace_name, target: String?
  var version, source_version, available_version, marketplace_version: Int?
  var state: String
  var reason: String?
  var since: String
  var description, version_description, owner: String?
  /// JSON as text, as the source has it.
  var tags, signature: String?
  var flavors: [String]?
  var export_id, uri, manifest_sha256, model_sha256: String?
  var files, bytes: Int?
  var event, recorded_at: String

  /// The row of an entry.
  public init(_ entry: CatalogEntry) {
    workspace = entry.workspace
    model = entry.model.uuidString.lowercased()
    name = entry.name
    marketplace_name = entry.marketplaceName
    target = entry.target
    version_description = entry.versionDescription
    tags = entry.tags
    signature = entry.signature
    export_id = entry.export?.id.uuidString.lowercased()
    recorded_at = entry.recordedAt.rfc3339
    version = entry.version
    source_version = entry.sourceVersion
    available_version = entry.availableVersion
    marketplace_version = entry.marketplaceVersion
    state = entry.state.rawValue
    reason = entry.reason
    since = entry.since.rfc3339
    description = entry.description
    owner = entry.owner
    flavors = entry.flavors
    uri = entry.export?.uri
    manifest_sha256 = entry.export?.manifestSHA256
    model_sha256 = entry.export?.modelSHA256
    files = entry.export?.files
    bytes = entry.export?.bytes
    event = "\(entry.workspace)/\(entry.sequence)"
  }
}

/// What one event said of a model, for programs.
public struct HistoryDocument: Encodable, Sendable {
  var event: String
  var recorded_at: String
  var not_before: String?
  var not_after: String?
  var kinds: [String]
  var what: String

  /// What a line says.
  public init(_ line: HistoryLine) {
    event = "\(line.workspace)/\(line.sequence)"
    recorded_at = line.recordedAt.rfc3339
    not_before = line.happened?.lower?.rfc3339
    not_after = line.happened?.upper?.rfc3339
    kinds = line.kinds
    what = line.what
  }
}

/// Why a version is in the catalog or is not, for programs.
public struct ExplanationDocument: Encodable, Sendable {
  var schema = "marketplace.catalog.explain/1"
  var workspace, model: String
  var name: String?
  var version: Int
  var available: Bool
  var verdict: String
  var steps: [Step]
  var events: [HistoryDocument]

  struct Step: Encodable, Sendable {
    var question: String
    var met: Bool
    var answer: String
    var event: String?
  }

  /// What an explanation says.
  public init(_ explanation: Explanation) {
    let workspace = explanation.model.workspace
    self.workspace = workspace
    model = explanation.model.model.uuidString.lowercased()
    name = explanation.model.name
    version = explanation.version
    available = explanation.isAvailable
    verdict = explanation.verdict
    steps = explanation.steps.map { step in
      Step(
        question: step.question.rawValue, met: step.isMet, answer: step.answer,
        event: step.sequence.map { "\(workspace)/\($0)" })
    }
    events = explanation.events.map { HistoryDocument($0) }
  }
}

/// What the catalog says of one model otherwise than before, for programs.
public struct ChangeDocument: Encodable, Sendable {
  var workspace, model: String
  var name, marketplace_name: String?
  var change: String
  var fields: [Field]
  var events: [HistoryDocument]

  struct Field: Encodable, Sendable {
    var field: String
    var before, after: String?
  }

  /// What a change says.
  public init(_ change: CatalogChange) {
    workspace = change.workspace
    model = change.model.uuidString.lowercased()
    name = change.name
    marketplace_name = change.marketplaceName
    self.change = change.kind.rawValue
    fields = change.fields.map { Field(field: $0.name, before: $0.before, after: $0.after) }
    events = change.events.map { HistoryDocument($0) }
  }
}
