import Foundation
import Synchronization
import Transfer

/// A line that moves on a terminal, and a line now and then in a log.
final class ProgressLine: Sendable {
  /// In a log, a line is written so often at most.
  static let logSeconds = 30.0
  /// On a terminal, the line is drawn so often at most.
  static let drawSeconds = 0.1

  private struct State {
    var files = 0
    var bytes: Int64 = 0
    var drawn = Date.distantPast
    var isShown = false
  }

  private let state = Mutex(State())
  private let isQuiet: Bool
  private let began = Date()

  init(isQuiet: Bool) { self.isQuiet = isQuiet }

  func note(_ progress: JobProgress) {
    guard !isQuiet else { return }
    let text: String? = state.withLock { state in
      let what: String
      switch progress {
      case .observing(let workspace):
        what = "\(workspace): reading the registry"
      case .exporting(let workspace, let model, let version, let bytes):
        state.files += 1
        state.bytes += bytes
        what = "\(workspace): exporting \(Sentence.printable(model)) v\(version)"
      case .importing(let workspace, let model, let version, let bytes):
        state.files += 1
        state.bytes += bytes
        what = "\(workspace): importing \(Sentence.printable(model)) v\(version)"
      case .checking(let workspace, let model, let version, let bytes):
        state.bytes += bytes
        what = "\(workspace): reading the export of \(Sentence.printable(model)) v\(version)"
      }
      let pause = Console.isTerminal ? Self.drawSeconds : Self.logSeconds
      let last = Console.isTerminal ? state.drawn : max(state.drawn, began)
      guard Date().timeIntervalSince(last) >= pause else { return nil }
      state.drawn = Date()
      state.isShown = true
      let files = state.files > 0 ? "\(state.files) files, " : ""
      return "\(what) · \(files)\(Sentence.bytes(state.bytes))"
    }
    guard let text else { return }
    Console.write(Console.isTerminal ? "\r\u{1b}[K  \(text.prefix(100))" : "  \(text)\n")
  }

  /// Takes the line away before results are printed.
  func finish() {
    let isShown = state.withLock { $0.isShown }
    if isShown, Console.isTerminal, !isQuiet { Console.write("\r\u{1b}[K") }
  }
}
