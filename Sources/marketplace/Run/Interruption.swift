import Dispatch
import Foundation
import Synchronization

/// Ctrl-C and SIGTERM: the first finishes what is being done and begins nothing new, the second stops at once.
/// Either way what is recorded is consistent, and the next run goes on from there.
final class Interruption: Sendable {
  private let signal = Mutex<Int32?>(nil)
  /// How soon a wait notices one, in milliseconds.
  private static let noticeMilliseconds: Int64 = 50

  /// Begins to listen, and returns once it hears: a source is registered by a thread of its own, and a signal that
  /// comes before would be lost.
  init() {
    let isHeard = DispatchSemaphore(value: 0)
    // Of the global queues a machine with one processor has one thread, which may be the one that waits here: it would
    // take a second until another is begun.
    let queue = DispatchQueue(label: "signals")
    for number in [SIGINT, SIGTERM] {
      Foundation.signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
      // The handler holds its source, which lives as long as the program listens.
      source.setEventHandler { [self] in withExtendedLifetime(source) { arrive(number) } }
      source.setRegistrationHandler { isHeard.signal() }
      source.resume()
      isHeard.wait()
    }
  }

  /// Whether one has arrived.
  var isStopping: Bool { signal.withLock { $0 != nil } }

  /// What the program ends with when it was interrupted.
  var status: ExitStatus? {
    signal.withLock { $0 }.map { $0 == SIGTERM ? .terminated : .interrupted }
  }

  /// Waits, or until one has arrived.
  func wait(for duration: Duration) async {
    let end = ContinuousClock.now + duration
    while !isStopping, !Task.isCancelled, ContinuousClock.now < end {
      try? await Task.sleep(for: min(end - ContinuousClock.now, .milliseconds(Self.noticeMilliseconds)))
    }
  }

  private func arrive(_ number: Int32) {
    let isSecond = signal.withLock { signal in
      defer { signal = signal ?? number }
      return signal != nil
    }
    if isSecond { exit((number == SIGTERM ? ExitStatus.terminated : .interrupted).rawValue) }
    Console.write("\n  finishing what is begun; once more stops at once\n")
  }
}
