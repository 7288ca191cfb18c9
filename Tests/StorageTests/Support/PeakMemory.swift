import Foundation
import Testing

/// The most memory this process held since a moment, as Linux counts it.
struct PeakMemory {
  private let before: Int

  /// Forgets what was held before (`proc(5)`, clear_refs).
  init() throws {
    try "5".write(toFile: "/proc/self/clear_refs", atomically: false, encoding: .utf8)
    before = try Self.peak()
  }

  /// How many bytes more it was at most.
  func grown() throws -> Int { try Self.peak() - before }

  private static func peak() throws -> Int {
    let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
    let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") })
    return try #require(Int(line.split(separator: " ").dropFirst().first ?? "")) * 1_024
  }
}
