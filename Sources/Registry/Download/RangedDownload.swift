import AsyncHTTPClient
import NIOCore

/// One file on its way from a server, in order, whatever the server can do: a large one in ranges side by side where it
/// answers them and names the file's state, else in one stream.
///
/// Each range asks for the state that the first answer named, and is compared with it; a file that was replaced
/// meanwhile is an error, never a mixture. A range whose connection breaks is taken up where it broke.
struct RangedDownload: Sendable {
  /// Bytes are handed over in pieces of at least so many, but for the last.
  static let chunkBytes = 1_048_576

  typealias Headers = [(name: String, value: String)]

  /// What is being done, for errors.
  var operation: String
  /// What is asked, for errors; without secrets.
  var url: String
  var policy: HTTPPolicy
  var effects: HTTPEffects
  var windows: RangeWindows
  /// A slot for one more request at the server, if there is one now.
  var slot: @Sendable () -> (any Sendable)?
  /// Begins an answer, asked with these headers; throws unless it is a success.
  var open: @Sendable (Headers) async throws -> HTTPClientResponse

  /// Hands the file over.
  ///
  /// - Parameters:
  ///   - size: what the listing says.
  ///   - start: says from which byte on the file is wanted, once its state is known; not asked where the server names
  ///     none, and then the file begins at its first byte.
  /// - Returns: the size of the file.
  func run(
    size: Int64?, start: (ArtifactState) async throws -> Int64, consume: ([UInt8]) async throws -> Void
  ) async throws -> Int64 {
    guard let size, size >= policy.rangedBytesMin else {
      return try await whole(open([]), size: size, consume: consume)
    }
    // One byte tells what the server can do. One that ignores ranges begins the file, and that is taken as it comes.
    let first = try await open([("range", "bytes=0-0")])
    let head = AnswerHead(first)
    guard head.isPart else { return try await whole(first, size: size, consume: consume) }
    try await drained(first.body)
    guard let tag = head.tag, let part = head.part, part.range == 0..<1 else {
      return try await whole(open([]), size: size, consume: consume)
    }
    // The size bounds what is read, so it is to be the one that the listing stands for.
    guard part.total == size else {
      throw incomplete(received: 0, stated: size, why: "\(part.total) bytes are announced, not those that are listed,")
    }
    let state = ArtifactState(tag: tag, size: part.total)
    let offset = try await start(state)
    precondition((0...state.size).contains(offset), "a file is wanted from a byte that it has")
    if let window = windows.take(policy.rangesConcurrentMax, of: policy.rangeBytes),
      state.size - offset > policy.rangeBytes
    {
      try await sideBySide(offset..<state.size, of: state, window: window, consume: consume)
    } else {
      try await stream(offset..<state.size, of: state, consume: consume)
    }
    return state.size
  }

  /// The one byte that was asked for; a body that goes on is read no further.
  private func drained(_ body: HTTPClientResponse.Body) async throws {
    var received = 0
    do {
      for try await buffer in body {
        received += buffer.readableBytes
        guard received <= 1 else { break }
      }
    } catch {
      try Task.checkCancellation()
      throw incomplete(received: Int64(received), stated: 1, why: "the connection ended")
    }
    guard received <= 1 else {
      throw RegistryError(
        .invalidResponse, operation: operation, url: url, message: "one byte was asked for, and more are sent",
        retriable: true)
    }
  }

  // MARK: Side by side

  private struct Arrived: Sendable {
    var index: Int
    var chunks: [[UInt8]]
    var usedOwnSlot: Bool
  }

  private func sideBySide(
    _ all: Range<Int64>, of state: ArtifactState, window: RangeWindow, consume: ([UInt8]) async throws -> Void
  ) async throws {
    let count = Int((Int64(all.count) - 1) / policy.rangeBytes + 1)
    func range(_ index: Int) -> Range<Int64> {
      let lower = all.lowerBound + Int64(index) * policy.rangeBytes
      return lower..<min(lower + policy.rangeBytes, all.upperBound)
    }
    try await withThrowingTaskGroup(of: Arrived.self) { group in
      var begun = 0
      var arrived: [Int: [[UInt8]]] = [:]
      // The slot that the whole download holds is one range's; any other range needs one of its own.
      var isOwnSlotFree = true
      for index in 0..<count {
        while arrived[index] == nil {
          while begun < count, begun - index < window.ranges {
            let another = isOwnSlotFree ? nil : slot()
            guard isOwnSlotFree || another != nil else { break }
            let usesOwnSlot = isOwnSlotFree
            isOwnSlotFree = false
            let wanted = range(begun)
            group.addTask { [begun] in
              defer { withExtendedLifetime(another) {} }
              return Arrived(index: begun, chunks: try await fetch(wanted, of: state), usedOwnSlot: usesOwnSlot)
            }
            begun += 1
          }
          guard let next = try await group.next() else { break }
          arrived[next.index] = next.chunks
          if next.usedOwnSlot { isOwnSlotFree = true }
        }
        for chunk in arrived.removeValue(forKey: index) ?? [] { try await consume(chunk) }
      }
    }
    withExtendedLifetime(window) {}
  }

  /// One range, whole.
  private func fetch(_ range: Range<Int64>, of state: ArtifactState) async throws -> [[UInt8]] {
    var chunks: [[UInt8]] = []
    try await resuming(range, of: state) { chunks.append($0) }
    return chunks
  }

  private func stream(
    _ range: Range<Int64>, of state: ArtifactState, consume: ([UInt8]) async throws -> Void
  ) async throws {
    try await resuming(range, of: state, consume: consume)
  }

  // MARK: One range

  /// A connection that broke, where another may help.
  private struct Broken: Error {}

  /// Hands a range over, taking it up again where its connection broke. A break counts as the first again when
  /// something came since the last one.
  private func resuming(
    _ range: Range<Int64>, of state: ArtifactState, consume: ([UInt8]) async throws -> Void
  ) async throws {
    var place = range.lowerBound
    var breaks = 0
    var lastBreak = place
    while place < range.upperBound {
      do {
        try await read(place..<range.upperBound, of: state) { chunk in
          try await consume(chunk)
          place += Int64(chunk.count)
        }
      } catch is Broken {
        breaks = place > lastBreak ? 1 : breaks + 1
        lastBreak = place
        guard breaks < policy.attemptsMax else {
          throw incomplete(received: place, stated: state.size, why: "the connection ended \(breaks) times")
        }
        try Task.checkCancellation()
        try await effects.sleep(
          RetryRule.backoff(afterAttempt: breaks, policy: policy, random: effects.random()))
      }
    }
  }

  private func read(
    _ range: Range<Int64>, of state: ArtifactState, consume: ([UInt8]) async throws -> Void
  ) async throws {
    let response = try await opened(range, of: state)
    let head = AnswerHead(response)
    // 200: `If-Range` did not hold, and the file is sent as it is now. A tag that differs: neither condition was heeded.
    guard head.isPart, head.tag == state.tag, let part = head.part, part.total == state.size else {
      throw replaced(after: range.lowerBound)
    }
    guard part.range == range else {
      throw RegistryError(
        .invalidResponse, operation: operation, url: url,
        message: "bytes \(range.lowerBound) to \(range.upperBound - 1) were asked for, "
          + "\(part.range.lowerBound) to \(part.range.upperBound - 1) are sent", retriable: true)
    }
    var left = Int64(range.count)
    try await pieces(of: response.body) { chunk in
      left -= Int64(chunk.count)
      guard left >= 0 else {
        throw incomplete(received: range.upperBound - left, stated: state.size, why: "more came than was asked for")
      }
      try await consume(chunk)
    }
    guard left == 0 else { throw Broken() }
  }

  private func opened(_ range: Range<Int64>, of state: ArtifactState) async throws -> HTTPClientResponse {
    do {
      // Some servers know the one condition, some the other (RFC 9110 §13.2.2 puts them in this order).
      return try await open([
        ("range", "bytes=\(range.lowerBound)-\(range.upperBound - 1)"), ("if-match", state.tag),
        ("if-range", state.tag),
      ])
    } catch let error as RegistryError
      where error.code == .changed || error.code == .notFound || [404, 412, 416].contains(error.status)
    {
      throw replaced(after: range.lowerBound)
    }
  }

  // MARK: Bodies

  /// The body of an answer to a request without a range. It cannot be taken up where it breaks. One that has not ended
  /// where the listing says is read no further: it may never end.
  private func whole(
    _ response: HTTPClientResponse, size: Int64?, consume: ([UInt8]) async throws -> Void
  ) async throws -> Int64 {
    let stated = AnswerHead(response).length
    var received: Int64 = 0
    do {
      try await pieces(of: response.body) { chunk in
        received += Int64(chunk.count)
        if let size, received > size {
          throw incomplete(received: received, stated: size, why: "more came than is listed")
        }
        guard size != nil || received <= policy.unlistedFileBytesMax else { throw endless() }
        try await consume(chunk)
      }
    } catch is Broken {
      throw incomplete(received: received, stated: stated, why: "the connection ended")
    }
    if let stated, stated != received {
      throw incomplete(received: received, stated: stated, why: "the body ended")
    }
    return received
  }

  /// A body in pieces worth handing over. What came before a break is handed over before the break is told.
  private func pieces(
    of body: HTTPClientResponse.Body, take: ([UInt8]) async throws -> Void
  ) async throws {
    let deadline = NIODeadline.now() + TimeAmount(policy.transferTimeout)
    var iterator = body.makeAsyncIterator()
    var piece: [UInt8] = []
    var received: Int64 = 0
    var pace = Pace(policy)
    while true {
      let buffer: ByteBuffer?
      let asked = ContinuousClock.now
      do {
        buffer = try await iterator.next()
      } catch {
        try Task.checkCancellation()
        if !piece.isEmpty { try await take(piece) }
        throw Broken()
      }
      guard let buffer else { break }
      received += Int64(buffer.readableBytes)
      guard .now() < deadline else { throw incomplete(received: received, stated: nil, why: "it took too long") }
      guard pace.keepsUp(buffer.readableBytes, after: .now - asked) else {
        throw incomplete(
          received: received, stated: nil,
          why: "fewer than \(Int(policy.paceBytesPerSecond)) bytes a second came over \(policy.paceTime)")
      }
      if piece.isEmpty { piece.reserveCapacity(Self.chunkBytes) }
      piece.append(contentsOf: buffer.readableBytesView)
      guard piece.count >= Self.chunkBytes else { continue }
      try await take(piece)
      piece = []
    }
    if !piece.isEmpty { try await take(piece) }
  }

  // MARK: Words

  private func incomplete(received: Int64, stated: Int64?, why: String) -> RegistryError {
    RegistryError(
      .incompleteBody, operation: operation, url: url,
      message: "\(why) after \(received) of \(stated.map(String.init) ?? "an unknown number of") bytes",
      advice: "Download it again.", retriable: true)
  }

  private func endless() -> RegistryError {
    RegistryError(
      .tooLarge, operation: operation, url: url,
      message: "the listing tells no size, and more than \(policy.unlistedFileBytesMax) bytes came",
      advice: "Have the server list the file's size, or log the file again.")
  }

  private func replaced(after received: Int64) -> RegistryError {
    RegistryError(
      .changed, operation: operation, url: url,
      message: "the file was replaced or removed while it was read, after \(received) bytes",
      advice: "Download it again from the start.", retriable: true)
  }
}
