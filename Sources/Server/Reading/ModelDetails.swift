import Catalog
import Foundation
import HTTPTypes

/// Everything that a model's page says.
struct ModelDetails: Sendable {
  let reference: ModelReference
  /// Its row of the catalog; `nil` when it is not there.
  let entry: CatalogEntry?
  /// The last of its versions, by number.
  let versions: [VersionDetails]
  /// How many there are.
  let versionsCount: Int
  /// The version that the page is about.
  let version: VersionDetails?
  let availability: [AvailabilitySpell]
  let exports: [ExportSummary]
  let imports: [ImportSummary]
  /// What happened lately.
  let history: [HistoryLine]
  /// Whether nothing happened before.
  let historyIsWhole: Bool
  /// Files of the export that the entry is about; `nil` when they cannot be told.
  let files: [ServiceSources.ExportedFile]?

  /// What it is called.
  var title: String {
    entry?.title ?? availability.last?.marketplaceName ?? "\(reference.workspace)/\(reference.name ?? "?")"
  }
  var path: String { CatalogEntry.path(title, reference.model.uuidString) }

  /// Versions, and lines of history, that a program is given at once.
  static let rowsMax = 1_000
  /// Spells that are read: the last one tells until when it could be loaded.
  private static let spellsMax = 100

  /// - Parameters:
  ///   - rowsMax: versions, and lines of history, that are read, the last ones.
  ///   - before: only versions with a smaller number; nil for all.
  /// - Throws: ``Problem`` where no model is called so; `CatalogError`; `PostgresError`.
  init(
    named name: String, asOf: AsOf, _ sources: ServiceSources, rowsMax: Int = Self.rowsMax, before: Int? = nil
  ) async throws {
    let catalog = sources.catalog
    let found = try await sources.models(named: name, asOf: asOf)
    // A re-created model goes on under its predecessor's name: the one that bears it in the catalog is meant, else one that is
    // there, else the one to which something happened last.
    var candidates: [(reference: ModelReference, entry: CatalogEntry?, last: Int64)] = []
    for reference in found {
      let entry = try await catalog.entry(model: reference.model, in: reference.workspace, asOf: asOf)
      var last: Int64 = 0
      if found.count > 1 {
        let lately = try await catalog.lately(of: reference.model, in: reference.workspace, asOf: asOf, rowsMax: 2)
        last = lately.lines.last?.sequence ?? 0
      }
      candidates.append((reference, entry, last))
    }
    func rank(_ one: (reference: ModelReference, entry: CatalogEntry?, last: Int64)) -> (Int, Int64) {
      (one.entry?.marketplaceName == name ? 2 : one.entry == nil ? 0 : 1, one.last)
    }
    guard let meant = candidates.max(by: { rank($0) < rank($1) }) else {
      throw ServiceSources.Missing("No model called '\(name)' is known.")
    }
    let (model, workspace) = (meant.reference.model, meant.reference.workspace)
    async let availability = catalog.availability(of: model, in: workspace, asOf: asOf, newest: Self.spellsMax)
    async let history = catalog.lately(of: model, in: workspace, asOf: asOf, rowsMax: rowsMax)
    let versions = try await catalog.versions(of: model, in: workspace, asOf: asOf, before: before, newest: rowsMax)
    let isWhole = before == nil && versions.count < rowsMax
    var version = versions.last
    if let number = meant.entry?.version {
      version = versions.last { $0.version == number }
      if version == nil { version = try await catalog.version(number, of: model, in: workspace, asOf: asOf) }
    }
    let numbers = isWhole ? nil : Set(versions.map(\.version) + [version?.version].compactMap(\.self)).sorted()
    async let exports = catalog.exportSummary(asOf: asOf, workspace: workspace, model: model, versions: numbers)
    async let imports = catalog.importSummary(asOf: asOf, workspace: workspace, model: model, versions: numbers)
    reference = meant.reference
    entry = meant.entry
    self.versions = versions
    self.version = version
    versionsCount =
      isWhole ? versions.count : try await catalog.versionsCount(of: model, in: workspace, asOf: asOf)
    self.availability = try await availability
    self.exports = try await exports
    self.imports = try await imports
    (self.history, historyIsWhole) = try await history
    if let export = meant.entry?.export, let uri = export.uri, let digest = export.manifestSHA256 {
      // A page about the model is of use without its files.
      files = try? await sources.files(uri, digest)
    } else {
      files = nil
    }
  }

  /// A JSON object of numbers, by name; empty for what is none.
  static func numbers(_ json: String?) -> [(name: String, value: Double)] {
    object(json).compactMap { name, value in
      if let number = value as? Double { return (name, number) }
      return (value as? String).flatMap { Double($0) }.map { (name, $0) }
    }
  }

  /// A JSON object of texts, by name.
  static func texts(_ json: String?) -> [(name: String, value: String)] {
    object(json).map { ($0, $1 as? String ?? "\($1)") }
  }

  private static func object(_ json: String?) -> [(name: String, value: Any)] {
    guard let json, let object = try? JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any] else {
      return []
    }
    return object.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
  }
}

/// What goes into a model and comes out of it, as MLflow writes it down.
struct Signature: Sendable {
  struct Column: Sendable {
    let name: String
    let type: String
    let isRequired: Bool
  }

  let inputs, outputs, params: [Column]

  /// `nil` for what says nothing of the kind.
  init?(_ json: String?) {
    guard let json, let object = try? JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any] else {
      return nil
    }
    inputs = Self.columns(object["inputs"])
    outputs = Self.columns(object["outputs"])
    params = Self.columns(object["params"])
    guard !(inputs + outputs + params).isEmpty else { return nil }
  }

  /// MLflow keeps each side as a JSON text of a list within the object.
  private static func columns(_ side: Any?) -> [Column] {
    let list: Any? =
      (side as? String).flatMap { try? JSONSerialization.jsonObject(with: Data($0.utf8), options: .fragmentsAllowed) }
      ?? side
    return (list as? [[String: Any]] ?? []).enumerated().map { place, column in
      let tensor = column["tensor-spec"] as? [String: Any]
      let shape = (tensor?["shape"] as? [Any]).map { " [" + $0.map { "\($0)" }.joined(separator: ", ") + "]" } ?? ""
      return Column(
        name: column["name"] as? String ?? "\(place + 1)",
        type: (tensor?["dtype"] as? String ?? column["type"] as? String ?? "?") + shape,
        isRequired: column["required"] as? Bool ?? true)
    }
  }
}

extension ServiceSources {
  /// The models of one workspace that somebody means by a name.
  ///
  /// - Throws: ``Problem`` where no model is called so, or those of several workspaces are.
  func models(named name: String, asOf: AsOf) async throws -> [ModelReference] {
    let found = try await catalog.models(named: name, asOf: asOf)
    guard !found.isEmpty else {
      throw Problem(
        .notFound, "unknown_model",
        "No model called '\(name)' is known\(asOf == .now ? "" : " as of then"). Its name in the marketplace, workspace.name and its "
          + "incarnation are understood.")
    }
    let workspaces = Set(found.map(\.workspace)).sorted()
    guard workspaces.count == 1 else {
      throw Problem(
        .notFound, "ambiguous_model",
        "'\(name)' is the name of models in \(workspaces.count) workspaces. Write one of "
          + workspaces.map { "\($0).\(name)" }.joined(separator: ", "))
    }
    return found
  }
}
