import Foundation
import Synchronization

/// A count that grows: a line that moves on a terminal, and one now and then in a log.
final class CountLine: Sendable {
  private let isQuiet: Bool
  private let drawn: Mutex<Date>

  init(isQuiet: Bool) {
    self.isQuiet = isQuiet
    drawn = Mutex(Console.isTerminal ? .distantPast : Date())
  }

  func show(_ text: String) {
    guard !isQuiet else { return }
    let pause = Console.isTerminal ? ProgressLine.drawSeconds : ProgressLine.logSeconds
    let isDue = drawn.withLock { drawn in
      guard Date().timeIntervalSince(drawn) >= pause else { return false }
      drawn = Date()
      return true
    }
    if isDue { Console.write(Console.isTerminal ? "\r\u{1b}[K  \(text)" : "  \(text)\n") }
  }

  /// Takes the line away before results are printed.
  func finish() {
    if !isQuiet, Console.isTerminal { Console.write("\r\u{1b}[K") }
  }
}
