import Catalog
import Ledger

/// The catalog in memory, as it is and as it was. What is now is at most ``ageMillisecondsMax`` old, and read anew only for
/// workspaces in which something happened; all of it once a minute, since rows may be made anew without an event.
actor Snapshots {
  /// How long an answer may be behind the log.
  static let ageMillisecondsMax = 250
  /// How long rows may stay that were made anew without an event.
  static let wholeAgeSecondsMax: Int64 = 60
  /// So many moments of the past are kept; what was known at a position stays the same.
  static let pastMax = 8
  /// So many of them are read at once.
  static let loadsMax = 2

  private struct Moment: Hashable {
    let position: Int64
    /// The past stays as it was, but for what is redacted.
    let redactions: Int64
  }

  private let sources: ServiceSources
  private let clock = ContinuousClock()
  private var parts: [String: CatalogSnapshot.Part] = [:]
  private var heads: [String: Int64] = [:]
  private var current = CatalogSnapshot([CatalogSnapshot.Part]())
  private var lookedAt: ContinuousClock.Instant?
  private var wholeAt: ContinuousClock.Instant?
  private var looking: Task<CatalogSnapshot, any Error>?
  private var past: [(moment: Moment, snapshot: CatalogSnapshot)] = []
  private var loads: [Moment: Task<CatalogSnapshot, any Error>] = [:]

  init(_ sources: ServiceSources) { self.sources = sources }

  /// The catalog at a moment.
  ///
  /// - Throws: `CatalogError`; `PostgresError`; `CancellationError`.
  func at(_ asOf: AsOf) async throws -> CatalogSnapshot {
    switch asOf {
    case .now: try await now()
    case .position(let position): try await then(position)
    // What was known at a time is what was known at the last position sealed by then.
    case .time(let time): try await then(sources.ledger.position(at: time))
    }
  }

  private func now() async throws -> CatalogSnapshot {
    if let lookedAt, clock.now - lookedAt < .milliseconds(Self.ageMillisecondsMax) { return current }
    // Whoever comes while somebody looks waits for what that one sees.
    if let looking { return try await looking.value }
    let task = Task { try await look() }
    looking = task
    defer { looking = nil }
    return try await task.value
  }

  private func look() async throws -> CatalogSnapshot {
    let start = clock.now
    let newest = try await sources.ledger.heads()
    if let wholeAt, start - wholeAt < .seconds(Self.wholeAgeSecondsMax) {
      for (workspace, last) in newest where heads[workspace] != last {
        parts[workspace] = CatalogSnapshot.Part(try await sources.catalog.list(workspace: workspace))
        heads[workspace] = last
      }
    } else {
      let all = Dictionary(grouping: try await sources.catalog.list(), by: \.workspace)
      parts = all.mapValues { CatalogSnapshot.Part($0) }
      (heads, wholeAt) = (newest, start)
    }
    current = CatalogSnapshot(parts.sorted { $0.key < $1.key }.map(\.value))
    lookedAt = start
    return current
  }

  private func then(_ position: Int64) async throws -> CatalogSnapshot {
    let moment = Moment(position: position, redactions: try await sources.ledger.redactions())
    while true {
      if let place = past.firstIndex(where: { $0.moment == moment }) {
        let found = past.remove(at: place)
        past.append(found)
        return found.snapshot
      }
      if let load = loads[moment] { return try await load.value }
      guard loads.count >= Self.loadsMax, let other = loads.values.first else { break }
      _ = try? await other.value
      try Task.checkCancellation()
    }
    let load = Task { try await sources.catalog.snapshot(asOf: .position(position)) }
    loads[moment] = load
    defer { loads[moment] = nil }
    let snapshot = try await load.value
    past.append((moment, snapshot))
    if past.count > Self.pastMax { past.removeFirst() }
    return snapshot
  }
}
