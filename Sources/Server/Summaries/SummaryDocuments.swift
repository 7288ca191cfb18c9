import Catalog
import Foundation
import Ledger
import Postgres

/// A part of a workspace's exports or imports, for programs.
struct SummaryDocument: Encodable {
  var schema: String
  var as_of: String?
  var workspace: String
  /// Whether nothing more is there now.
  var last: Bool
  /// Where reading goes on.
  var next: String
  var exports: [ExportDocument]?
  var imports: [ImportDocument]?

  init(_ schema: String, _ asked: SummaryRequest, _ sequences: [Int64]) {
    self.schema = schema
    as_of = asked.asOfText
    workspace = asked.workspace
    last = sequences.count < asked.page.limit
    next = EventCursor.text(.sequence, sequences.last ?? asked.page.after)
  }
}

/// What exports and imports have in common: the version, what became of it, and the event.
private struct TransferFields: Encodable {
  var model: String
  var name: String?
  var version: Int
  var generation: Int?
  var state: String
  var reason: String?
  var retriable: Bool?
  var export_id, manifest_sha256, run, principal: String?
  var event, recorded_at: String
}

/// An export that was made, or the open failure of one: the columns of view `marketplace.export_summary`.
struct ExportDocument: Encodable {
  private let fields: TransferFields
  private let uri: String?
  private let files, bytes: Int?

  private enum CodingKeys: CodingKey { case uri, files, bytes }

  init(_ export: ExportSummary) {
    fields = TransferFields(
      model: export.model.uuidString.lowercased(), name: export.name, version: export.version,
      generation: export.generation, state: export.state, reason: export.reason, retriable: export.isRetriable,
      export_id: export.exportID?.uuidString.lowercased(), manifest_sha256: export.manifestSHA256,
      run: export.run?.uuidString.lowercased(), principal: export.principal,
      event: "\(export.workspace)/\(export.sequence)", recorded_at: export.recordedAt.rfc3339)
    (uri, files, bytes) = (export.uri, export.files, export.bytes)
  }

  func encode(to encoder: any Encoder) throws {
    try fields.encode(to: encoder)
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encodeIfPresent(uri, forKey: .uri)
    try container.encodeIfPresent(files, forKey: .files)
    try container.encodeIfPresent(bytes, forKey: .bytes)
  }
}

/// An import that was made, or the open failure of one: the columns of view `marketplace.import_summary`.
struct ImportDocument: Encodable {
  private let fields: TransferFields
  private let target: String
  private let marketplace_name: String?
  private let marketplace_version: Int?

  private enum CodingKeys: CodingKey { case target, marketplace_name, marketplace_version }

  init(_ one: ImportSummary) {
    fields = TransferFields(
      model: one.model.uuidString.lowercased(), name: one.name, version: one.version, generation: one.generation,
      state: one.state, reason: one.reason, retriable: one.isRetriable,
      export_id: one.exportID?.uuidString.lowercased(), manifest_sha256: one.manifestSHA256,
      run: one.run?.uuidString.lowercased(), principal: one.principal, event: "\(one.workspace)/\(one.sequence)",
      recorded_at: one.recordedAt.rfc3339)
    (target, marketplace_name, marketplace_version) = (one.target, one.marketplaceName, one.marketplaceVersion)
  }

  func encode(to encoder: any Encoder) throws {
    try fields.encode(to: encoder)
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(target, forKey: .target)
    try container.encodeIfPresent(marketplace_name, forKey: .marketplace_name)
    try container.encodeIfPresent(marketplace_version, forKey: .marketplace_version)
  }
}

/// Runs of jobs in a workspace, for programs.
struct RunsDocument: Encodable {
  var schema = "marketplace.runs/1"
  var workspace: String
  /// Where older ones are; left out when there are none.
  var next: String?
  var runs: [One]

  struct One: Encodable {
    var run, principal: String
    var first, last: Int64
    var began, ended: String
    /// How many events of each type.
    var events: [String: Int]
  }

  init(_ page: RunPage, of workspace: String) {
    self.workspace = workspace
    next = page.before.map { EventCursor.text(.run, $0) }
    runs = page.runs.map {
      One(
        run: $0.run.uuidString.lowercased(), principal: $0.principal, first: $0.first, last: $0.last,
        began: $0.began.rfc3339, ended: $0.ended.rfc3339, events: $0.events)
    }
  }
}
