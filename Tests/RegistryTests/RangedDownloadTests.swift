import Foundation
import NIOHTTP1
import Synchronization
import TestSupport
import Testing

@testable import Registry

/// A file on a scripted server that knows ranges.
private struct ServedFile: Sendable {
  var content: [UInt8]
  var tag = "\"one\""

  static func make(_ count: Int, seed: UInt8 = 7) -> Self { Self(content: patternedBytes(count, seed: seed)) }

  /// As RFC 9110 has it, `If-Range` heeded.
  func answer(_ request: ScriptedRequest) -> ScriptedAnswer {
    let words = request.headers.first(name: "range")?.split(whereSeparator: { "=-".contains($0) }) ?? []
    let holds = request.headers.first(name: "if-range").map { $0 == tag } ?? true
    guard holds, words.count == 3, let first = Int(words[1]), let last = Int(words[2]) else {
      return ScriptedAnswer(headers: [("etag", tag)], body: content)
    }
    let end = min(last, content.count - 1)
    return ScriptedAnswer(
      status: .partialContent,
      headers: [("etag", tag), ("content-range", "bytes \(first)-\(end)/\(content.count)")],
      body: Array(content[first...end]))
  }
}

/// What a download handed over.
private struct Arrival {
  var bytes: [UInt8] = []
  var states: [ArtifactState] = []
}

@Suite("A large file in ranges")
struct RangedDownloadTests {
  private let location = ArtifactLocation.proxy(root: "0/x/artifacts")

  private func small(_ policy: inout HTTPPolicy) {
    policy.rangedBytesMin = 1_000
    policy.rangeBytes = 100
  }

  /// Downloads through a server that answers by `script`, from `offset` on.
  private func download(
    _ file: ServedFile, from offset: Int64 = 0, listed: Int64? = nil, windows: RangeWindows? = nil,
    change: @escaping (inout HTTPPolicy) -> Void = { _ in },
    script: @escaping ScriptedServer.Script, then: (ScriptedServer, Arrival, Int64) throws -> Void
  ) async throws {
    try await ScriptedServer.with(script) { server in
      let registry = try MLflowRegistry.at(server) { configuration in
        small(&configuration.policy)
        change(&configuration.policy)
        configuration.windows = windows
      }
      var arrival = Arrival()
      let count = try await registry.download(
        ArtifactFile(path: "f", size: listed ?? Int64(file.content.count)), from: location
      ) { state in
        arrival.states.append(state)
        return offset
      } consume: {
        arrival.bytes += $0
      }
      try then(server, arrival, count)
    }
  }

  @Test("arrives whole and in order")
  func whole() async throws {
    let file = ServedFile.make(4_321)
    try await download(file) { request, _ in
      file.answer(request)
    } then: { server, arrival, count in
      #expect(arrival.bytes == file.content)
      #expect(count == 4_321)
      #expect(arrival.states == [ArtifactState(tag: file.tag, size: 4_321)])
      // One that asks what the server can do, and one for each range.
      #expect(server.requests.count == 1 + 44)
    }
  }

  @Test("begins where it is wanted from", arguments: [0, 1, 99, 100, 250, 4_320, 4_321])
  func offsets(_ offset: Int64) async throws {
    let file = ServedFile.make(4_321)
    try await download(file, from: offset) { request, _ in
      file.answer(request)
    } then: { _, arrival, count in
      #expect(arrival.bytes == Array(file.content[Int(offset)...]))
      #expect(count == 4_321)
    }
  }

  @Test(
    "is not begun where the server announces another size than the listing",
    arguments: [4_320, 4_322, 1 << 50, Int64.max])
  func otherSize(_ announced: Int64) async throws {
    let file = ServedFile.make(4_321)
    let script: ScriptedServer.Script = { request, _ in
      var answer = file.answer(request)
      answer.headers = answer.headers.map { $0.0 == "content-range" ? ($0.0, "bytes 0-0/\(announced)") : $0 }
      return answer
    }
    try await ScriptedServer.with(script) { server in
      let registry = try MLflowRegistry.at(server) { small(&$0.policy) }
      let error = await #expect(throws: RegistryError.self) {
        try await registry.download(ArtifactFile(path: "f", size: 4_321), from: location) { _ in
          0
        } consume: { _ in
          Issue.record("a byte was handed over")
        }
      }
      #expect(error?.code == .incompleteBody)
      #expect(error?.retriable == true)
      #expect(server.requests.count == 1)
    }
  }

  @Test("comes in one stream from a server that ignores ranges, or names no state")
  func ignored() async throws {
    let file = ServedFile.make(4_321)
    try await download(file) { _, _ in
      ScriptedAnswer(body: file.content)
    } then: { server, arrival, _ in
      #expect(arrival.bytes == file.content)
      #expect(arrival.states.isEmpty)
      #expect(server.requests.count == 1)
    }
    try await download(file) { request, _ in
      var answer = file.answer(request)
      answer.headers = answer.headers.map { $0.0 == "etag" ? ("etag", "W/\"weak\"") : $0 }
      return answer
    } then: { server, arrival, _ in
      #expect(arrival.bytes == file.content)
      #expect(arrival.states.isEmpty)
      #expect(server.requests.count == 2)
    }
  }

  @Test("a small file is asked for once, without a range")
  func smallFile() async throws {
    let file = ServedFile.make(999)
    try await download(file) { request, _ in
      file.answer(request)
    } then: { server, arrival, _ in
      #expect(arrival.bytes == file.content)
      #expect(server.requests.count == 1)
      #expect(server.requests.first?.headers.first(name: "range") == nil)
    }
  }

  @Test("a range whose connection breaks is taken up where it broke")
  func broken() async throws {
    let file = ServedFile.make(4_321)
    let cuts = Mutex(0)
    try await download(file) { request, number in
      var answer = file.answer(request)
      // Every third answer after the first loses its end.
      guard number > 1, number % 3 == 0, answer.body.count > 10 else { return answer }
      cuts.withLock { $0 += 1 }
      answer.body = Array(answer.body.prefix(answer.body.count / 2))
      answer.ending = .cutShort
      return answer
    } then: { _, arrival, _ in
      #expect(arrival.bytes == file.content)
      #expect(cuts.withLock { $0 } > 5)
    }
  }

  @Test("a range that never comes ends the download, after as many attempts as the policy has")
  func hopeless() async throws {
    let file = ServedFile.make(4_321)
    let error = await registryError {
      try await download(file) { request, _ in
        var answer = file.answer(request)
        guard request.headers.first(name: "range")?.hasPrefix("bytes=200-") == true else { return answer }
        answer.body = []
        answer.ending = .cutShort
        return answer
      } then: { _, _, _ in
      }
    }
    #expect(error?.code == .incompleteBody)
    #expect(error?.message.contains("\(HTTPPolicy().attemptsMax) times") == true)
  }

  @Test("a file that is replaced meanwhile is an error, whichever way the server says it")
  func replaced() async throws {
    let file = ServedFile.make(4_321)
    var other = ServedFile.make(4_321, seed: 11)
    other.tag = "\"two\""
    let second = other
    typealias Way = @Sendable (ScriptedRequest) -> ScriptedAnswer
    let ways: [Way] = [
      { second.answer($0) },
      { request in
        // No condition is heeded.
        var headers = request.headers
        headers.remove(name: "if-range")
        var deaf = request
        deaf.headers = headers
        return second.answer(deaf)
      },
      { _ in ScriptedAnswer(status: .preconditionFailed) },
      { _ in ScriptedAnswer(status: .rangeNotSatisfiable) },
      { _ in .json("{\"error_code\": \"RESOURCE_DOES_NOT_EXIST\"}", status: .notFound) },
    ]
    for way in ways {
      let error = await registryError {
        try await download(file) { request, number in
          number < 9 ? file.answer(request) : way(request)
        } then: { _, _, _ in
        }
      }
      #expect(error?.code == .changed)
      #expect(error?.retriable == true)
    }
  }

  @Test("a server that sends another range than was asked for is not believed")
  func wrongRange() async throws {
    let file = ServedFile.make(4_321)
    let error = await registryError {
      try await download(file) { request, number in
        guard number > 3 else { return file.answer(request) }
        var shifted = request
        shifted.headers.replaceOrAdd(name: "range", value: "bytes=7-106")
        return file.answer(shifted)
      } then: { _, _, _ in
      }
    }
    #expect(error?.code == .invalidResponse)
  }

  @Test("without room for two ranges it comes in one stream, which is taken up where it breaks")
  func noRoom() async throws {
    let file = ServedFile.make(4_321)
    let windows = RangeWindows(bytesMax: 199)
    try await download(file, windows: windows) { request, number in
      var answer = file.answer(request)
      if number == 2 {
        answer.body = Array(answer.body.prefix(1_500))
        answer.ending = .cutShort
      }
      return answer
    } then: { server, arrival, _ in
      #expect(arrival.bytes == file.content)
      #expect(
        server.requests.compactMap { $0.headers.first(name: "range") } == [
          "bytes=0-0", "bytes=0-4320", "bytes=1500-4320",
        ])
      #expect(windows.bytesTaken == 0)
    }
  }

  @Test("at a server that gets one request at a time, one range is under way at a time")
  func oneSlot() async throws {
    let file = ServedFile.make(4_321)
    try await download(file) {
      $0.concurrentRequestsMax = 1
    } script: { request, _ in
      file.answer(request)
    } then: { server, arrival, _ in
      #expect(arrival.bytes == file.content)
      // In order, so none was begun before the one before it had come.
      let ranges = server.requests.dropFirst().compactMap { $0.headers.first(name: "range") }
      #expect(ranges == stride(from: 0, to: 4_321, by: 100).map { "bytes=\($0)-\(min($0 + 99, 4_320))" })
    }
  }

  @Test("what the consumer throws ends the download, and all room is given back")
  func consumerThrows() async throws {
    struct Full: Error {}
    let file = ServedFile.make(4_321)
    let windows = RangeWindows(bytesMax: 400)
    try await ScriptedServer.with { request, _ in
      file.answer(request)
    } _: { server in
      let registry = try MLflowRegistry.at(server) {
        small(&$0.policy)
        $0.windows = windows
      }
      var taken = 0
      await #expect(throws: Full.self) {
        try await registry.download(ArtifactFile(path: "f", size: 4_321), from: location) {
          taken += $0.count
          if taken >= 500 { throw Full() }
        }
      }
      #expect(windows.bytesTaken == 0)
      #expect(registry.transport.capacity.slotIfFree() != nil)
    }
  }

  @Test("the head of an answer says what follows")
  func heads() {
    func head(_ status: Int, _ headers: [(String, String)]) -> AnswerHead {
      AnswerHead(status: status, headers: HTTPHeaders(headers))
    }
    let partial = head(206, [("ETag", "\"a\""), ("Content-Range", "bytes 5-9/10"), ("Content-Length", "5")])
    #expect(partial.tag == "\"a\"")
    #expect(partial.part?.range == 5..<10)
    #expect(partial.part?.total == 10)
    #expect(partial.length == 5)
    for odd in ["bytes 5-9/*", "bytes */10", "bytes 9-5/10", "bytes 5-10/10", "lines 5-9/10", "", "bytes 5-9"] {
      #expect(head(206, [("Content-Range", odd)]).part == nil, "\(odd)")
    }
    #expect(head(200, [("ETag", "W/\"a\"")]).tag == nil)
  }
}
