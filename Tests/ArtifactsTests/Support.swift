import Artifacts
import Foundation
import Registry
import Storage
import TestSupport

/// Registries whose artifacts lie in buckets.
enum Registries {
  /// The bucket behind the server without a proxy.
  static func bucket() throws -> BucketStore {
    var configuration = S3Server.rclone.configuration(bucket: "artifacts", prefix: "mlflow")
    configuration.url = MLflowServers.bucketRoot
    return BucketStore(try S3Storage(configuration))
  }

  static func signedURLs() throws -> SignedURLs { SignedURLs(try SignedURLTransfer(effects: S3Server.hurried)) }

  /// On the server without a proxy; `change` says what is configured.
  static func outside(_ change: (inout MLflowRegistry.Configuration) throws -> Void) async throws -> MLflowRegistry {
    var configuration = MLflowRegistry.Configuration(
      url: MLflowServers.bucket ?? "",
      mlflowWorkspace: try await MLflowServers.freshWorkspace("outside", at: MLflowServers.bucket))
    try change(&configuration)
    return try MLflowRegistry(configuration)
  }
}

extension MLflowRegistry {
  /// A run of an experiment of its own.
  func someRun() async throws -> Run {
    let experiment = try await createExperiment(named: "e/\(UUID().uuidString)", tags: [])
    return try await createRun(NewRun(experimentID: experiment.id, name: "train"))
  }

  /// A logged model without files.
  func someModel() async throws -> LoggedModel {
    let run = try await someRun()
    return try await createLoggedModel(
      NewLoggedModel(experimentID: run.experimentID, name: "model", sourceRunID: run.id))
  }

  func put(_ bytes: [UInt8], at path: String, to location: ArtifactLocation) async throws {
    try await upload(path, to: location, length: Int64(bytes.count)) { Pieces(rest: bytes[...]) }
  }

  /// The bytes of a file, from `offset` on where the server names its state.
  func bytes(
    of file: ArtifactFile, at location: ArtifactLocation, from offset: Int64 = 0
  ) async throws -> (bytes: [UInt8], state: ArtifactState?) {
    var all: [UInt8] = []
    var state: ArtifactState?
    _ = try await download(file, from: location) { found in
      state = found
      return offset
    } consume: {
      all += $0
    }
    return (all, state)
  }
}

/// A body in chunks of a mebibyte.
struct Pieces: AsyncSequence, AsyncIteratorProtocol, Sendable {
  var rest: ArraySlice<UInt8>

  mutating func next() async -> [UInt8]? {
    guard !rest.isEmpty else { return nil }
    defer { rest = rest.dropFirst(1_048_576) }
    return Array(rest.prefix(1_048_576))
  }

  func makeAsyncIterator() -> Self { self }
}

/// Bytes that repeat nowhere nearby, with a line end now and then: MLflow 2 sends files line by line.
func someBytes(_ count: Int, seed: Int = 1) -> [UInt8] {
  var generator = Seeded(seed)
  var bytes: [UInt8] = []
  bytes.reserveCapacity(count + 8)
  while bytes.count < count { withUnsafeBytes(of: generator.next()) { bytes.append(contentsOf: $0) } }
  for place in stride(from: 4_095, to: count, by: 4_096) { bytes[place] = 10 }
  return Array(bytes.prefix(count))
}

/// The error of a call, or `nil` when it threw none of a registry's.
func registryError<T>(_ body: () async throws -> T) async -> RegistryError? {
  do {
    _ = try await body()
    return nil
  } catch {
    return error as? RegistryError
  }
}

/// Whether two files are the same, without the account of every difference that an expectation would work out for hours.
func isSame(_ one: [UInt8], _ other: [UInt8]?) -> Bool { one == other }
