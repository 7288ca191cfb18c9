private let microsecondsPerSecond: Int64 = 1_000_000
private let secondsPerDay: Int64 = 86_400
private let fractionDigitsMax = 6

extension Timestamp {
  /// Reads RFC 3339, with any offset and up to six digits of fraction. More digits are refused: they would be
  /// lost. Second 60 is the first one of the next minute.
  public init?(rfc3339 text: String) {
    var scanner = DigitScanner(text)
    guard let year = scanner.digits(4), scanner.skip("-"), let month = scanner.digits(2), scanner.skip("-"),
      let day = scanner.digits(2), scanner.skip("T", "t", " "),
      let hour = scanner.digits(2), scanner.skip(":"), let minute = scanner.digits(2), scanner.skip(":"),
      let second = scanner.digits(2), let fraction = scanner.fraction(), let offset = scanner.offset(),
      scanner.isAtEnd, hour < 24, minute < 60, second <= 60,
      let days = Self.days(year: year, month: month, day: day)
    else { return nil }
    let seconds = days * secondsPerDay + hour * 3600 + minute * 60 + second - offset
    self.init(microseconds: seconds * microsecondsPerSecond + fraction)
  }

  /// The moment in RFC 3339, in UTC: `2026-11-23T07:36:56.125Z`, with three or six digits of fraction or none.
  /// RFC 3339 ends at the year 9999; later and earlier years are written as ISO 8601 does, with a sign.
  public var rfc3339: String {
    let (seconds, fraction) = microseconds.flooredDivision(by: microsecondsPerSecond)
    let (days, ofDay) = seconds.flooredDivision(by: secondsPerDay)
    let (year, month, day) = Self.date(days: days)
    var text = ""
    if (0...9999).contains(year) {
      text += Self.pad(year, 4)
    } else {
      text += (year < 0 ? "-" : "+") + Self.pad(abs(year), 6)
    }
    text += "-" + Self.pad(month, 2) + "-" + Self.pad(day, 2)
    text +=
      "T" + Self.pad(ofDay / 3600, 2) + ":" + Self.pad(ofDay / 60 % 60, 2) + ":" + Self.pad(ofDay % 60, 2)
    if fraction != 0 {
      text += "." + (fraction % 1000 == 0 ? Self.pad(fraction / 1000, 3) : Self.pad(fraction, 6))
    }
    return text + "Z"
  }

  /// Reads timestamptz as PostgreSQL writes it, which leaves out minutes of an offset that are zero.
  init?(postgresText text: String) {
    let signs: Set<UInt8> = [0x2B, 0x2D]
    let endsWithHours = text.utf8.dropLast(2).last.map(signs.contains) ?? false
    self.init(rfc3339: endsWithHours ? text + ":00" : text)
  }

  private static func pad(_ number: Int64, _ width: Int) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
  }

  /// Days since 1970-01-01 of the proleptic Gregorian calendar. In a year that starts in March the leap day
  /// comes last, which makes both directions plain arithmetic over 400-year eras of 146,097 days.
  private static func days(year: Int64, month: Int64, day: Int64) -> Int64? {
    guard (1...12).contains(month), day >= 1 else { return nil }
    let marchYear = month <= 2 ? year - 1 : year
    let (era, yearOfEra) = marchYear.flooredDivision(by: 400)
    let dayOfYear = (153 * ((month + 9) % 12) + 2) / 5 + day - 1
    let days = era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    // 31 April would be 1 May: what does not come back the same is no date.
    return date(days: days) == (year, month, day) ? days : nil
  }

  private static func date(days: Int64) -> (year: Int64, month: Int64, day: Int64) {
    let (era, dayOfEra) = (days + 719_468).flooredDivision(by: 146_097)
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let marchMonth = (5 * dayOfYear + 2) / 153
    let day = dayOfYear - (153 * marchMonth + 2) / 5 + 1
    let month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
    return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
  }
}

/// Reads fixed runs of digits from a string.
private struct DigitScanner {
  private var rest: Substring.UTF8View

  init(_ text: String) { rest = text[...].utf8 }

  var isAtEnd: Bool { rest.isEmpty }

  mutating func digits(_ count: Int) -> Int64? {
    guard rest.count >= count else { return nil }
    var number: Int64 = 0
    for byte in rest.prefix(count) {
      guard (0x30...0x39).contains(byte) else { return nil }
      number = number * 10 + Int64(byte - 0x30)
    }
    rest = rest.dropFirst(count)
    return number
  }

  mutating func skip(_ choices: Unicode.Scalar...) -> Bool {
    guard let first = rest.first, choices.contains(Unicode.Scalar(first)) else { return false }
    rest = rest.dropFirst()
    return true
  }

  /// Microseconds; 0 when there is no fraction.
  mutating func fraction() -> Int64? {
    guard skip(".") else { return 0 }
    let count = rest.prefix { (0x30...0x39).contains($0) }.count
    guard (1...fractionDigitsMax).contains(count), var number = digits(count) else { return nil }
    for _ in count..<fractionDigitsMax { number *= 10 }
    return number
  }

  /// Seconds east of UTC.
  mutating func offset() -> Int64? {
    if skip("Z", "z") { return 0 }
    let isWest = rest.first == 0x2D
    guard skip("+", "-"), let hours = digits(2), hours < 24 else { return nil }
    guard skip(":"), let minutes = digits(2), minutes < 60 else { return nil }
    return (isWest ? -1 : 1) * (hours * 3600 + minutes * 60)
  }
}
