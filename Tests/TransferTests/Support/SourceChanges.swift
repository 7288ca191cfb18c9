import Foundation
import Ledger
import Marketplace
import NIOHTTP1
import Postgres
import TestSupport
import Testing

@testable import Registry
@testable import Transfer

/// What people do at a registry that the product never does.
extension MLflowRegistry {
  /// Deletes a registered model with its versions.
  func deleteRegisteredModel(named name: String) async throws {
    try await change(.DELETE, "registered-models/delete", ["name": name])
  }

  /// Gives a registered model another name.
  func renameRegisteredModel(_ name: String, to newName: String) async throws {
    try await change(.POST, "registered-models/rename", ["name": name, "new_name": newName])
  }

  /// Sends one call of MLflow's protocol.
  func change(_ method: HTTPMethod, _ path: String, _ content: [String: String]) async throws {
    _ = try await send(
      method, path, content, as: Wire.Nothing.self, idempotent: false, operation: "changing the source in a test")
  }

  /// Removes a file from the store behind the artifact proxy, as somebody who tidies up does.
  func removeFile(_ path: String, at location: ArtifactLocation) async throws {
    let root = try #require(location.root)
    let call = HTTPCall(
      operation: "removing a file in a test", method: .DELETE,
      path: "/api/2.0/mlflow-artifacts/artifacts/\(root)/\(path)", idempotent: false)
    _ = try await transport.answer(to: call)
  }

  /// The whole content of one file.
  func content(_ path: String, at location: ArtifactLocation) async throws -> [UInt8] {
    var all: [UInt8] = []
    let listed = try await artifacts(at: location).first { $0.path.isExactly(path) }
    let file = try #require(listed, "\(path) is not listed")
    _ = try await download(file, from: location) { all += $0 }
    return all
  }
}

extension TestWorld {
  /// The MLflow server behind a source, whatever a test put in between.
  func server(_ id: String = "dev01") throws -> MLflowRegistry {
    let registry = try source(id)
    let plain = (registry as? InterposedRegistry)?.base ?? registry
    return try #require(plain as? MLflowRegistry)
  }

  /// Puts a counting registry before a source.
  mutating func interpose(_ id: String = "dev01") throws -> InterposedRegistry {
    let interposed = InterposedRegistry(try server(id))
    sources[id] = interposed
    return interposed
  }

  /// Puts a counting registry before the marketplace.
  mutating func interposeTarget() -> InterposedRegistry {
    let interposed = InterposedRegistry(marketplace)
    target = interposed
    return interposed
  }

  /// The same world seen from another process: over connections of its own, so that jobs that overlap wait for the
  /// ledger and for each other's locks, never for each other's connections.
  func elsewhere<T: Sendable>(_ work: (TestWorld) async throws -> T) async throws -> T {
    let database = try await rows("select current_database()::text as name")[0].string("name")
    let conninfo = try await TestCluster.start().server.conninfo(database: database)
    let pool = PostgresPool(.init(conninfo: conninfo, connectionsMax: 3))
    var world = TestWorld(
      pool: pool, ledger: Ledger(pool), storage: storage, storageRoot: storageRoot, sources: sources,
      marketplace: marketplace, target: target)
    world.rules = rules
    world.template = template
    do {
      let result = try await work(world)
      await pool.close()
      return result
    } catch {
      await pool.close()
      throw error
    }
  }

  /// What an analyst is answered.
  func rows(_ sql: String) async throws -> [Row] {
    try await pool.read { session in try session.query(sql) }
  }

  /// One version's file in the marketplace.
  func marketplaceFile(_ path: String, of name: String, version: Int) async throws -> [UInt8] {
    let version = try #require(try await marketplace.modelVersion(name: name, version: version))
    return try await marketplace.content(path, at: try await marketplace.artifactLocation(of: version))
  }

  /// The run behind a marketplace version.
  func marketplaceRun(of name: String, version: Int) async throws -> Run {
    let version = try #require(try await marketplace.modelVersion(name: name, version: version))
    let run = try #require(version.runID)
    return try #require(try await marketplace.run(run))
  }
}

extension JobReport {
  /// The troubles of failed items, by their code.
  var failures: [String: Trouble] {
    Dictionary(
      items.filter(\.isFailure).compactMap(\.trouble).map { ($0.code, $0) }, uniquingKeysWith: { first, _ in first })
  }
}
