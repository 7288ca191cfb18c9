import Catalog
import Ledger

/// The catalog in memory, as it is and as it was. What is now is at most ``ageMillisecondsMax`` old, and read anew only for
/// workspaces in which something happened.
actor Snapshots {
  /// How long an answer may be behind the log.
  static let ageMillisecondsMax = 250
  /// So many moments of the past are kept; what was known at a position stays the same.
  static let pastMax = 8

  private let sources: ServiceSources
  private let clock = ContinuousClock()
  private var parts: [String: CatalogSnapshot.Part] = [:]
  private var heads: [String: Int64] = [:]
  private var current = CatalogSnapshot([CatalogSnapshot.Part]())
  private var lookedAt: ContinuousClock.Instant?
  private var looking: Task<CatalogSnapshot, any Error>?
  private var past: [(asOf: AsOf, redactions: Int64, snapshot: CatalogSnapshot)] = []

  init(_ sources: ServiceSources) { self.sources = sources }

  /// The catalog at a moment.
  ///
  /// - Throws: `CatalogError`; `PostgresError`; `CancellationError`.
  func at(_ asOf: AsOf) async throws -> CatalogSnapshot {
    asOf == .now ? try await now() : try await then(asOf)
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
    for (workspace, last) in newest where heads[workspace] != last {
      parts[workspace] = CatalogSnapshot.Part(try await sources.catalog.list(workspace: workspace))
    }
    for workspace in parts.keys where newest[workspace] == nil { parts[workspace] = nil }
    if newest != heads { current = CatalogSnapshot(parts.sorted { $0.key < $1.key }.map(\.value)) }
    heads = newest
    lookedAt = start
    return current
  }

  private func then(_ asOf: AsOf) async throws -> CatalogSnapshot {
    // The past stays as it was, but for what is redacted.
    let redactions = try await sources.ledger.redactions()
    if let place = past.firstIndex(where: { $0.asOf == asOf && $0.redactions == redactions }) {
      let found = past.remove(at: place)
      past.append(found)
      return found.snapshot
    }
    let snapshot = try await sources.catalog.snapshot(asOf: asOf)
    past.append((asOf, redactions, snapshot))
    if past.count > Self.pastMax { past.removeFirst() }
    return snapshot
  }
}
