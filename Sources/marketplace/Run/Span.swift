import ArgumentParser

/// A length of time as it is written on a command line: `90s`, `10m`, `1h30m`, `2d`.
struct Span: Hashable, Sendable, ExpressibleByArgument {
  /// The longest, in seconds: longer than any run, and far from what a clock cannot add.
  static let secondsMax = 366 * 86_400

  let seconds: Int
  /// As it was written.
  let text: String

  init?(argument: String) {
    let units: [Character: Int] = ["s": 1, "m": 60, "h": 3_600, "d": 86_400]
    var total = 0
    var number = ""
    var last = Int.max
    for character in argument {
      if character.isASCII, character.isNumber {
        number.append(character)
        continue
      }
      // Units go from large to small, each once.
      guard let unit = units[character], unit < last, let count = Int(number), count <= Self.secondsMax else {
        return nil
      }
      total += count * unit
      last = unit
      number = ""
    }
    guard number.isEmpty, !argument.isEmpty, total <= Self.secondsMax else { return nil }
    seconds = total
    text = argument
  }

  var duration: Duration { .seconds(seconds) }
}
