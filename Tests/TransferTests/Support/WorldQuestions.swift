import Foundation
import Marketplace
import NIOHTTP1
import Postgres
import TestSupport
import Testing

@testable import Registry
@testable import Transfer

extension TestWorld {
  /// The source as MLflow, for what only a person does there.
  func mlflow(_ id: String = "dev01") throws -> MLflowRegistry { try #require(try source(id) as? MLflowRegistry) }

  /// What became of each observation of a workspace, in order.
  func observations(_ id: String = "dev01") async throws -> [WorkspaceObserved.Outcome] {
    try await events(id, withObservations: true).compactMap { event in
      if case .workspaceObserved(let data) = event { data.outcome } else { nil }
    }
  }

  /// The kinds of a workspace's domain events, in order.
  func kinds(_ id: String = "dev01") async throws -> [DomainEvent.Kind] { try await events(id).map(\.kind) }

  /// How many domain events of one kind a workspace has.
  func count(_ kind: DomainEvent.Kind, in id: String = "dev01") async throws -> Int {
    try await kinds(id).count { $0 == kind }
  }

  /// The causes of every change of promotion in a workspace, in order.
  func promotionCauses(_ id: String = "dev01") async throws -> [MarketplacePromotionSet.Cause] {
    try await events(id).compactMap { event in
      if case .marketplacePromotionSet(let data) = event { data.cause } else { nil }
    }
  }

  /// The marketplace versions of a model that carry a key of ours, by rising number.
  func marketplaceVersions(_ name: String) async throws -> [Int] {
    try await marketplace.modelVersions(of: name).filter { $0.tags[OwnTags.sourceKey] != nil }.map(\.version)
  }

  /// What analysts see of a model: the version the source means, the one that can be loaded, and why they differ.
  func catalogRow(_ workspace: String, _ name: String) async throws
    -> (current: Int?, available: Int?, reason: String?)
  {
    try await pool.read { session in
      let row = try #require(
        try session.query(
          "select source_version, available_version, reason from marketplace.catalog where (workspace, name) = ($1, $2)",
          [workspace, name]
        ).first)
      return (
        try row.optionalInt("source_version"), try row.optionalInt("available_version"),
        try row.optionalString("reason")
      )
    }
  }

  /// Everything that lies in storage, with sizes.
  func stored() throws -> [String: Int] {
    let root = URL(fileURLWithPath: storageRoot)
    let found = FileManager.default.enumerator(at: root, includingPropertiesForKeys: [.fileSizeKey, .isRegularFileKey])
    var files: [String: Int] = [:]
    while let url = found?.nextObject() as? URL {
      let values = try url.resourceValues(forKeys: [.fileSizeKey, .isRegularFileKey])
      if values.isRegularFile == true { files[url.path] = values.fileSize ?? 0 }
    }
    return files
  }
}

extension MLflowRegistry {
  /// Deletes a registered model with all its versions, as a person does by hand.
  func delete(model name: String) async throws {
    struct Content: Encodable { var name: String }
    try await byHand("registered-models/delete", .DELETE, Content(name: name))
  }

  /// Renames a registered model.
  func rename(model name: String, to newName: String) async throws {
    struct Content: Encodable {
      var name: String
      var new_name: String
    }
    try await byHand("registered-models/rename", .POST, Content(name: name, new_name: newName))
  }

  private func byHand(_ path: String, _ method: HTTPMethod, _ content: some Encodable & Sendable) async throws {
    _ = try await send(method, path, content, as: Wire.Nothing.self, idempotent: false, operation: "\(path) by hand")
  }
}
