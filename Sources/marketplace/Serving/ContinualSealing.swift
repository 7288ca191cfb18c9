import Audit
import Foundation
import Ledger
import Logging
import Postgres
import ServiceLifecycle
import Synchronization

/// Gives what jobs append its place in the log while the service runs, and publishes it now and then, so that nobody waits for
/// a job to end.
///
/// Before anything is sealed, and again after the database was away, it is proven that the database goes on from what was
/// published. Where it does not, nothing is sealed any more until somebody has seen to it.
final class ContinualSealing: Service {
  /// How often it is looked for events without a position, in milliseconds.
  static let lookMilliseconds: Int64 = 100
  /// Seconds between two publications, unless told otherwise.
  static let publishSecondsDefault = 60
  /// How long it waits after something went wrong, in seconds.
  static let retrySeconds: Int64 = 5

  private struct State {
    var trouble: String?
    var isDamaged = false
    var isProven = false
    var publishedAt: Date?
  }

  private let place: Workplace
  private let settings: Settings
  private let keys: AuditKeys?
  private let logger: Logger
  private let state = Mutex(State())

  init(place: Workplace, settings: Settings, keys: AuditKeys?, logger: Logger) {
    self.place = place
    self.settings = settings
    self.keys = keys
    self.logger = logger
  }

  private var publishes: Bool { !(keys?.signers.isEmpty ?? true) }

  /// Runs until it is told to stop.
  func run() async throws {
    let interval = Double(settings.file.serve?.publish_seconds ?? Self.publishSecondsDefault)
    await cancelWhenGracefulShutdown {
      while !Task.isCancelled {
        do {
          try await self.look(every: interval)
          try await Task.sleep(for: .milliseconds(Self.lookMilliseconds))
        } catch is CancellationError {
          return
        } catch {
          self.note(error)
          try? await Task.sleep(for: .seconds(Self.retrySeconds))
        }
      }
    }
  }

  /// Publishes what is left, once nothing is answered any more.
  func finish() async {
    guard publishes, state.withLock({ $0.isProven }) else { return }
    do {
      try await place.seal(settings, keys)
    } catch {
      logger.error("the log was not published at the end", metadata: ["why": "\(error)"])
    }
  }

  private func look(every interval: Double) async throws {
    let (publishedAt, isProven) = state.withLock { ($0.publishedAt, $0.isProven) }
    let isDue = publishes && (publishedAt.map { Date().timeIntervalSince($0) >= interval } ?? true)
    // Plain sealing costs one statement; anything else reads what was published.
    let maySeal =
      isDue || !isProven
      ? try await place.seal(settings, keys, publishes: isDue) : try await place.seal(settings, nil)
    guard maySeal else {
      throw Failure(
        .notAllowed, "not_allowed",
        "This role may not seal: grant ledger_sealer to it. Jobs that may do it at their end.")
    }
    state.withLock { state in
      (state.trouble, state.isDamaged, state.isProven) = (nil, false, true)
      if isDue { state.publishedAt = Date() }
    }
  }

  private func note(_ error: any Error) {
    let isNew = state.withLock { state in
      let isNew = state.trouble != "\(error)"
      let isDamage = ExitStatus(of: error) == .integrity
      // What was found once stays so until the log is proven again, whatever else goes wrong meanwhile.
      if isDamage || !state.isDamaged { state.trouble = "\(error)" }
      state.isDamaged = state.isDamaged || isDamage
      state.isProven = false
      return isNew
    }
    if isNew { logger.error("the log cannot be sealed", metadata: ["why": "\(error)"]) }
  }

  /// What keeps the service from being of use.
  func obstacles() async -> [String] {
    var obstacles: [String] = []
    do {
      _ = try await place.ledger.lastPosition()
    } catch {
      obstacles.append("The database does not answer.")
    }
    // Reading goes on where sealing does not; but nobody should trust a log that does not go on from what was published.
    let (trouble, isDamaged) = state.withLock { ($0.trouble, $0.isDamaged) }
    if isDamaged, let trouble { obstacles.append(trouble) }
    return obstacles
  }

  /// The same for a monitoring system, in Prometheus' text format.
  var metrics: String {
    let (isDamaged, isStuck, publishedAt) = state.withLock { ($0.isDamaged, $0.trouble != nil, $0.publishedAt) }
    return """
      # HELP marketplace_log_sealing Whether the service gives events their positions: 1, or 0 while something is in the way.
      # TYPE marketplace_log_sealing gauge
      marketplace_log_sealing \(isStuck ? 0 : 1)
      # HELP marketplace_log_integrity 0 when the database does not go on from what was published: see to it at once.
      # TYPE marketplace_log_integrity gauge
      marketplace_log_integrity \(isDamaged ? 0 : 1)
      # HELP marketplace_log_published_timestamp_seconds When the service last published the log, in seconds since 1970; 0 for never.
      # TYPE marketplace_log_published_timestamp_seconds gauge
      marketplace_log_published_timestamp_seconds \(publishedAt.map { Int64($0.timeIntervalSince1970) } ?? 0)

      """
  }
}
