import Glibc

/// Runs every task of a simulation on the one thread that drives it, in an order that the seed alone decides.
///
/// What is ready runs first come first served. A task that calls a port waits for its turn; the driver gives turns to
/// one waiting task after another, as the dice fall. So two jobs at once interleave at each call of a port, and the
/// same seed interleaves them in the same way.
final class Scheduler: TaskExecutor, @unchecked Sendable {
  // Unchecked: nothing but the driver's thread ever comes here, which `enqueue` makes sure of.
  private var ready: [UnownedJob] = []
  private var waiting: [UnsafeContinuation<Void, Never>] = []
  private let thread = pthread_self()

  func enqueue(_ job: consuming ExecutorJob) {
    precondition(pthread_equal(pthread_self(), thread) != 0, "a simulated task has left the driver's thread")
    ready.append(UnownedJob(job))
  }

  /// Waits until the driver gives the turn.
  func turn() async { await withUnsafeContinuation { waiting.append($0) } }

  /// How many tasks wait for a turn.
  var waitingCount: Int { waiting.count }

  /// Runs what is ready until everything waits or has ended.
  func runReady() {
    var next = 0
    while next < ready.count {
      ready[next].runSynchronously(on: asUnownedTaskExecutor())
      next += 1
    }
    ready.removeAll(keepingCapacity: true)
  }

  /// Gives the turn to one waiting task, and runs what is ready then.
  func giveTurn(to index: Int) {
    waiting.remove(at: index).resume()
    runReady()
  }
}
