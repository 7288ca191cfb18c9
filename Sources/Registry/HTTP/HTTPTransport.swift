import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import Synchronization

/// One call of the registry's protocol.
struct HTTPCall: Sendable {
  /// What is being done, for a person: "listing registered models".
  var operation: String
  var method: HTTPMethod
  /// Escaped, starting with a slash, relative to the server's address.
  var path: String
  var query: [(String, String)] = []
  /// JSON, or nothing.
  var body: [UInt8]?
  /// Whether doing it twice is as good as once.
  var idempotent: Bool
  /// Whether the server moves bytes before it answers, which takes as long as a transfer may.
  var isTransfer = false
}

/// Sends calls: the one place where time-outs, retries, bounds and credentials are applied.
final class HTTPTransport: Sendable {
  /// Keep-alive servers drop idle connections (uvicorn after 5 s, gunicorn after 2 s). A connection that is
  /// let go earlier is not found dead by a call that must not be sent twice.
  static let idleConnectionTimeout: TimeAmount = .milliseconds(1500)

  let address: ServerAddress
  let policy: HTTPPolicy
  let effects: HTTPEffects
  let mlflowWorkspace: String?
  let client: HTTPClient
  private let credentials: Credentials
  private let userAgent: String
  let capacity: ServerCapacity
  let windows: RangeWindows
  private let count = Atomic<Int>(0)

  init(_ configuration: MLflowRegistry.Configuration) throws {
    address = try ServerAddress(configuration.url)
    policy = configuration.policy
    effects = configuration.effects
    mlflowWorkspace = configuration.mlflowWorkspace
    credentials = configuration.credentials
    userAgent = configuration.userAgent
    capacity = configuration.capacity ?? ServerCapacity(requestsMax: max(1, policy.concurrentRequestsMax))
    windows = configuration.windows ?? RangeWindows()
    var settings = HTTPClient.Configuration(
      redirectConfiguration: .disallow,
      timeout: .init(
        connect: TimeAmount(policy.connectTimeout), read: TimeAmount(policy.idleTimeout),
        write: TimeAmount(policy.idleTimeout)),
      decompression: .disabled)
    settings.httpVersion = .http1Only
    settings.connectionPool = .init(
      idleTimeout: Self.idleConnectionTimeout,
      // As many as have a slot: whoever has one and found no connection would soon be told that there is none.
      concurrentHTTP1ConnectionsPerHostSoftLimit: max(1, capacity.requestsMax))
    // Retries are this policy's business; the client's own would hide a refused connection until its
    // time-out.
    settings.connectionPool.retryConnectionEstablishment = false
    settings.http1_1ConnectionDebugInitializer = ReadCoalescer.add
    client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: settings)
  }

  deinit {
    client.shutdown { _ in }
  }

  /// Requests sent so far, retries included.
  var requestCount: Int { count.load(ordering: .relaxed) }

  /// The address of a call as it may be shown: no credentials are ever part of it.
  func shownURL(_ call: HTTPCall) -> String {
    let query = PercentEncoding.query(call.query)
    return address.text + call.path + (query.isEmpty ? "" : "?" + query)
  }

  // MARK: Answers

  /// The body of a successful answer, whole.
  func answer(to call: HTTPCall) async throws -> [UInt8] {
    try await repeating {
      try await self.capacity.withSlot {
        try await self.waitWhereAsked()
        return try await withTimeout(self.time(of: call)) { [self] in
          try await self.attempt(call)
        } onTimeout: {
          self.failure(.timedOut, "no whole answer within \(self.time(of: call))", call)
        }
      }
    }
  }

  private func time(of call: HTTPCall) -> Duration { call.isTransfer ? policy.transferTimeout : policy.callTimeout }

  private func attempt(_ call: HTTPCall) async throws -> [UInt8] {
    var request = try await request(for: call)
    if let body = call.body {
      request.headers.add(name: "content-type", value: "application/json")
      request.body = .bytes(ByteBuffer(bytes: body))
    }
    let response = try await send(request, for: call, within: time(of: call))
    try await check(response, call)
    do {
      return try await collect(response.body, upTo: policy.answerBytesMax, call)
    } catch let error as RegistryError {
      throw FailedAttempt(error: error, repeat: .never)
    } catch let error where !(error is CancellationError) {
      try Task.checkCancellation()
      throw bodyFailure(error, call)
    }
  }

  // MARK: Uploads

  /// Sends a body of known length; `body` is asked anew for every attempt.
  func upload<Body: AsyncSequence & Sendable>(
    _ call: HTTPCall, length: Int64, body: @escaping @Sendable () async throws -> Body
  ) async throws where Body.Element == [UInt8] {
    try await repeating {
      try await self.capacity.withSlot {
        try await self.waitWhereAsked()
        let source = UploadSource(base: try await body(), length: length)
        var request = try await self.request(for: call)
        request.headers.add(name: "content-type", value: "application/octet-stream")
        request.body = length == 0 ? .bytes(ByteBuffer()) : .stream(source, length: .known(length))
        do {
          let response = try await self.send(request, for: call, within: self.policy.transferTimeout)
          try await self.check(response, call)
          _ = try await self.collect(response.body, upTo: self.policy.errorBytesMax, call)
        } catch {
          // What the source itself threw matters more than what became of the connection.
          if let cause = source.failure { throw cause }
          throw error
        }
      }
    }
  }

  // MARK: One attempt

  /// Waits as long as the server asked anybody to. A little longer each, so that they do not all come at once.
  func waitWhereAsked() async throws {
    guard let pause = capacity.pause(at: effects.now()) else { return }
    try await effects.sleep(pause + policy.backoffFirst * effects.random())
  }

  func request(for call: HTTPCall) async throws -> HTTPClientRequest {
    var request = HTTPClientRequest(url: shownURL(call))
    request.method = call.method
    request.headers.add(name: "accept", value: "*/*")
    // Hashes are taken of what is stored, so nothing in between may compress it.
    request.headers.add(name: "accept-encoding", value: "identity")
    request.headers.add(name: "user-agent", value: userAgent)
    if let authorization = try await authorization(for: call) {
      request.headers.add(name: "authorization", value: authorization)
    }
    if let mlflowWorkspace { request.headers.add(name: "x-mlflow-workspace", value: mlflowWorkspace) }
    return request
  }

  private func authorization(for call: HTTPCall) async throws -> String? {
    func refuse(_ message: String, retriable: Bool) -> RegistryError {
      RegistryError(
        .notAuthenticated, operation: call.operation, url: shownURL(call), message: message,
        advice: "Check the credentials configured for this registry.", retriable: retriable)
    }
    let value: String?
    do {
      value = try await credentials.authorization()
    } catch let error as RegistryError {
      // Whoever holds the credentials has said already what is wrong with them.
      throw error
    } catch {
      try Task.checkCancellation()
      throw refuse("the token could not be had: \(RegistryError.bounded("\(error)"))", retriable: true)
    }
    guard value?.utf8.allSatisfy({ (0x20...0x7e).contains($0) }) != false else {
      throw refuse("the token is not plain ASCII on one line", retriable: false)
    }
    return value
  }

  func send(
    _ request: HTTPClientRequest, for call: HTTPCall, within time: Duration
  ) async throws -> HTTPClientResponse {
    try Task.checkCancellation()
    count.add(1, ordering: .relaxed)
    do {
      return try await client.execute(request, deadline: .now() + TimeAmount(time))
    } catch {
      try Task.checkCancellation()
      throw failure(RetryRule.classify(error), String(describing: error), call)
    }
  }

  /// Throws unless the answer is a success.
  func check(_ response: HTTPClientResponse, _ call: HTTPCall) async throws {
    let status = Int(response.status.code)
    guard !(200..<300).contains(status) else { return }
    let body = (try? await collect(response.body, upTo: policy.errorBytesMax, call, cutting: true)) ?? []
    var error = RegistryError(
      answer: body, status: status, operation: call.operation, url: shownURL(call),
      mlflowWorkspace: mlflowWorkspace)
    if (300..<400).contains(status) { error.message = "the server redirects, which is not followed" }
    var attempt = FailedAttempt(
      error: error,
      repeat: RetryRule.mayRepeat(
        status: status, serverCode: error.serverCode, isOverloaded: error.code == .overloaded,
        idempotent: call.idempotent),
      isOverload: RetryRule.isOverload(status: status) || error.code == .overloaded)
    if status == 429 || status == 503 {
      attempt.retryAfter = RetryRule.retryAfter(
        response.headers.first(name: "retry-after"), now: effects.now())
    }
    throw attempt
  }

  private func collect(
    _ body: HTTPClientResponse.Body, upTo bytesMax: Int, _ call: HTTPCall, cutting: Bool = false
  ) async throws -> [UInt8] {
    var bytes: [UInt8] = []
    for try await chunk in body {
      bytes.append(contentsOf: chunk.readableBytesView)
      guard bytes.count > bytesMax else { continue }
      if cutting { break }
      throw RegistryError(
        .tooLarge, operation: call.operation, url: shownURL(call),
        message: "the answer is larger than \(bytesMax) bytes",
        advice: "Ask for smaller pages, or raise answerBytesMax.")
    }
    return bytes
  }

  // MARK: Repeating

  func repeating<T>(_ body: () async throws -> T) async throws -> T {
    var attempt = 1
    while true {
      let reductions = capacity.reductions
      do {
        let result = try await body()
        capacity.answered()
        return result
      } catch let failed as FailedAttempt {
        if failed.isOverload { capacity.struggled(sentAfter: reductions) }
        let attemptsMax =
          switch failed.repeat {
          case .never: 1
          case .soon: policy.attemptsMax
          case .rarely: min(policy.timedOutAttemptsMax, policy.attemptsMax)
          }
        guard attempt < attemptsMax else { throw failed.error }
        if let retryAfter = failed.retryAfter {
          guard retryAfter <= policy.retryAfterMax else {
            var error = failed.error
            error.advice = "The server asks to wait \(retryAfter)."
            throw error
          }
          // It is waited for before the next attempt, and by all others.
          capacity.wait(until: effects.now() + retryAfter / .seconds(1))
        } else {
          try await effects.sleep(
            RetryRule.backoff(afterAttempt: attempt, policy: policy, random: effects.random()))
        }
        attempt += 1
      }
    }
  }
}
