import Crypto
import Marketplace

/// Which part of all exports has its bytes read: the n-th of m, so that m nights read everything.
///
/// An export belongs to one part for ever, by the SHA-256 of its id.
public struct DataShare: Sendable, Hashable, CustomStringConvertible {
  /// There are at most so many parts: more than two years of nights.
  public static let countMax = 1_000
  /// All of it.
  public static let whole = DataShare(number: 1, count: 1)

  /// Which one, from 1.
  public let number: Int
  /// Of how many.
  public let count: Int

  private init(number: Int, count: Int) {
    self.number = number
    self.count = count
  }

  /// From `n/m`, or `nil` when it is none: n from 1 to m, m at most ``countMax``.
  public init?(_ text: String) {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 2, parts.allSatisfy({ $0.utf8.allSatisfy { (48...57).contains($0) } }),
      let number = Int(parts[0]), let count = Int(parts[1]), (1...Self.countMax).contains(count),
      (1...count).contains(number)
    else { return nil }
    self.init(number: number, count: count)
  }

  /// Whether an export belongs to it.
  public func holds(exportID: String) -> Bool {
    let start = SHA256.hash(data: Array(exportID.utf8)).prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    return start % UInt64(count) == UInt64(number - 1)
  }

  /// `n/m`.
  public var description: String { "\(number)/\(count)" }
}
