import Foundation
import Marketplace
import Registry
import Storage
import TestSupport
import Testing

@testable import Transfer

/// A kind of store that exports are kept in.
enum ExportStore: String, Sendable, CaseIterable, CustomTestStringConvertible {
  case file
  case rclone
  case moto

  var testDescription: String { rawValue }

  var server: S3Server? {
    switch self {
    case .file: nil
    case .rclone: .rclone
    case .moto: .moto
    }
  }

  static var available: [ExportStore] {
    allCases.filter { $0.server.map { S3Server.available.contains($0) } ?? true }
  }
}

extension TestWorld {
  /// A world of one source whose exports lie in a store of that kind.
  static func make(in store: ExportStore) async throws -> TestWorld {
    var world = try await make("dev01")
    if let server = store.server { world.storage = try await server.storage(prefix: "hospital one/ü+") }
    return world
  }

  /// The next version of a model of these files, promoted.
  func train(_ name: String, _ files: [(path: String, bytes: [UInt8])]) async throws {
    let source = try mlflow()
    let run = try await source.train()
    let model = try await source.logModel(nil, in: run, files: [("MLmodel", Training.mlmodel)] + files)
    for version in try await source.modelVersions(of: name) where version.stage == "Production" {
      try await source.promote(name, version.version, to: "Archived")
    }
    try await source.registerVersion(of: name, source: "models:/\(model.id)", run: run)
  }

  /// The live export of a version.
  func export(_ name: String, _ version: Int = 1) async throws -> ModelExported {
    try #require(try await model(name).versions[version]?.export?.data)
  }

  /// Where a file of an export lies, by the end of its path.
  func key(of ending: String, in export: ModelExported) async throws -> StorageKey {
    let folder = try ExportFolder(uri: export.uri, in: storage)
    return try #require(
      try await storage.files(below: folder.key).map(\.key).first { $0.path.hasSuffix("/\(ending)") }, "\(ending)")
  }

  /// Puts a file whole, in place of what is there. Another name of it keeps its bytes.
  func put(_ bytes: [UInt8], at key: StorageKey) async throws {
    let upload = try await storage.upload(to: key)
    try await upload.write(bytes)
    _ = try await upload.finish()
  }

  /// What a check of storage finds, every byte read.
  func findings(_ data: DataShare? = .whole) async throws -> [ExportFinding] {
    try await StorageCheck(context: context(), workspaces: [WorkspaceID("dev01")], data: data).run().findings
  }
}

extension MLflowRegistry {
  /// A promoted version of a model taken out of promotion.
  func shelve(_ name: String, _ version: Int) async throws { try await promote(name, version, to: "Archived") }
}
