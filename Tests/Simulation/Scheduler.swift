import Foundation

/// Runs every task of a simulation on the one thread that drives it, in an order that the seed alone decides.
///
/// What is ready runs first come first served. A task that calls a port waits for its turn; the driver gives turns to
/// one waiting task after another, as the dice fall. So two jobs at once interleave at each call of a port, and the
/// same seed interleaves them in the same way.
final class Scheduler: TaskExecutor, @unchecked Sendable {
  // Unchecked: nothing but the driver's thread ever comes here, which `enqueue` makes sure of.
  private var ready: [UnownedJob] = []
  private var waiting: [(owner: UUID, continuation: UnsafeContinuation<Void, Never>)] = []
  private let thread = pthread_self()

  func enqueue(_ job: consuming ExecutorJob) {
    precondition(pthread_equal(pthread_self(), thread) != 0, "a simulated task has left the driver's thread")
    ready.append(UnownedJob(job))
  }

  /// Waits until the driver gives the turn.
  ///
  /// - Parameter owner: the run that the task belongs to.
  func turn(of owner: UUID) async { await withUnsafeContinuation { waiting.append((owner, $0)) } }

  /// How many tasks wait for a turn.
  var waitingCount: Int { waiting.count }

  /// Those of one run that wait for a turn.
  func waiting(of owner: UUID) -> [Int] { waiting.indices.filter { waiting[$0].owner == owner } }

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
    waiting.remove(at: index).continuation.resume()
    runReady()
  }
}
