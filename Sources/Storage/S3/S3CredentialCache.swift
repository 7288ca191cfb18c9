/// Credentials, fetched once for however many ask, and again before they end.
actor S3CredentialCache {
  /// They are fetched anew when they end within so many seconds; while that fails the old ones serve to their end.
  static let refreshSeconds: Double = 300
  /// A failed refresh is tried again after so many seconds at the earliest.
  static let refreshPauseSeconds: Double = 15

  private let fetch: @Sendable () async throws -> S3Credentials
  private let now: @Sendable () -> Double
  private var held: S3Credentials?
  private var fetching: Task<S3Credentials, any Error>?
  private var triedAt = -Double.infinity

  init(now: @escaping @Sendable () -> Double, fetch: @escaping @Sendable () async throws -> S3Credentials) {
    self.now = now
    self.fetch = fetch
  }

  /// Credentials that hold now.
  func current() async throws -> S3Credentials {
    guard let held else { return try await renewed() }
    guard let expiration = held.expiration else { return held }
    let left = expiration - now()
    guard left < Self.refreshSeconds else { return held }
    guard left > 0 else { return try await renewed() }
    guard now() - triedAt >= Self.refreshPauseSeconds else { return held }
    do {
      return try await renewed()
    } catch {
      try Task.checkCancellation()
      return held
    }
  }

  /// Forgets credentials that the server says have ended, unless others took their place meanwhile.
  func reject(_ rejected: S3Credentials) {
    if held == rejected { held = nil }
  }

  private func renewed() async throws -> S3Credentials {
    if let fetching { return try await fetching.value }
    triedAt = now()
    let task = Task { [fetch] in try await fetch() }
    fetching = task
    defer { fetching = nil }
    let fresh = try await task.value
    held = fresh
    return fresh
  }
}
