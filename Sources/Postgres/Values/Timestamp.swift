public import Foundation

/// A moment, in whole microseconds: what `timestamptz` holds.
public struct Timestamp: Sendable, Hashable, Comparable, CustomStringConvertible {
  /// Microseconds since 1970-01-01T00:00:00Z, without leap seconds.
  public var microseconds: Int64

  /// - Parameter microseconds: since 1970-01-01T00:00:00Z.
  public init(microseconds: Int64) { self.microseconds = microseconds }

  /// - Parameter milliseconds: since 1970-01-01T00:00:00Z; beyond ±292,000 years it is clamped.
  public init(milliseconds: Int64) {
    let (value, overflows) = milliseconds.multipliedReportingOverflow(by: 1000)
    microseconds = overflows ? (milliseconds < 0 ? .min : .max) : value
  }

  /// The nearest microsecond of a date.
  public init(_ date: Date) {
    microseconds = Int64((date.timeIntervalSince1970 * 1_000_000).rounded())
  }

  /// Milliseconds since 1970-01-01T00:00:00Z, rounded down.
  public var milliseconds: Int64 { microseconds.flooredDivision(by: 1000).quotient }

  /// The same moment as a date, rounded as a Double rounds.
  public var date: Date { Date(timeIntervalSince1970: Double(microseconds) / 1_000_000) }

  /// Earlier is less.
  public static func < (left: Self, right: Self) -> Bool { left.microseconds < right.microseconds }

  /// For people.
  public var description: String { rfc3339 }
}

extension Int64 {
  func flooredDivision(by divisor: Int64) -> (quotient: Int64, remainder: Int64) {
    let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
    return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
  }
}
