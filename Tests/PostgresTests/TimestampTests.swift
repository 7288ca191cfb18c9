import Foundation
import Postgres
import Testing

@Suite struct TimestampTests {
  @Test(
    "RFC 3339 is read and written",
    arguments: [
      ("1970-01-01T00:00:00Z", 0, "1970-01-01T00:00:00Z"),
      ("2026-11-23T07:36:56.125Z", 1_795_419_416_125_000, "2026-11-23T07:36:56.125Z"),
      ("2026-11-23t09:36:56.000001+02:00", 1_795_419_416_000_001, "2026-11-23T07:36:56.000001Z"),
      ("1969-12-31 23:59:59.9-00:00", -100_000, "1969-12-31T23:59:59.900Z"),
      ("2000-02-29T12:00:00-05:30", 951_845_400_000_000, "2000-02-29T17:30:00Z"),
      ("2016-12-31T23:59:60Z", 1_483_228_800_000_000, "2017-01-01T00:00:00Z"),
      ("0000-01-01T00:00:00Z", -62_167_219_200_000_000, "0000-01-01T00:00:00Z"),
      ("9999-12-31T23:59:59.999999Z", 253_402_300_799_999_999, "9999-12-31T23:59:59.999999Z"),
    ])
  func rfc3339(text: String, microseconds: Int64, written: String) throws {
    let timestamp = try #require(Timestamp(rfc3339: text))
    #expect(timestamp.microseconds == microseconds)
    #expect(timestamp.rfc3339 == written)
  }

  @Test(
    "what is no moment is refused",
    arguments: [
      "", "2026-11-23", "2026-11-23T07:36:56", "2026-02-29T00:00:00Z", "2026-04-31T00:00:00Z",
      "2026-13-01T00:00:00Z",
      "2026-00-01T00:00:00Z", "2026-01-00T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z",
      "2026-01-01T00:00:61Z", "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00.1234567Z",
      "2026-01-01T00:00:00+02",
      "2026-01-01T00:00:00ZZ", " 2026-01-01T00:00:00Z", "2026-01-01T00:00:00+24:00", "+026-01-01T00:00:00Z",
    ])
  func refused(text: String) {
    #expect(Timestamp(rfc3339: text) == nil)
  }

  @Test("milliseconds round down, dates round to the nearest microsecond, and the ends do not trap")
  func conversions() {
    #expect(Timestamp(milliseconds: -1).microseconds == -1000)
    #expect(Timestamp(microseconds: -1).milliseconds == -1)
    #expect(Timestamp(milliseconds: .max).microseconds == .max)
    #expect(Timestamp(Date(timeIntervalSince1970: 1.5)).microseconds == 1_500_000)
    #expect(Timestamp(microseconds: .max).rfc3339 == "+294247-01-10T04:00:54.775807Z")
    #expect(Timestamp(microseconds: .min).rfc3339.hasPrefix("-290308-12-21"))
    #expect(Timestamp(microseconds: 1) < Timestamp(microseconds: 2))
  }
}
