import CLibPQ
import Foundation

/// One thread that runs one connection's work, in order: the executor of a ``Connection``.
///
/// libpq blocks, and Swift's cooperative pool may have as few as two threads, which must never block. The
/// thread holds the executor until `stop()`, because the runtime may still need it after the actor is gone.
final class ConnectionThread: SerialExecutor, @unchecked Sendable {
  private let condition = NSCondition()
  private let name: String
  // All guarded by `condition`.
  private var jobs: [UnownedJob] = []
  private var isStopping = false
  private var isRunning = false

  /// - Parameter name: shown by debuggers; Linux keeps 15 bytes.
  init(name: String) { self.name = name }

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    condition.lock()
    jobs.append(job)
    // A job that comes after `stop()` starts the thread anew rather than never run.
    let starts = !isRunning
    isRunning = true
    condition.signal()
    condition.unlock()
    if starts { Thread { [self] in run() }.start() }
  }

  /// Ends the thread once all work given so far is done.
  func stop() {
    condition.lock()
    isStopping = true
    condition.signal()
    condition.unlock()
  }

  private func run() {
    // A name set before the start would be the creator's: a Linux thread inherits it.
    _ = name_this_thread(name)
    while let batch = nextJobs() {
      for job in batch { job.runSynchronously(on: asUnownedSerialExecutor()) }
    }
  }

  private func nextJobs() -> [UnownedJob]? {
    condition.lock()
    defer { condition.unlock() }
    while jobs.isEmpty {
      if isStopping {
        isRunning = false
        return nil
      }
      condition.wait()
    }
    defer { jobs.removeAll(keepingCapacity: true) }
    return jobs
  }
}
