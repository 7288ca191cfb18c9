import Artifacts
import Foundation
import Registry
import Storage
import TestSupport
import Testing

@Suite("Artifacts outside the proxy", .enabled(if: MLflowServers.bucket != nil && S3Server.rclone.url != nil))
struct BucketTests {
  @Test("files of runs and logged models go to the configured bucket, are listed there and come down the same")
  func roundTrip() async throws {
    let registry = try await Registries.outside { $0.stores = [try Registries.bucket()] }
    let files: [String: [UInt8]] = [
      "MLmodel": Array("flavors: {}\n".utf8), "empty": [], "data/a b+c&d=e.txt": [1, 2, 3],
      "data/deep/er/ünïcødé 模型.bin": [0, 255, 10, 13], "100%.txt": [4], "#1.txt": [5], "a%20b": [6],
      "big": someBytes(9_000_000),
    ]
    let run = try await registry.someRun()
    let model = try await registry.someModel()
    #expect(run.artifactURI.hasPrefix(MLflowServers.bucketRoot))
    #expect(model.artifactURI.hasPrefix(MLflowServers.bucketRoot))
    for location in [try registry.artifactLocation(of: run), try registry.artifactLocation(of: model)] {
      for (path, bytes) in files { try await registry.put(bytes, at: path, to: location) }
      let listed = try await registry.artifacts(at: location)
      #expect(listed.map(\.path) == files.keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) })
      for file in listed {
        #expect(file.size == files[file.path].map { Int64($0.count) })
        #expect(try await registry.bytes(of: file, at: location).bytes == files[file.path], "\(file.path)")
      }
    }
    // The server itself finds them where it would have put them.
    let named = "m \(UUID().uuidString.prefix(8))"
    _ = try await registry.createRegisteredModel(named: named, description: nil, tags: [])
    for source in ["models:/\(model.id)", "runs:/\(run.id)/data", "\(run.artifactURI)/data", model.artifactURI + "/"] {
      let version = try await registry.createModelVersion(
        NewModelVersion(name: named, source: source, runID: run.id))
      let location = try await registry.artifactLocation(of: version)
      #expect(!(try await registry.artifacts(at: location)).isEmpty, "\(source)")
    }
  }

  @Test("a large file comes in ranges side by side, from any byte on")
  func ranges() async throws {
    let registry = try await Registries.outside {
      $0.stores = [try Registries.bucket()]
      $0.policy.rangedBytesMin = 5_000_000
      $0.policy.rangeBytes = 1_000_000
    }
    let location = try registry.artifactLocation(of: try await registry.someModel())
    let content = someBytes(9_500_001)
    try await registry.put(content, at: "big", to: location)
    let file = try #require(try await registry.artifacts(at: location).first)
    let (bytes, state) = try await registry.bytes(of: file, at: location)
    #expect(isSame(bytes, content))
    #expect(state?.size == 9_500_001)
    let rest = try await registry.bytes(of: file, at: location, from: 7_777_777)
    #expect(isSame(rest.bytes, Array(content[7_777_777...])))
  }

  @Test("without the bucket's name in the configuration nothing goes there, and the refusal says what to write")
  func unconfigured() async throws {
    var other = S3Server.rclone.configuration(bucket: "artifacts", prefix: "mlflo")
    other.endpoint = S3Server.rclone.url
    let registry = try await Registries.outside { $0.stores = [BucketStore(try S3Storage(other))] }
    let model = try await registry.someModel()
    let location = try registry.artifactLocation(of: model)
    let error = await registryError { try await registry.artifacts(at: location) }
    #expect(error?.code == .unsupported)
    #expect(error?.advice.contains("artifacts: [{uri: s3://artifacts}]") == true)
    let file = ArtifactFile(path: "MLmodel", size: 1)
    #expect(await registryError { try await registry.bytes(of: file, at: location) }?.code == .unsupported)
    #expect(await registryError { try await registry.put([1], at: "f", to: location) }?.code == .unsupported)
    _ = try await registry.createRegisteredModel(named: "m", description: nil, tags: [])
    for source in ["models:/\(model.id)", "s3://team/else", "s3://artifacts/mlflow"] {
      let version = try await registry.createModelVersion(NewModelVersion(name: "m", source: source))
      guard case .unsupported(_, let reason) = try await registry.artifactLocation(of: version) else {
        Issue.record("\(source) is out of reach")
        continue
      }
      #expect(reason.contains("s3") && reason.contains("artifacts"))
    }
  }

  @Test("a run's files pass by addresses that the server signs, where no bucket is configured")
  func signed() async throws {
    let registry = try await Registries.outside {
      $0.signed = try Registries.signedURLs()
      $0.policy.rangedBytesMin = 5_000_000
      $0.policy.rangeBytes = 1_000_000
    }
    let location = try registry.artifactLocation(of: try await registry.someRun())
    let files: [String: [UInt8]] = ["model/MLmodel": [1], "model/data/big": someBytes(6_000_000), "empty": []]
    for (path, bytes) in files { try await registry.put(bytes, at: path, to: location) }
    let listed = try await registry.artifacts(at: location)
    #expect(listed.map(\.path) == ["empty", "model/MLmodel", "model/data/big"])
    for file in listed { #expect(isSame(try await registry.bytes(of: file, at: location).bytes, files[file.path])) }
    let big = try #require(listed.last)
    let (rest, state) = try await registry.bytes(of: big, at: location, from: 5_500_000)
    #expect(state != nil)
    #expect(isSame(rest, Array(files["model/data/big", default: []][5_500_000...])))
    // A logged model's files can be written so, and the server signs nothing to read them.
    let model = try registry.artifactLocation(of: try await registry.someModel())
    try await registry.put([7], at: "MLmodel", to: model)
    let written = try await registry.artifacts(at: model)
    #expect(written == [ArtifactFile(path: "MLmodel", size: 1)])
    #expect(await registryError { try await registry.bytes(of: written[0], at: model) }?.code == .unsupported)
  }
}
