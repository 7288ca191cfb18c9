import Catalog
import Foundation
import Postgres

/// How numbers, times and names are written for people.
enum Sentence {
  /// `4.2 MB`; decimal, as storage is sold and as MLflow shows it.
  static func bytes(_ count: Int64) -> String { Printable.bytes(count) }

  /// `1 model`, `3 models`.
  static func count(_ number: Int, _ noun: String) -> String { "\(number) \(noun)\(number == 1 ? "" : "s")" }

  /// `3.1 s`, `2 m 05 s`.
  static func seconds(_ seconds: Double) -> String {
    guard seconds >= 100 else { return String(format: seconds < 1 ? "%.2f s" : "%.1f s", seconds) }
    return "\(Int(seconds) / 60) m \(String(format: "%02d", Int(seconds) % 60)) s"
  }

  /// `3 h`, `12 d`.
  static func age(milliseconds: Int64) -> String {
    let hours = max(0, milliseconds / 3_600_000)
    return hours < 48 ? "\(hours) h" : "\(hours / 24) d"
  }

  /// `2026-11-23 09:14:02`, in UTC.
  static func time(_ time: Timestamp) -> String {
    String(time.rfc3339.prefix(19)).replacing("T", with: " ")
  }

  /// A message of several lines as one.
  static func oneLine(_ text: String) -> String {
    printable(text.split(whereSeparator: \.isNewline).joined(separator: " "))
  }

  /// A name from a registry, without what could move a terminal's cursor or forge a line of a log.
  static func printable(_ text: String) -> String { Printable.text(text) }
}
