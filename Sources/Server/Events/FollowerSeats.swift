import Synchronization

/// So many may follow at once, and no more: each holds its connection for as long as it likes, and others need some. The last
/// few are for principals who have fewer than these, so that one alone does not keep everybody else out.
final class FollowerSeats: Sendable {
  /// How many there are.
  let max: Int
  /// How many whoever has many already leaves to others.
  private let reserved: Int
  private let taken = Mutex(Taken())

  private struct Taken {
    var total = 0
    var seats: [String: Int] = [:]
  }

  init(max: Int) {
    self.max = max
    reserved = Swift.min(64, max / 10)
  }

  /// A seat, given back when nobody holds it any more.
  final class Seat: Sendable {
    private let seats: FollowerSeats
    private let principal: String

    fileprivate init(_ seats: FollowerSeats, _ principal: String) {
      self.seats = seats
      self.principal = principal
    }

    deinit { seats.leave(principal) }
  }

  /// A seat for a principal; nil where none is free for that one.
  func take(for principal: String) -> Seat? {
    let isFree = taken.withLock { taken in
      let (all, own) = (taken.total, taken.seats[principal, default: 0])
      guard all < max, all < max - reserved || own < reserved else { return false }
      taken.total += 1
      taken.seats[principal] = own + 1
      return true
    }
    return isFree ? Seat(self, principal) : nil
  }

  private func leave(_ principal: String) {
    taken.withLock { taken in
      taken.total -= 1
      let own = taken.seats[principal, default: 1] - 1
      taken.seats[principal] = own == 0 ? nil : own
    }
  }
}
