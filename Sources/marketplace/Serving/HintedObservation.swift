import Foundation
import Ledger
import Logging
import Marketplace
import ServiceLifecycle
import Storage
import Synchronization
import Transfer

/// Reads a workspace's registry when somebody hints that something changed there, as `marketplace observe` does. Hints that come
/// while it is read lead to one more reading, however many they are.
final class HintedObservation: Service {
  /// How long after a reading began the next of the same workspace begins, at the soonest.
  static let pause = Duration.seconds(5)

  private struct State {
    var waiting: Set<String> = []
    var hints = 0
    var readings = 0
    var failures = 0
  }

  private let place: Workplace
  private let sources: [String: SourceWorkspace]
  private let storage: any ExternalStorage
  private let logger: Logger
  private let state = Mutex(State())
  private let (wakes, waker) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))

  /// - Parameter sources: the workspaces for which hints are taken.
  init(place: Workplace, sources: [SourceWorkspace], storage: any ExternalStorage, logger: Logger) {
    self.place = place
    self.sources = Dictionary(sources.map { ($0.id.text, $0) }, uniquingKeysWith: { first, _ in first })
    self.storage = storage
    self.logger = logger
  }

  /// Takes a hint.
  func hint(_ workspace: String) {
    state.withLock { state in
      state.hints += 1
      if sources[workspace] != nil { state.waiting.insert(workspace) }
    }
    waker.yield()
  }

  /// Runs until it is told to stop.
  func run() async throws {
    await cancelWhenGracefulShutdown { [wakes] in
      var readAt: [String: ContinuousClock.Instant] = [:]
      for await _ in wakes {
        while let workspace = self.next(readAt), !Task.isCancelled {
          if let last = readAt[workspace] { try? await Task.sleep(until: last + Self.pause, clock: .continuous) }
          // Whoever hinted until now is answered by this reading.
          self.state.withLock { _ = $0.waiting.remove(workspace) }
          readAt[workspace] = .now
          await self.read(workspace)
        }
      }
    }
  }

  /// The workspace that is read next: one that was not read yet, else the one that was read first.
  private func next(_ readAt: [String: ContinuousClock.Instant]) -> String? {
    let waiting = state.withLock { $0.waiting }
    return waiting.first { readAt[$0] == nil }
      ?? waiting.compactMap { workspace in readAt[workspace].map { (workspace, $0) } }.min { $0.1 < $1.1 }?.0
  }

  private func read(_ workspace: String) async {
    guard let source = sources[workspace], !Task.isCancelled else { return }
    let context = JobContext(
      ledger: place.ledger, pool: place.pool, storage: storage, run: RunID.make(),
      now: { Int64(Date().timeIntervalSince1970 * 1_000) }, randomID: { UUID() }, options: JobOptions(),
      progress: { _ in }, isStopping: { false })
    var trouble: String?
    do {
      let report = try await SyncJob(context: context, workspaces: [source], target: nil, steps: .observe).run()
      trouble = report.workspaces.compactMap(\.trouble).first.map { "\($0)" }
    } catch {
      trouble = "\(error)"
    }
    // What ended because the service does is no failure.
    guard !Task.isCancelled else { return }
    state.withLock { state in
      state.readings += 1
      state.failures += trouble == nil ? 0 : 1
    }
    guard let trouble else {
      logger.info("observed on a hint", metadata: ["workspace": "\(workspace)", "run": "\(context.run)"])
      return
    }
    logger.error("could not be observed on a hint", metadata: ["workspace": "\(workspace)", "why": "\(trouble)"])
  }

  /// For a monitoring system, in Prometheus' text format.
  var metrics: String {
    let state = state.withLock { $0 }
    return """
      # HELP marketplace_webhook_hints_total Hints of registries that something changed.
      # TYPE marketplace_webhook_hints_total counter
      marketplace_webhook_hints_total \(state.hints)
      # HELP marketplace_webhook_readings_total Readings of registries that hints led to.
      # TYPE marketplace_webhook_readings_total counter
      marketplace_webhook_readings_total \(state.readings)
      # HELP marketplace_webhook_readings_failed_total Those that failed.
      # TYPE marketplace_webhook_readings_failed_total counter
      marketplace_webhook_readings_failed_total \(state.failures)

      """
  }
}
