import Foundation
import NIOHTTP1
import Synchronization
import TestSupport
import Testing

@testable import Storage

/// What a network and a busy server do, between the store and a real server behind it.
@Suite("An S3 store and trouble on the way", .enabled(if: !S3Server.available.isEmpty))
struct S3FaultTests {
  private static let partBytes = 5 * 1_048_576

  /// Pauses that were asked for, instead of made.
  final class Pauses: Sendable {
    private let all = Mutex<[Duration]>([])
    var effects: StorageEffects {
      StorageEffects(
        sleep: { pause in self.all.withLock { $0.append(pause) } }, random: { 0.5 },
        now: { Date().timeIntervalSince1970 })
    }
    var list: [Duration] { all.withLock { $0 } }
  }

  /// Runs `body` with a store behind a proxy that follows `script` from then on.
  private func with(
    _ server: S3Server, pauses: Pauses = Pauses(), script: @escaping FaultyProxy.Script,
    _ body: (S3Storage, FaultyProxy) async throws -> Void
  ) async throws {
    try await FaultyProxy.with(server.url, script) { proxy in
      let storage = try await server.storage { configuration in
        configuration.endpoint = proxy.url
        configuration.partBytesFirst = Self.partBytes
        configuration.effects = pauses.effects
      }
      try await body(storage, proxy)
    }
  }

  @Test("a download that breaks is taken up where it broke", arguments: S3Server.available)
  func resume(_ server: S3Server) async throws {
    try await with(
      server,
      script: { request, _ in
        request.method == .GET ? .cut(after: 2_000_000) : .none
      }
    ) { storage, proxy in
      let key = try StorageKey(["large"])
      let whole = patternedBytes(5_000_000)
      try await storage.write(whole, at: key)
      #expect(try await storage.bytes(of: key) == whole)
      let ranges = proxy.requests.compactMap { $0.headers.first(name: "range") }
      let starts = ranges.compactMap { Int($0.dropFirst("bytes=".count).dropLast()) }
      #expect(starts.count >= 2 && starts == starts.sorted())
      let tags = proxy.requests.filter { $0.headers.contains(name: "range") }
      #expect(tags.allSatisfy { $0.headers.contains(name: "if-match") })
    }
  }

  @Test("a file that is replaced while it is read is an error, never a mixture", arguments: S3Server.available)
  func replaced(_ server: S3Server) async throws {
    try await with(server, script: { request, _ in request.method == .GET ? .cut(after: 600_000) : .none }) {
      storage, _ in
      let key = try StorageKey(["large"])
      try await storage.write(patternedBytes(2_000_000), at: key)
      var iterator = try await storage.read(key).makeAsyncIterator()
      _ = try await iterator.next()
      try await storage.write(Array(repeating: 9, count: 2_000_000), at: key)
      let code = try await refusal { while try await iterator.next() != nil {} }
      #expect(code == .changed)
    }
  }

  @Test("a download that never gets further ends, after bounded attempts", arguments: S3Server.available)
  func stuck(_ server: S3Server) async throws {
    try await with(server, script: { request, _ in request.method == .GET ? .cut(after: 0) : .none }) {
      storage, proxy in
      let key = try StorageKey(["large"])
      try await storage.write(patternedBytes(100_000), at: key)
      #expect(try await refusal { _ = try await storage.bytes(of: key) } == .unreachable)
      #expect(proxy.requests.count { $0.method == .GET } == StoragePolicy().attemptsMax)
    }
  }

  @Test("calls that break, or whose answers are lost, are made again", arguments: S3Server.available)
  func broken(_ server: S3Server) async throws {
    // Each call is closed once before the server has seen it, and once after.
    let tries = Counters()
    try await with(
      server,
      script: { request, _ in
        switch tries.next("\(request.method) \(request.uri)") {
        case 1: .closed
        case 2: .answerLost
        default: .none
        }
      }
    ) { storage, _ in
      let key = try StorageKey(["exports", "model.pkl"])
      let whole = patternedBytes(12_000_000)
      try await storage.write(whole, at: key)
      #expect(try await storage.readBack(key) == StreamDigest.of(whole))
      #expect(try await storage.files(below: StorageKey(["exports"])).map(\.size) == [12_000_000])
    }
  }

  @Test("an upload whose last answer is lost counts, when the bytes are there", arguments: S3Server.available)
  func lostCompletion(_ server: S3Server) async throws {
    let count = Counter()
    try await with(
      server,
      script: { request, _ in
        guard request.method == .POST, request.uri.contains("uploadId="), count.next() == 1 else { return .none }
        return .answerLost
      }
    ) { storage, _ in
      let key = try StorageKey(["exports", "model.pkl"])
      let whole = patternedBytes(6_000_000)
      #expect(try await storage.write(whole, at: key) == StreamDigest.of(whole))
      #expect(try await storage.readBack(key) == StreamDigest.of(whole))
    }
  }

  @Test("an answer of success with an error in it is an error, and tried again", arguments: S3Server.available)
  func errorInside(_ server: S3Server) async throws {
    let count = Counter()
    try await with(
      server,
      script: { request, _ in
        guard request.method == .POST, request.uri.contains("uploadId="), count.next() < 3 else { return .none }
        return .answer(
          .ok, body: "  <?xml version=\"1.0\"?>\n<Error><Code>InternalError</Code><Message>again</Message></Error>")
      }
    ) { storage, _ in
      let key = try StorageKey(["exports", "model.pkl"])
      let whole = patternedBytes(6_000_000)
      try await storage.write(whole, at: key)
      #expect(count.value == 3)
      #expect(try await storage.readBack(key) == StreamDigest.of(whole))
    }
  }

  @Test("a put whose answer is lost knows its own bytes again", arguments: S3Server.available)
  func lostPut(_ server: S3Server) async throws {
    let count = Counter()
    try await with(
      server, script: { request, _ in request.method == .PUT && count.next() == 2 ? .answerLost : .none }
    ) { storage, _ in
      #expect(try await storage.putIfAbsent(Array("probe".utf8), at: StorageKey(["first"])))
      let key = try StorageKey(["manifest.json"])
      count.reset()
      _ = count.next()
      #expect(try await storage.putIfAbsent(Array("mine".utf8), at: key))
      #expect(try await !storage.putIfAbsent(Array("theirs".utf8), at: key))
      #expect(try await storage.bytes(of: key) == Array("mine".utf8))
    }
  }

  @Test(
    "a put that is gone when it is read back is put again, a bounded number of times",
    .enabled(if: S3Server.rclone.url != nil), arguments: [0, 1, 2, 3, 11, 12])
  func goneAgain(_ losses: Int) async throws {
    let count = Counter()
    let attemptsMax = StoragePolicy().attemptsMax
    try await with(
      .rclone,
      script: { request, _ in
        guard request.uri.hasSuffix("manifest.json"), request.method == .GET, count.next() <= losses else {
          return .none
        }
        return .answer(.notFound, body: "<Error><Code>NoSuchKey</Code><Message>It was removed.</Message></Error>")
      }
    ) { storage, proxy in
      let key = try StorageKey(["manifest.json"])
      // Each attempt reads back at once, and once more after its pause.
      if losses < 2 * attemptsMax {
        #expect(try await storage.putIfAbsent(Array("mine".utf8), at: key))
        #expect(try await storage.bytes(of: key) == Array("mine".utf8))
      } else {
        let code = try await refusal { _ = try await storage.putIfAbsent(Array("mine".utf8), at: key) }
        #expect(code == .failed)
      }
      // The first attempt puts twice, to learn whether the server honours the condition.
      #expect(proxy.requests.count { $0.method == .PUT } == 2 + min(losses / 2, attemptsMax - 1))
    }
  }

  @Test("a server that asks to be called less is obeyed: pauses as it says, and fewer calls at a time")
  func slowDown() async throws {
    let server = try #require(S3Server.available.first)
    let pauses = Pauses()
    let count = Counter()
    try await with(
      server, pauses: pauses,
      script: { request, _ in
        guard request.method == .HEAD || request.uri.contains("list-type"), count.next() <= 2 else { return .none }
        return .answer(
          .serviceUnavailable, headers: [("retry-after", "7")],
          body: "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>")
      }
    ) { storage, _ in
      #expect(storage.client.limit.limit == 16)
      let listed = try await storage.files(below: StorageKey(["exports"]))
      #expect(listed.isEmpty)
      // The clock runs, and a little is added, so that not all who wait come at once.
      #expect(pauses.list.count == 2 && pauses.list.allSatisfy { $0 > .seconds(6) && $0 < .seconds(7.5) })
      #expect(storage.client.limit.limit == 4)
    }
  }

  @Test("a server that asks for too long a pause, or never recovers, fails the call with a reason")
  func overloaded() async throws {
    let server = try #require(S3Server.available.first)
    for (pause, calls) in [("100000", 1), ("1", StoragePolicy().attemptsMax)] {
      try await with(
        server,
        script: { _, _ in .answer(.tooManyRequests, headers: [("retry-after", pause)]) }
      ) { storage, proxy in
        let code = try await refusal { _ = try await storage.files(below: StorageKey(["a"])) }
        #expect(code == .overloaded)
        #expect(proxy.requests.count == calls)
      }
    }
  }

  @Test("an upload that fails leaves no parts behind", arguments: S3Server.available)
  func failedUpload(_ server: S3Server) async throws {
    try await with(
      server,
      script: { request, _ in
        request.uri.contains("partNumber=2")
          ? .answer(.forbidden, body: "<Error><Code>AccessDenied</Code><Message>no</Message></Error>") : .none
      }
    ) { storage, proxy in
      let key = try StorageKey(["exports", "model.pkl"])
      let upload = try await storage.upload(to: key)
      let code = try await refusal {
        for _ in 0..<12 { try await upload.write(Array(repeating: 1, count: 1_048_576)) }
        _ = try await upload.finish()
      }
      #expect(code == .notPermitted)
      await upload.abandon()
      #expect(try await storage.unfinishedUploads(below: StorageKey(["exports"])).isEmpty)
      #expect(try await storage.size(of: key) == nil)
      // Where the server is slow it is asked again.
      #expect(proxy.requests.contains { $0.method == .DELETE })
    }
  }

  /// Counts calls by kind.
  final class Counters: Sendable {
    private let counts = Mutex<[String: Int]>([:])
    func next(_ kind: String) -> Int {
      counts.withLock { counts in
        counts[kind, default: 0] += 1
        return counts[kind] ?? 0
      }
    }
  }

  /// Counts calls of one kind.
  final class Counter: Sendable {
    private let count = Atomic<Int>(0)
    func next() -> Int { count.wrappingAdd(1, ordering: .relaxed).newValue }
    func reset() { count.store(0, ordering: .relaxed) }
    var value: Int { count.load(ordering: .relaxed) }
  }
}
