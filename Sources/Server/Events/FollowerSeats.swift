import Synchronization

/// So many may follow at once, and no more: each holds its connection for as long as it likes, and others need some.
final class FollowerSeats: Sendable {
  /// How many there are.
  let max: Int
  private let taken = Mutex(0)

  init(max: Int) { self.max = max }

  /// A seat, given back when nobody holds it any more.
  final class Seat: Sendable {
    private let seats: FollowerSeats

    fileprivate init(_ seats: FollowerSeats) { self.seats = seats }

    deinit { seats.taken.withLock { $0 -= 1 } }
  }

  /// A seat; nil where none is free.
  func take() -> Seat? {
    let isFree = taken.withLock { taken in
      guard taken < max else { return false }
      taken += 1
      return true
    }
    return isFree ? Seat(self) : nil
  }
}
