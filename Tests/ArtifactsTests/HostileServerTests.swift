import Artifacts
import Foundation
import NIOHTTP1
import Registry
import Storage
import Synchronization
import TestSupport
import Testing

/// Servers that lie about where files are.
@Suite("A server that would lead us astray")
struct HostileServerTests {
  private let run = String(repeating: "a1", count: 16)
  private var location: ArtifactLocation { .run(id: run, path: "", root: "s3://team/1/\(run)/artifacts") }

  /// A registry at a server that signs the address `url` for every file.
  private func signing(
    _ url: @escaping @Sendable (FaultyProxy) -> String, hosts: [String] = [],
    also: @escaping @Sendable (FaultyRequest) -> Fault? = { _ in nil },
    _ body: (MLflowRegistry, FaultyProxy) async throws -> Void
  ) async throws {
    let box = Box()
    try await FaultyProxy.with(nil) { request, _ in
      if let fault = also(request) { return fault }
      if request.uri == "/version" { return .answer(.ok, body: "3.17.2") }
      if request.uri.hasSuffix("server-info") {
        return .answer(.ok, body: #"{"presigned_upload_run_id_supported": true}"#)
      }
      guard request.uri.contains("presigned-"), let proxy = box.proxy.withLock({ $0 }) else {
        return .answer(.notFound)
      }
      return .answer(.ok, body: #"{"presigned_url": "\#(url(proxy))"}"#)
    } _: { proxy in
      box.proxy.withLock { $0 = proxy }
      var configuration = MLflowRegistry.Configuration(url: proxy.url, credentials: .bearer("registry-secret"))
      configuration.signed = try Registries.signedURLs()
      configuration.artifactHosts = hosts
      try await body(try MLflowRegistry(configuration), proxy)
    }
  }

  private final class Box: Sendable {
    let proxy = Mutex<FaultyProxy?>(nil)
  }

  @Test(
    "is not followed to a metadata service, to another scheme, or in the clear to somebody else's host",
    arguments: [
      "http://169.254.169.254/latest/meta-data?X-Amz-Signature=hidden", "file:///etc/passwd?X-Amz-Signature=hidden",
      "ftp://127.0.0.1/f?X-Amz-Signature=hidden", "http://b.example.org/f?X-Amz-Signature=hidden",
      "https://localhost/f?X-Amz-Signature=hidden",
    ])
  func refused(_ url: String) async throws {
    try await signing({ _ in url }) { registry, proxy in
      let asked = proxy.requests.count
      let reading = await registryError {
        try await registry.bytes(of: ArtifactFile(path: "f", size: 3), at: location)
      }
      let writing = await registryError { try await registry.put([1], at: "f", to: location) }
      for error in [reading, writing] {
        #expect(error?.code == .notPermitted)
        #expect(error?.advice.contains("artifact_hosts") == true)
        #expect(error.map { "\($0)".contains("hidden") } == false)
      }
      // The version, what it can do, and the two addresses.
      #expect(proxy.requests.count == asked + 4)
    }
  }

  @Test("a redirect is not followed, and the registry's credentials go to the registry alone")
  func redirect() async throws {
    try await signing({ "\($0.url)/bucket/f?X-Amz-Signature=hidden" }) { request in
      guard request.uri.hasPrefix("/bucket/") else { return nil }
      return .answer(.temporaryRedirect, headers: [("location", "/inner")])
    } _: { registry, proxy in
      let error = await registryError {
        try await registry.bytes(of: ArtifactFile(path: "f", size: 3), at: location)
      }
      #expect(error != nil)
      #expect(error.map { "\($0)".contains("hidden") } == false)
      #expect(!proxy.requests.contains { $0.uri.hasPrefix("/inner") })
      let sent = proxy.requests.filter { $0.uri.hasPrefix("/bucket/") }
      #expect(!sent.isEmpty)
      #expect(sent.allSatisfy { !$0.headers.contains(name: "authorization") })
      #expect(proxy.requests.contains { $0.headers.first(name: "authorization") == "Bearer registry-secret" })
    }
  }

  @Test(
    "a bucket whose listing names what could leave its place is refused",
    arguments: ["../../etc/passwd", "a/../../b", "/etc/passwd", "a//b", "..%2f..%2fb", "a\\\\..\\\\b", "./x"])
  func hostileNames(_ name: String) async throws {
    let page = """
      <ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>1/\(run)/artifacts/\(name)</Key><Size>3</Size>\
      </Contents></ListBucketResult>
      """
    try await FaultyProxy.with(nil) { _, _ in
      .answer(.ok, body: page)
    } _: { proxy in
      var bucket = S3Configuration(
        url: "s3://team", credentials: .fixed(S3Credentials(accessKeyID: "a", secretAccessKey: "b")),
        effects: S3Server.hurried)
      bucket.endpoint = proxy.url
      var configuration = MLflowRegistry.Configuration(url: "http://127.0.0.1:1")
      configuration.stores = [BucketStore(try S3Storage(bucket))]
      let registry = try MLflowRegistry(configuration)
      #expect(await registryError { try await registry.artifacts(at: location) }?.code == .hostilePath)
      configuration.bounds.filesMax = 0
      let bounded = try MLflowRegistry(configuration)
      #expect(await registryError { try await bounded.artifacts(at: location) }?.code == .tooLarge)
    }
  }
}
