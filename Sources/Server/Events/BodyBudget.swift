import Synchronization

/// Bytes of what is being sent, over all who send: so much is in memory at once, and no more.
final class BodyBudget: Sendable {
  private let bytesMax: Int
  private let used = Mutex(0)

  /// - Parameter bytesMax: bytes of all bodies together.
  init(bytesMax: Int = 134_217_728) { self.bytesMax = bytesMax }

  /// What one body has taken of it.
  final class Share: Sendable {
    private let budget: BodyBudget
    private let taken = Mutex(0)

    fileprivate init(_ budget: BodyBudget) { self.budget = budget }

    /// Takes some bytes; false where too much is taken already.
    func take(_ bytes: Int) -> Bool {
      let isThere = budget.used.withLock { used in
        guard used + bytes <= budget.bytesMax else { return false }
        used += bytes
        return true
      }
      if isThere { taken.withLock { $0 += bytes } }
      return isThere
    }

    deinit { budget.used.withLock { $0 -= taken.withLock { $0 } } }
  }

  /// A share, given back when nobody holds it any more.
  func share() -> Share { Share(self) }
}
