import Synchronization

/// Works on many things side by side, never more than `limit` at once, and gives the results in the order of the
/// things. The first error ends it: what is running is cancelled.
///
/// - Parameter start: which is begun with, counted from any number on; those before it come last.
func concurrently<Element: Sendable, Result: Sendable>(
  _ elements: [Element], limit: Int, startingAt start: Int = 0,
  _ work: @escaping @Sendable (Element) async throws -> Result
) async throws -> [Result] {
  try await withThrowingTaskGroup(of: (Int, Result).self) { group in
    var results: [Int: Result] = [:]
    for turn in elements.indices {
      if turn >= max(1, limit), let (done, result) = try await group.next() { results[done] = result }
      let index = (start % elements.count + turn) % elements.count
      group.addTask { [element = elements[index]] in (index, try await work(element)) }
    }
    for try await (done, result) in group { results[done] = result }
    return elements.indices.compactMap { results[$0] }
  }
}

/// The first error of several tasks that end each by itself.
final class FirstError: Sendable {
  private let first = Mutex<(any Error)?>(nil)

  /// It, once there is one.
  var error: (any Error)? { first.withLock { $0 } }

  /// Takes an error in.
  func note(_ error: any Error) { first.withLock { $0 = $0 ?? error } }
}
