import Ledger
import Logging
import ServiceLifecycle

/// What happens, for those who follow. One reader follows the log for all of them, and what came last is kept in memory: ten
/// thousand who wait cost one query. Whoever is further behind reads by itself, page by page, as fast as it takes them.
actor EventFeed: Service {
  /// Events that are kept in memory.
  static let keptEventsMax = 4_096
  /// Bytes of data that are kept in memory.
  static let keptBytesMax = 16_777_216
  /// Events that a follower takes at once.
  static let stepEvents = 256
  /// Bytes of data that a follower takes at once, unless its first event has more.
  static let stepBytes = 1_048_576
  /// How often something is sent to whoever waits, in seconds, so that both sides know that the other is there.
  static let beatSeconds: Int64 = 15

  /// An event, and how it is written: once for all who follow.
  struct Item: Sendable {
    /// The event; of one follower's own, without its data, which the text has.
    var event: RecordedEvent
    let form: EventForms
    /// As `form` writes it.
    var text: String

    /// One that is kept for all.
    init(_ event: RecordedEvent) throws {
      self.event = event
      form = .plain
      text = try form.text(event)
    }

    /// One follower's own: as long as that one does not read, it is in memory once, and not thrice.
    init(_ event: RecordedEvent, for form: EventForms) throws {
      self.form = form
      text = try form.text(event)
      self.event = event
      (self.event.data, self.event.salt) = (nil, nil)
    }

    /// The event as a follower wants it written.
    func text(as wanted: EventForms) throws -> String { wanted == form ? text : try wanted.text(event) }
  }

  /// What a follower is to do next.
  enum Step: Sendable {
    /// Events, and how far they go: perhaps further than the last of them.
    case events([Item], through: Int64)
    /// Nothing happened for a while.
    case beat
    /// The service ends.
    case end
  }

  private let ledger: Ledger
  private let logger: Logger
  private let keptMax: Int
  private var kept: [Item] = []
  private var keptBytes = 0
  /// The position before the first that is kept.
  private var before: Int64 = 0
  private var last: Int64 = 0
  private var isFollowing = false
  private var isEnded = false
  private var follower: Task<Void, Never>?
  private var waiters: [Int: CheckedContinuation<Void, Never>] = [:]
  private var waiterNext = 0
  private var beats = 0

  init(_ ledger: Ledger, logger: Logger, keptMax: Int = keptEventsMax) {
    self.ledger = ledger
    self.logger = logger
    self.keptMax = keptMax
  }

  /// Ends what follows when the service is to end.
  func run() async throws {
    try? await gracefulShutdown()
    end()
  }

  /// Ends it, and whoever follows.
  func end() {
    isEnded = true
    follower?.cancel()
    wake()
  }

  /// What comes after a position; waits where nothing does.
  ///
  /// - Parameter form: how what is read for this follower alone is written.
  /// - Throws: `LedgerError`; `PostgresError`; `CancellationError`.
  func step(after position: Int64, as form: EventForms = .plain) async throws -> Step {
    if isEnded { return .end }
    try await follow()
    let beat = beats
    while true {
      if isEnded { return .end }
      try Task.checkCancellation()
      if position < before {
        let page = try await ledger.read(
          after: PositionCursor(position), limit: Self.stepEvents, bytesMax: Self.stepBytes)
        guard page.next.position <= position else {
          return .events(try page.events.map { try Item($0, for: form) }, through: page.next.position)
        }
      } else if position < last {
        var bytes = 0
        let found = kept[Int(position - before)...].prefix(Self.stepEvents).prefix { item in
          defer { bytes += item.text.utf8.count }
          return bytes == 0 || bytes + item.text.utf8.count <= Self.stepBytes
        }
        return .events(Array(found), through: position + Int64(found.count))
      }
      if beats != beat { return .beat }
      await wait()
    }
  }

  /// The newest position, for whoever wants only what comes.
  func newest() async throws -> Int64 {
    try await follow()
    return last
  }

  /// Begins to follow the log for all.
  private func follow() async throws {
    guard !isFollowing, !isEnded else { return }
    let start = try await ledger.lastPosition()
    guard !isFollowing, !isEnded else { return }
    isFollowing = true
    (before, last) = (start, start)
    follower = Task { [weak self, ledger] in
      await withTaskGroup(of: Void.self) { group in
        group.addTask { await self?.read(ledger, after: start) }
        group.addTask {
          while !Task.isCancelled {
            try? await Task.sleep(for: .seconds(Self.beatSeconds))
            await self?.beat()
          }
        }
      }
    }
  }

  private func read(_ ledger: Ledger, after start: Int64) async {
    var after = start
    // What can be helped by trying again is tried again by the tail; for anything else it is tried anew.
    while !Task.isCancelled {
      do {
        for try await event in ledger.tail(after: PositionCursor(after), seals: false) {
          guard let position = event.position else { continue }
          take(try Item(event), position)
          after = position
        }
      } catch is CancellationError {
        return
      } catch {
        logger.error("the log cannot be followed", metadata: ["why": "\(error)"])
        try? await Task.sleep(for: .milliseconds(LedgerTail.waitMillisecondsMax))
      }
    }
  }

  private func take(_ item: Item, _ position: Int64) {
    // What is redacted is nobody's any more, wherever it was kept.
    if item.event.type == "EventRedacted", let redacted = item.event.cause,
      let place = kept.firstIndex(where: { $0.event.reference == redacted })
    {
      var event = kept[place].event
      (event.data, event.salt) = (nil, nil)
      if let empty = try? Item(event) {
        keptBytes += empty.text.utf8.count - kept[place].text.utf8.count
        kept[place] = empty
      }
    }
    kept.append(item)
    keptBytes += item.text.utf8.count
    last = position
    if kept.count > keptMax || keptBytes > Self.keptBytesMax {
      // Half of them at a time, so that they are moved seldom.
      var rest = kept[...]
      while rest.count > keptMax / 2 || keptBytes > Self.keptBytesMax / 2, let first = rest.popFirst() {
        keptBytes -= first.text.utf8.count
        before += 1
      }
      kept = Array(rest)
    }
    wake()
  }

  private func beat() {
    beats += 1
    wake()
  }

  private func wake() {
    let woken = waiters
    waiters = [:]
    for continuation in woken.values { continuation.resume() }
  }

  private func wait() async {
    let number = waiterNext
    waiterNext += 1
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        if Task.isCancelled { continuation.resume() } else { waiters[number] = continuation }
      }
    } onCancel: {
      Task { await self.leave(number) }
    }
  }

  private func leave(_ number: Int) { waiters.removeValue(forKey: number)?.resume() }
}
