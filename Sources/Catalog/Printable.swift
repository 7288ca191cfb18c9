import Foundation

/// Text from registries, for people to look at.
public enum Printable {
  /// The text without what could move a terminal's cursor, forge a line of a log, or turn a page's text round: such
  /// characters stand there by their numbers.
  ///
  /// - Parameter keepsLines: whether line feeds and tabs stay, for places where they do no harm.
  public static func text(_ text: String, keepsLines: Bool = false) -> String {
    // Nearly all of it is plain.
    if text.utf8.allSatisfy({ (0x20..<0x7f).contains($0) || (keepsLines && $0 == 0x0a) }) { return text }
    var result = ""
    for scalar in text.unicodeScalars {
      if keepsLines, scalar == "\n" || scalar == "\t" {
        result.unicodeScalars.append(scalar)
        continue
      }
      switch scalar.properties.generalCategory {
      case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned:
        result += "\\u{\(String(scalar.value, radix: 16))}"
      default:
        result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  /// `4.2 MB`; decimal, as storage is sold and as MLflow shows it.
  public static func bytes(_ count: Int64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB", "PB"]
    var (value, unit) = (Double(count), 0)
    while value >= 999.5, unit < units.count - 1 { (value, unit) = (value / 1_000, unit + 1) }
    return String(format: "%.\(unit == 0 || value >= 100 ? 0 : 1)f", value) + " \(units[unit])"
  }
}
