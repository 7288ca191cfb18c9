import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import Synchronization

/// One call of S3's protocol.
struct S3Call: Sendable {
  /// What is being done, for a person: "writing a part".
  var operation: String
  var method: HTTPMethod
  /// The whole key of an object; `nil` for a call about the bucket.
  var object: String?
  var query: [(String, String)] = []
  var headers: [(name: String, value: String)] = []
  var body: S3Body?
  /// Hex SHA-256 of the body, when it is known.
  var bodySHA256: String?
  /// Whether the answer may take as long as the policy's `transferTimeout`.
  var isTransfer = false
  /// Statuses besides 2xx that the caller wants to see rather than have thrown.
  var accepts: Set<Int> = []
}

/// A whole answer.
struct S3Answer: Sendable {
  var status: Int
  var headers: HTTPHeaders
  var body: [UInt8]
}

/// Signs and sends calls: the one place where time-outs, retries, bounds and credentials are applied.
final class S3Client: Sendable {
  /// The SHA-256 of nothing.
  static let emptySHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
  /// Bodies larger than this are handed to the connection in slices of it.
  static let sliceBytes = 256 * 1_024

  let configuration: S3Configuration
  let address: S3Address
  private let repetition: Repetition
  let buffers: Permits
  private let credentials: S3CredentialCache
  private let client: HTTPClient
  /// How far the server's clock is ahead of ours, in seconds.
  private let clockOffset = Mutex<Double>(0)
  private let sent = Atomic<Int>(0)

  var policy: StoragePolicy { configuration.policy }
  var effects: StorageEffects { configuration.effects }
  var limit: AdaptiveLimit { repetition.limit }

  init(_ configuration: S3Configuration) throws {
    self.configuration = configuration
    address = try S3Address(
      url: configuration.url, endpoint: configuration.endpoint, region: configuration.region,
      pathStyle: configuration.pathStyle)
    let policy = configuration.policy
    repetition = Repetition(
      policy: policy, effects: configuration.effects, limit: AdaptiveLimit(limitMax: policy.concurrentRequestsMax))
    buffers = (configuration.budget ?? UploadBudget(bytesMax: policy.bufferBytesMax)).bytes
    credentials = S3CredentialCache(now: configuration.effects.now) { [source = configuration.credentials] in
      try await source.credentials()
    }
    client = HTTPClient(
      eventLoopGroupProvider: .singleton,
      configuration: try StorageHTTP.settings(
        policy: policy, caFile: configuration.caFile, hostAddresses: configuration.hostAddresses))
  }

  deinit { client.shutdown { _ in } }

  /// Calls sent so far, retries included.
  var callCount: Int { sent.load(ordering: .relaxed) }

  /// The answer, whole; an error in the body of an answer that began well is thrown like any other.
  func answer(to call: S3Call) async throws -> S3Answer {
    try await repeating(call) { response in
      let body = try await self.collect(response, upTo: self.policy.answerBytesMax, call)
      if let refusal = S3Refusal(inBody: body, status: Int(response.status.code)) { throw refusal }
      return S3Answer(status: Int(response.status.code), headers: response.headers, body: body)
    }
  }

  /// The answer, its body still to be read.
  func open(_ call: S3Call) async throws -> HTTPClientResponse {
    try await repeating(call) { $0 }
  }

  /// A reading of an object.
  func download(_ object: String) -> ResumableDownload {
    let call = S3Call(operation: "reading", method: .GET, object: object)
    return ResumableDownload(
      DownloadSource(
        name: shown(call), policy: policy, effects: effects, words: { self.error($0, call) },
        open: { headers in
          var call = call
          call.headers += headers
          return try await self.open(call)
        }))
  }

  // MARK: Attempts

  private func repeating<T>(
    _ call: S3Call, _ take: (HTTPClientResponse) async throws -> T
  ) async throws -> T {
    var identity: S3Credentials?
    let subject = Repetition.Subject(name: shown(call), operation: call.operation, server: address.host)
    return try await repetition.run(subject) { refusal in
      await mend(refusal, identity)
    } attempt: {
      let current = try await credentials.current()
      identity = current
      return try await take(try await send(call, as: current))
    }
  }

  /// What signs at this moment.
  func signature() async throws -> S3Signature {
    S3Signature(
      credentials: try await credentials.current(), region: configuration.region,
      time: effects.now() + clockOffset.withLock { $0 })
  }

  /// Does something about a wrong clock, or credentials that ended.
  private func mend(_ refusal: S3Refusal, _ identity: S3Credentials?) async -> Bool {
    if refusal.meaning == .clockSkewed {
      guard let time = refusal.serverTime else { return false }
      clockOffset.withLock { $0 = time - effects.now() }
    } else if let identity {
      await credentials.reject(identity)
    }
    return true
  }

  private func send(_ call: S3Call, as identity: S3Credentials) async throws -> HTTPClientResponse {
    try Task.checkCancellation()
    let path = address.path(call.object)
    let query = PercentEncoding.query(call.query)
    let signature = S3Signature(
      credentials: identity, region: configuration.region, time: effects.now() + clockOffset.withLock { $0 })
    let payload =
      call.bodySHA256 ?? call.body?.sha256 ?? Self.emptySHA256
    var request = HTTPClientRequest(url: address.url(path: path, query: query))
    request.method = call.method
    let signed = signature.headers(
      .init(
        method: call.method.rawValue, path: path, query: query, headers: [("host", address.host)] + call.headers,
        payload: payload))
    request.headers = HTTPHeaders(signed)
    // Hashes are taken of what is stored, so nothing in between may compress it.
    request.headers.add(name: "accept-encoding", value: "identity")
    request.headers.add(name: "user-agent", value: configuration.userAgent)
    request.body = call.body?.request
    sent.add(1, ordering: .relaxed)
    let time = call.isTransfer ? policy.transferTimeout : policy.callTimeout
    let response = try await client.execute(request, deadline: .now() + TimeAmount(time))
    let status = Int(response.status.code)
    guard (200..<300).contains(status) || call.accepts.contains(status) else {
      let body = (try? await collect(response, upTo: StorageLimits.chunkBytes, call, cutting: true)) ?? []
      try Task.checkCancellation()
      throw S3Refusal(response, body: body, now: effects.now())
    }
    return response
  }

  private func collect(
    _ response: HTTPClientResponse, upTo bytesMax: Int, _ call: S3Call, cutting: Bool = false
  ) async throws -> [UInt8] {
    var bytes: [UInt8] = []
    for try await chunk in response.body {
      bytes.append(contentsOf: chunk.readableBytesView)
      guard bytes.count > bytesMax else { continue }
      if cutting { break }
      throw StorageError(
        .failed, key: shown(call), "\(call.operation): the answer has more than \(bytesMax) bytes, too many for S3's.")
    }
    return bytes
  }

  // MARK: Words

  /// The file a call is about, as errors name it.
  func shown(_ call: S3Call) -> String { call.object.map { "s3://\(address.bucket)/\($0)" } ?? address.location }

  /// A refusal in words.
  func error(_ refusal: S3Refusal, _ call: S3Call) -> StorageError {
    StorageError(
      refusal, key: shown(call), operation: call.operation, address: address, region: configuration.region)
  }
}

/// A body handed over in slices, so that back-pressure holds and TLS encrypts little at a time.
struct SlicedBody: AsyncSequence, AsyncIteratorProtocol, Sendable {
  typealias Element = ByteBuffer
  var body: ByteBuffer

  mutating func next() async -> ByteBuffer? {
    body.readSlice(length: Swift.min(S3Client.sliceBytes, body.readableBytes)).flatMap {
      $0.readableBytes == 0 ? nil : $0
    }
  }

  func makeAsyncIterator() -> Self { self }
}
