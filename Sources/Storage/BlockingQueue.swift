import Dispatch

/// Runs calls that block, away from Swift's cooperative threads, of which a small machine has two.
final class BlockingQueue: SerialExecutor {
  private let queue = DispatchQueue(label: "marketplace.storage")

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    queue.async { job.runSynchronously(on: self.asUnownedSerialExecutor()) }
  }
}
