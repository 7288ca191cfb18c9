import AsyncHTTPClient
import NIOHTTP1
import Synchronization
import Testing

@testable import Registry

/// Large files past the proxy, in parts, where something on that way ends early.
@Suite("Uploads in parts")
struct PartedUploadTests {
  private static let partBytes = Int(MLflowRegistry.partBytesMin)

  /// A bucket behind signed addresses: keeps parts, and refuses from some number on as S3 does once an address has ended.
  private final class Bucket: SignedTransfer {
    private let partsMax: Int
    private let parts = Mutex<[String: Int]>([:])

    init(partsMax: Int = .max) { self.partsMax = partsMax }

    var bytes: Int { parts.withLock { $0.values.reduce(0, +) } }
    var count: Int { parts.withLock { $0.count } }

    func open(
      _ address: SignedAddress, headers: [(name: String, value: String)]
    ) async throws -> HTTPClientResponse {
      throw RegistryError(.notFound, operation: "reading", message: "nothing is read here")
    }

    func put<Body: AsyncSequence & Sendable>(
      to address: SignedAddress, as form: SignedForm, length: Int64,
      renewed: @escaping @Sendable () async throws -> SignedAddress, body: @escaping @Sendable () async throws -> Body
    ) async throws where Body.Element == [UInt8] {
      throw RegistryError(.notFound, operation: "writing", message: "only parts are put here")
    }

    func put(part: [[UInt8]], to address: SignedAddress) async throws -> String {
      try parts.withLock { parts in
        guard parts.count < partsMax else {
          throw RegistryError(.notAuthenticated, operation: "writing a part", message: "the address has ended")
        }
        parts[address.url] = part.reduce(0) { $0 + $1.count }
      }
      return "tag of \(address.url.suffix(1))"
    }
  }

  /// A server that offers parts; what it is asked besides is answered by `otherwise`.
  private static func script(
    completing: ScriptedAnswer = .json("{}"), listed: Int = 0
  ) -> ScriptedServer.Script {
    { request, _ in
      if request.path == "/version" { return ScriptedAnswer(body: Array("3.17.2".utf8)) }
      if request.path.hasSuffix("server-info") { return .json(#"{"multipart_uploads_enabled": true}"#) }
      if request.path.contains("/mpu/create/") {
        let credentials = (1...3).map { #"{"url": "https://bucket.example/\#($0)", "part_number": \#($0)}"# }
        return .json(#"{"upload_id": "u", "credentials": [\#(credentials.joined(separator: ","))]}"#)
      }
      if request.path.contains("/mpu/complete/") { return completing }
      if request.method == .GET { return .json(#"{"files": [{"path": "f", "file_size": \#(listed)}]}"#) }
      return .json("{}")
    }
  }

  private static let length = 2 * partBytes + 5

  private func upload(_ registry: MLflowRegistry) async throws {
    try await registry.upload("f", to: .proxy(root: "1/r/artifacts"), length: Int64(Self.length)) {
      chunks([UInt8](repeating: 1, count: Self.partBytes + 1), [UInt8](repeating: 2, count: Self.partBytes + 4))
    }
  }

  private func registry(at server: ScriptedServer, _ bucket: Bucket) throws -> MLflowRegistry {
    try MLflowRegistry.at(server) {
      $0.signed = bucket
      $0.policy.rangedBytesMin = 1_000
    }
  }

  @Test("several go side by side, and are joined in their order")
  func several() async throws {
    try await ScriptedServer.with(Self.script()) { server in
      let bucket = Bucket()
      try await upload(try registry(at: server, bucket))
      #expect(bucket.count == 3)
      #expect(bucket.bytes == Self.length)
      let completion = try #require(server.requests.first { $0.path.contains("/mpu/complete/") })
      let order = String(decoding: completion.body, as: UTF8.self).matches(of: /tag of (\d)/).map { String($0.1) }
      #expect(order == ["1", "2", "3"])
      #expect(!server.requests.contains { $0.method == .PUT })
    }
  }

  @Test("addresses that end before all has arrived: the file goes through the proxy, and so do others as large")
  func ended() async throws {
    try await ScriptedServer.with(Self.script()) { server in
      let registry = try registry(at: server, Bucket(partsMax: 1))
      try await upload(registry)
      func count(_ part: String) -> Int { server.requests.count { $0.path.contains(part) } }
      #expect(count("/mpu/abort/") == 1 && count("/mpu/complete/") == 0)
      let sent = try #require(server.requests.first { $0.method == .PUT })
      #expect(sent.body.count == Self.length)
      try await upload(registry)
      #expect(count("/mpu/create/") == 1)
      #expect(server.requests.count { $0.method == .PUT } == 2)
    }
  }

  @Test("where the answer to joining is lost, the file tells whether it was done")
  func lostAnswer() async throws {
    let lost = ScriptedAnswer(ending: .closed)
    try await ScriptedServer.with(Self.script(completing: lost, listed: Self.length)) { server in
      try await upload(try registry(at: server, Bucket()))
      #expect(!server.requests.contains { $0.path.contains("/mpu/abort/") || $0.method == .PUT })
    }
    try await ScriptedServer.with(Self.script(completing: lost, listed: Self.partBytes)) { server in
      let registry = try registry(at: server, Bucket())
      let error = await registryError { try await upload(registry) }
      #expect(error?.retriable == true)
      #expect(server.requests.contains { $0.path.contains("/mpu/abort/") })
    }
  }

  @Test("without room for parts in memory the file goes through the proxy")
  func memory() async throws {
    try await ScriptedServer.with(Self.script()) { server in
      let registry = try MLflowRegistry.at(server) {
        $0.signed = Bucket()
        $0.policy.rangedBytesMin = 1_000
        $0.windows = RangeWindows(bytesMax: Self.partBytes)
      }
      try await upload(registry)
      #expect(server.requests.count { $0.path.contains("/mpu/") } == 0)
      #expect(server.requests.count { $0.method == .PUT } == 1)
    }
  }
}
