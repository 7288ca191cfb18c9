import NIOHTTP1
import Testing

@testable import Registry

@Suite("A server that lies, breaks off or refuses")
struct LyingServerTests {
  @Test("a web page with status 200 is an invalid response, not an empty listing")
  func webPage() async throws {
    try await ScriptedServer.with { _, _ in
      ScriptedAnswer(headers: [("content-type", "text/html")], body: Array("<html>Sign in</html>".utf8))
    } _: { server in
      let error = await registryError { try await MLflowRegistry.at(server).registeredModels() }
      #expect(error?.code == .invalidResponse)
      #expect(error?.retriable == false)
      #expect(error?.message.contains("web page") == true)
      #expect(server.requests.count == 1)
    }
  }

  @Test("truncated JSON is an error, not a part of a listing")
  func truncatedJSON() async throws {
    try await ScriptedServer.with { _, _ in
      .json(#"{"registered_models": [{"name": "a"}"#)
    } _: { server in
      let error = await registryError { try await MLflowRegistry.at(server).registeredModels() }
      #expect(error?.code == .invalidResponse)
      #expect(error?.retriable == true)
    }
  }

  @Test("a body cut short is asked for again, and fails when it never comes whole", arguments: [true, false])
  func cutShort(chunked: Bool) async throws {
    try await ScriptedServer.with { _, _ in
      var answer = ScriptedAnswer.json(#"{"registered_models": []}"#)
      answer.ending = chunked ? .brokenChunks : .cutShort
      return answer
    } _: { server in
      let error = await registryError { try await MLflowRegistry.at(server).registeredModels() }
      #expect(error?.code == .incompleteBody)
      #expect(error?.retriable == true)
      #expect(server.requests.count == HTTPPolicy().attemptsMax)
    }
  }

  @Test("the second page failing fails the whole listing")
  func secondPageFails() async throws {
    try await ScriptedServer.with { request, _ in
      request.item("page_token") == nil
        ? .json(#"{"registered_models": [{"name": "a"}], "next_page_token": "more"}"#)
        : .json("{}", status: .serviceUnavailable)
    } _: { server in
      let error = await registryError { try await MLflowRegistry.at(server).registeredModels() }
      #expect(error?.code == .server)
      #expect(error?.retriable == true)
    }
  }

  @Test("429 is repeated after the pause the server asked for")
  func retryAfter() async throws {
    let pauses = RecordedPauses()
    try await ScriptedServer.with { _, number in
      number < 3 ? .json("{}", status: .tooManyRequests, headers: [("retry-after", "7")]) : .json("{}")
    } _: { server in
      let registry = try MLflowRegistry.at(server, pauses: pauses)
      #expect(try await registry.registeredModels().isEmpty)
      // And a little more, so that not all who wait come at once.
      #expect(pauses.all.count == 2 && pauses.all.allSatisfy { $0 > .seconds(7) && $0 < .seconds(7.5) })
      #expect(registry.requestCount == 3)
    }
  }

  @Test("a server that asks for too long a pause is not waited for")
  func retryAfterTooLong() async throws {
    let pauses = RecordedPauses()
    try await ScriptedServer.with { _, _ in
      .json("{}", status: .tooManyRequests, headers: [("retry-after", "3600")])
    } _: { server in
      let error = await registryError {
        try await MLflowRegistry.at(server, pauses: pauses).registeredModels()
      }
      #expect(error?.code == .rateLimited)
      #expect(error?.retriable == true)
      #expect(pauses.all.isEmpty)
    }
  }

  @Test("500 is repeated for a read, but not when a feature is disabled")
  func internalErrors() async throws {
    try await ScriptedServer.with { _, number in
      number == 1 ? .json("{}", status: .internalServerError) : .json("{}")
    } _: { server in
      let registry = try MLflowRegistry.at(server)
      #expect(try await registry.registeredModels().isEmpty)
    }
    try await ScriptedServer.with { _, _ in
      .json(#"{"error_code":"FEATURE_DISABLED","message":"no workspaces"}"#, status: .internalServerError)
    } _: { server in
      let error = await registryError {
        try await MLflowRegistry.at(server) { $0.mlflowWorkspace = "dev01" }.registeredModels()
      }
      #expect(error?.code == .configuration)
      #expect(server.requests.count == 1)
    }
  }

  @Test("a call that must not be done twice is sent once", arguments: [429, 500, 502, 503, 504])
  func createsAreSentOnce(status: Int) async throws {
    try await ScriptedServer.with { _, _ in
      .json("{}", status: HTTPResponseStatus(statusCode: status))
    } _: { server in
      let registry = try MLflowRegistry.at(server)
      let new = NewModelVersion(name: "m", source: "models:/m-1")
      let error = await registryError { try await registry.createModelVersion(new) }
      #expect(error?.retriable == true)
      #expect(await registryError { try await registry.createRun(NewRun(experimentID: "1")) } != nil)
      let model = NewLoggedModel(experimentID: "1", name: "m")
      #expect(await registryError { try await registry.createLoggedModel(model) } != nil)
      #expect(server.requests.count == 3)
    }
  }

  @Test("a connection that closes is tried again for a read and not for a create")
  func closedConnections() async throws {
    try await ScriptedServer.with { _, number in
      var answer = ScriptedAnswer.json("{}")
      if number != 2 { answer.ending = .closed }
      return answer
    } _: { server in
      let registry = try MLflowRegistry.at(server)
      #expect(try await registry.registeredModels().isEmpty)
      let error = await registryError { try await registry.createRun(NewRun(experimentID: "1")) }
      #expect(error?.code == .unreachable)
      #expect(server.requests.count == 3)
    }
  }

  @Test("a refused connection is tried again even for a create, since nothing was sent")
  func refusedConnection() async throws {
    let url = try await ScriptedServer.with { _, _ in
      .json("{}")
    } _: {
      $0.url
    }
    let pauses = RecordedPauses()
    var configuration = MLflowRegistry.Configuration(url: url)
    configuration.effects = pauses.effects()
    let registry = try MLflowRegistry(configuration)
    let error = await registryError { try await registry.createRun(NewRun(experimentID: "1")) }
    #expect(error?.code == .unreachable)
    #expect(error?.retriable == true)
    #expect(pauses.all == [.milliseconds(200), .milliseconds(400), .milliseconds(800), .milliseconds(1600)])
  }

  @Test("a server that never answers is given up on in time")
  func silence() async throws {
    try await ScriptedServer.with { _, _ in
      ScriptedAnswer(ending: .silent)
    } _: { server in
      let registry = try MLflowRegistry.at(server) { $0.policy.callTimeout = .milliseconds(300) }
      let error = await registryError { try await registry.registeredModels() }
      #expect(error?.code == .unreachable)
      #expect(registry.requestCount == HTTPPolicy().timedOutAttemptsMax)
    }
  }

  @Test("a redirect is not followed, and credentials stay here")
  func redirect() async throws {
    try await ScriptedServer.with { _, _ in
      ScriptedAnswer(status: .found, headers: [("location", "http://127.0.0.1:9/elsewhere")])
    } _: { server in
      let error = await registryError { try await MLflowRegistry.at(server).registeredModels() }
      #expect(error?.code == .invalidResponse)
      #expect(error?.status == 302)
      #expect(server.requests.count == 1)
    }
  }

  @Test("an answer larger than the bound is refused")
  func tooLarge() async throws {
    try await ScriptedServer.with { _, _ in
      .json(#"{"x": ""# + String(repeating: "a", count: 2000) + #""}"#)
    } _: { server in
      let error = await registryError {
        try await MLflowRegistry.at(server) { $0.policy.answerBytesMax = 1000 }.registeredModels()
      }
      #expect(error?.code == .tooLarge)
      #expect(error?.message.contains("1000") == true)
    }
  }

  @Test("refusals keep their meaning, whatever body they come with")
  func refusals() async throws {
    let cases: [(HTTPResponseStatus, String, RegistryError.Code)] = [
      (.unauthorized, "You are not authenticated.", .notAuthenticated),
      (.forbidden, "Permission denied", .notPermitted),
      (.forbidden, "Invalid Host header - possible DNS rebinding attack detected", .notPermitted),
      (.badRequest, #"{"error_code":"INVALID_PARAMETER_VALUE","message":"no"}"#, .refused),
      (.badRequest, #"{"error_code":"PERMISSION_DENIED","message":"no"}"#, .notPermitted),
      (.notFound, "<!doctype html><h1>Not Found</h1>", .unsupported),
      (.payloadTooLarge, "", .tooLarge),
    ]
    for (status, body, code) in cases {
      try await ScriptedServer.with { _, _ in
        ScriptedAnswer(status: status, body: Array(body.utf8))
      } _: { server in
        let error = await registryError { try await MLflowRegistry.at(server).registeredModel(named: "m") }
        #expect(error?.code == code, "\(status) \(body)")
        #expect(error?.retriable == false)
      }
    }
  }

  @Test("a missing MLflow workspace is not taken for missing models")
  func missingWorkspace() async throws {
    try await ScriptedServer.with { _, _ in
      .json(
        #"{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"Workspace 'dev01' not found"}"#,
        status: .notFound)
    } _: { server in
      let registry = try MLflowRegistry.at(server) { $0.mlflowWorkspace = "dev01" }
      let error = await registryError { try await registry.registeredModel(named: "m") }
      #expect(error?.code == .configuration)
    }
  }

  @Test("errors carry neither secrets nor the server's SQL, and are bounded")
  func discreetErrors() async throws {
    let long = String(repeating: "é", count: 4000)
    try await ScriptedServer.with { request, _ in
      request.path.hasSuffix("/runs/get")
        ? .json(#"{"message":"boom [SQL: INSERT INTO secrets]"}"#, status: .badRequest)
        : .json(#"{"error_code":"X","message":"\#(long)"}"#, status: .badRequest)
    } _: { server in
      let registry = try MLflowRegistry.at(server) {
        $0.credentials = .basic(user: "me", password: "hunter2")
      }
      let first = await registryError { try await registry.registeredModels() }
      let second = await registryError { try await registry.run("r") }
      #expect((first?.message.utf8.count ?? 0) <= RegistryError.serverMessageBytesMax)
      #expect(second?.message == "boom")
      for error in [first, second] where error != nil {
        #expect(!String(describing: error).contains("hunter2"))
      }
      #expect(server.requests.first?.headers.first(name: "authorization") == "Basic bWU6aHVudGVyMg==")
    }
  }

  @Test("cancelling stops a call that waits")
  func cancellation() async throws {
    try await ScriptedServer.with { _, _ in
      ScriptedAnswer(ending: .silent)
    } _: { server in
      let registry = try MLflowRegistry.at(server) { $0.policy.concurrentRequestsMax = 1 }
      let first = Task { try await registry.registeredModels() }
      let second = Task { try await registry.registeredModels() }
      while server.requests.isEmpty { await Task.yield() }
      second.cancel()
      await #expect(throws: CancellationError.self) { try await second.value }
      first.cancel()
      await #expect(throws: CancellationError.self) { try await first.value }
      #expect(server.requests.count == 1)
    }
  }
}
