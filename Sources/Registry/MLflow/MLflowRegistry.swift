import AsyncHTTPClient
import Foundation
import NIOHTTP1
import Synchronization

/// A registry that speaks MLflow's REST protocol, 3.x and 2.x.
///
/// Sources of what is said about MLflow here: its protocol pages (mlflow.org/docs/latest/rest-api.html) and
/// the behaviour of 3.17.2 and 2.22.5. Safe to share; at most ``HTTPPolicy/concurrentRequestsMax`` requests
/// run at a time, over all registries that share a ``ServerCapacity``. A consumer of a download holds one of them, so it must not wait for other calls of the same
/// registry when that is 1.
public final class MLflowRegistry: ModelRegistry {
  /// Where the registry is, who asks, and the bounds.
  public struct Configuration: Sendable {
    /// The server's address, `https://host[:port][/path]`.
    public var url: String
    /// Who asks.
    public var credentials: Credentials = .none
    /// The MLflow workspace (3.10 and later), sent as `X-MLFLOW-WORKSPACE`; `nil` for servers without
    /// workspaces.
    public var mlflowWorkspace: String?
    /// Time-outs, retries and bounds of HTTP.
    public var policy = HTTPPolicy()
    /// What the server gets at a time, shared by all registries on it; `nil` for one of this registry's own.
    public var capacity: ServerCapacity?
    /// Memory for files that arrive in ranges, shared by all registries of a program; `nil` for one of this registry's
    /// own.
    public var windows: RangeWindows?
    /// Buckets in which artifacts lie outside the server's proxy, as the operator named them.
    public var stores: [any ArtifactStore] = []
    /// What moves bytes to and from signed addresses; `nil` where none are to be used.
    public var signed: (any SignedTransfer)?
    /// Hosts, `host` or `host:port`, that signed addresses may lead to besides those that
    /// ``SignedAddressRule`` takes anyway.
    public var artifactHosts: [String] = []
    /// Bounds of listings.
    public var bounds = ListingBounds()
    /// Pauses, chance and the clock.
    public var effects = HTTPEffects(
      sleep: { try await Task.sleep(for: $0) }, random: { Double.random(in: 0..<1) },
      now: { Date().timeIntervalSince1970 })
    /// What requests call themselves.
    public var userAgent = "model-marketplace"

    /// A configuration with the defaults.
    public init(url: String, credentials: Credentials = .none, mlflowWorkspace: String? = nil) {
      self.url = url
      self.credentials = credentials
      self.mlflowWorkspace = mlflowWorkspace
    }
  }

  let transport: HTTPTransport
  let bounds: ListingBounds
  let version = Remembered<ServerInfo>()
  let abilities = Remembered<ServerInfo>()
  let stores: [any ArtifactStore]
  let signed: (any SignedTransfer)?
  let signedRule: SignedAddressRule
  /// Whether signed addresses for reading what the proxy serves too were found to lead nowhere from here.
  let signedReadingFailed = Atomic<Bool>(false)
  /// The length from which on a file is not put in parts past the proxy: none is where the addresses lead nowhere from here, and
  /// a large one is not where they ended before it had arrived.
  let signedPartsBytesMax = Atomic<Int64>(.max)
  /// Whether an address was seen that only a Databricks workspace gives to artifacts.
  let hasDatabricksRoots = Atomic<Bool>(false)

  /// A registry; nothing is connected yet.
  ///
  /// - Throws: ``RegistryError/Code/configuration`` when the address or the workspace cannot be right.
  public init(_ configuration: Configuration) throws {
    if let workspace = configuration.mlflowWorkspace {
      let allowed = workspace.utf8.allSatisfy { (0x21...0x7e).contains($0) }
      guard allowed, !workspace.isEmpty else {
        throw RegistryError(
          .configuration, operation: "reading the registry's configuration",
          message: "the MLflow workspace's name is empty or not plain ASCII")
      }
    }
    transport = try HTTPTransport(configuration)
    bounds = configuration.bounds
    stores = configuration.stores
    signed = configuration.signed
    signedRule = SignedAddressRule(server: transport.address, hosts: configuration.artifactHosts)
  }

  /// Requests sent so far, retries included.
  public var requestCount: Int { transport.requestCount }

  /// The buckets that were named for artifacts outside the server's proxy, by their addresses.
  public var storeURIs: [String] { stores.map(\.uri) }

  /// Closes idle connections. Not calling it is no leak: the last reference does the same.
  public func close() async {
    try? await transport.client.shutdown()
  }

  // MARK: Calls

  static let api = "/api/2.0/mlflow/"

  func get<Answer: Decodable>(
    _ path: String, _ query: [(String, String)], as: Answer.Type, operation: String
  ) async throws -> Answer {
    try await getWithBody(path, query, as: Answer.self, operation: operation).answer
  }

  func getWithBody<Answer: Decodable>(
    _ path: String, _ query: [(String, String)], as: Answer.Type, operation: String
  ) async throws -> (answer: Answer, body: [UInt8]) {
    let call = HTTPCall(
      operation: operation, method: .GET, path: Self.api + path, query: query, idempotent: true)
    let body = try await transport.answer(to: call)
    return (try decode(Answer.self, body, call), body)
  }

  func send<Answer: Decodable>(
    _ method: HTTPMethod, _ path: String, _ content: any Encodable & Sendable, as: Answer.Type,
    idempotent: Bool, operation: String
  ) async throws -> Answer {
    let call = HTTPCall(
      operation: operation, method: method, path: Self.api + path, body: try JSON.encode(content),
      idempotent: idempotent)
    return try decode(Answer.self, try await transport.answer(to: call), call)
  }

  func decode<Answer: Decodable>(_ type: Answer.Type, _ body: [UInt8], _ call: HTTPCall) throws -> Answer {
    do {
      return try JSON.decode(type, body)
    } catch {
      let isHTML = body.first { !$0.isASCIIWhitespace } == UInt8(ascii: "<")
      throw RegistryError(
        .invalidResponse, operation: call.operation, url: transport.shownURL(call), status: 200,
        message: isHTML
          ? "the server answered with a web page instead of JSON"
          : "the server's answer is not the JSON that was expected (\(JSON.reason(error)))",
        advice: "Check that the address is the registry's own and not a sign-in page or a gateway.",
        retriable: !isHTML)
    }
  }
}
