import Dispatch

/// Hashing away from Swift's cooperative threads, of which a small machine has two.
enum Hashing {
  /// Fewer bytes are hashed in less time than it takes to go elsewhere.
  static let bytesMin = 65_536

  private static let queue = DispatchQueue(label: "marketplace.storage.hash", attributes: .concurrent)

  /// The digest of a whole body, in hex.
  static func sha256(_ body: S3Body) async -> String { await elsewhere { body.sha256 } }

  static func elsewhere<T: Sendable>(_ work: @escaping @Sendable () -> T) async -> T {
    await withCheckedContinuation { continuation in
      queue.async { continuation.resume(returning: work()) }
    }
  }
}

extension StreamDigest {
  /// Takes the next bytes in, many of them away from the cooperative threads. A task that prefers an executor of its own
  /// is away from them already.
  public mutating func take(_ chunk: [UInt8]) async {
    let isAway = withUnsafeCurrentTask { $0?.unownedTaskExecutor != nil }
    guard !isAway, chunk.count >= Hashing.bytesMin else { return update(chunk) }
    self = await Hashing.elsewhere { [self] in
      var next = self
      next.update(chunk)
      return next
    }
  }
}
