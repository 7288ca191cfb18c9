import Foundation
public import Ledger
import Marketplace
public import Postgres

/// The tokens of the service. Each is a stream of the workspace `marketplace`: made, perhaps revoked. Nothing else is kept.
public actor TokenBook {
  /// How long what was read of a token is believed, in milliseconds: so long a revoked one may still be let in.
  public static let ageMillisecondsMax: Int64 = 1_000
  /// Tokens that are remembered; whoever tries more ids has them looked up.
  static let rememberedMax = 10_000
  /// The longest a token may be valid, in days.
  public static let daysMax = 3_650

  private struct Entry {
    var record: TokenRecord?
    var readAt: ContinuousClock.Instant
  }

  private let ledger: Ledger
  private let clock = ContinuousClock()
  private var entries: [String: Entry] = [:]
  private var readings: [String: Task<TokenRecord?, any Error>] = [:]

  /// The tokens that a ledger knows.
  public init(_ ledger: Ledger) { self.ledger = ledger }

  /// Who shows a token.
  ///
  /// - Parameters:
  ///   - text: what was shown.
  ///   - now: the time.
  /// - Throws: ``AccessRefusal``; `LedgerError`; `PostgresError`; `CancellationError`.
  public func caller(showing text: String, at now: Timestamp) async throws -> Caller {
    guard let token = AccessToken(text), let record = try await record(of: token.id),
      token.isKept(as: record.created.sha256)
    else {
      throw AccessRefusal(.invalid, AccessRefusal.noToken)
    }
    guard record.revokedAt == nil else {
      throw AccessRefusal(.revoked, "This token was revoked. Ask whoever runs the service for another.")
    }
    guard now < record.expires else {
      throw AccessRefusal(.expired, "This token expired at \(record.expires.rfc3339). Ask for another.")
    }
    return Caller(
      principal: record.created.principal, scopes: Set(record.created.scopes.compactMap(Scope.init)),
      workspaces: Caller.Workspaces(record.created.workspaces))
  }

  /// What is known of a token, at most ``ageMillisecondsMax`` old.
  private func record(of id: String) async throws -> TokenRecord? {
    if let entry = entries[id], clock.now - entry.readAt < .milliseconds(Self.ageMillisecondsMax) {
      return entry.record
    }
    // Whoever comes while somebody reads waits for what that one sees.
    if let reading = readings[id] { return try await reading.value }
    let readAt = clock.now
    let reading = Task { try await Self.read(id, ledger) }
    readings[id] = reading
    defer { readings[id] = nil }
    let record = try await reading.value
    if entries.count >= Self.rememberedMax { entries.removeAll() }
    entries[id] = Entry(record: record, readAt: readAt)
    return record
  }

  private static func read(_ id: String, _ ledger: Ledger) async throws -> TokenRecord? {
    fold(try await events(of: id, ledger)).first
  }

  private static let types = [DomainEvent.Kind.tokenCreated.rawValue, DomainEvent.Kind.tokenRevoked.rawValue]
  /// What says something about a token; more than its making and taking back is not looked at.
  private static let eventsMax = 100

  /// Whoever may append something to a token's stream may append what is nobody's business here: that is not read.
  private static func events(of id: String, _ ledger: Ledger) async throws -> [RecordedEvent] {
    try await ledger.read(
      stream: stream(id), in: WorkspaceID.marketplace.text, types: types, limit: eventsMax, bytesMax: 1_048_576
    ).events
  }

  private static func stream(_ id: String) -> String { "token/\(id)" }

  /// The tokens that events made, in their order. One whose making was redacted is none; one that was revoked stays so,
  /// whatever became of what was said then.
  private static func fold(_ events: [RecordedEvent]) -> [TokenRecord] {
    var (ids, records) = ([String](), [String: TokenRecord]())
    for event in events {
      let id = String(event.stream.dropFirst("token/".count))
      let said = event.data.flatMap {
        try? DomainEvent(type: event.type, typeVersion: Int(event.typeVersion), json: $0)
      }
      if event.type == DomainEvent.Kind.tokenRevoked.rawValue {
        guard records[id]?.revokedAt == nil else { continue }
        records[id]?.revokedAt = event.recordedAt
        records[id]?.revokedBy = event.principal
        if case .tokenRevoked(let revoked) = said { records[id]?.reason = revoked.reason }
      } else if case .tokenCreated(let created) = said, created.token == id, records[id] == nil {
        ids.append(id)
        records[id] = TokenRecord(created: created, createdAt: event.recordedAt, createdBy: event.principal)
      }
    }
    return ids.compactMap { records[$0] }
  }
}

// MARK: - Making and revoking

extension TokenBook {
  /// What is asked for when a token is made.
  public struct Wish: Sendable {
    /// What it is for.
    public var name: String
    /// Whom the service acts for.
    public var principal: String
    /// What may be done with it.
    public var scopes: Set<Scope>
    /// The workspaces whose events it reaches; `*` for all.
    public var workspaces: [String]
    /// When it ends to be valid.
    public var expires: Timestamp

    /// A wish.
    public init(name: String, principal: String, scopes: Set<Scope>, workspaces: [String], expires: Timestamp) {
      self.name = name
      self.principal = principal
      self.scopes = scopes
      self.workspaces = workspaces
      self.expires = expires
    }
  }

  /// Makes a token. It is shown this once; what is kept does not give it back. Needs a member of `ledger_owner`, or a grant
  /// of types that begin with `Token` in workspace `marketplace`.
  ///
  /// - Throws: `LedgerError`; `PostgresError`; `DomainError`; `CancellationError`.
  public func create(_ wish: Wish) async throws -> AccessToken {
    let token = AccessToken.random()
    try await ledger.openWorkspace(WorkspaceID.marketplace.text)
    try await append(
      .tokenCreated(
        TokenCreated(
          token: token.id, name: wish.name, principal: wish.principal, scopes: wish.scopes.sorted().map(\.rawValue),
          workspaces: wish.workspaces.sorted(), expires: wish.expires.milliseconds, sha256: token.sha256)),
      to: token.id, expecting: 0)
    return token
  }

  /// Revokes a token. It ends to be let in within ``ageMillisecondsMax``.
  ///
  /// - Returns: what is known of it now; `nil` for an id that no token has.
  /// - Throws: as ``create(_:)``.
  public func revoke(_ id: String, reason: String?) async throws -> TokenRecord? {
    guard let record = Self.fold(try await Self.events(of: id, ledger)).first else { return nil }
    guard record.revokedAt == nil else { return record }
    try await append(.tokenRevoked(TokenRevoked(token: id, reason: reason)), to: id, expecting: nil)
    return try await Self.read(id, ledger)
  }

  /// Every token that was ever made, in the order of their making. Reads all of workspace `marketplace`.
  ///
  /// - Throws: `LedgerError`; `PostgresError`; `CancellationError`.
  public func all() async throws -> [TokenRecord] {
    var (cursor, events) = (SequenceCursor(0), [RecordedEvent]())
    while true {
      let page = try await ledger.read(workspace: WorkspaceID.marketplace.text, after: cursor, types: Self.types)
      events += page.events
      guard !page.isLast else { return Self.fold(events) }
      cursor = page.next
    }
  }

  private func append(_ event: DomainEvent, to id: String, expecting version: Int64?) async throws {
    _ = try await ledger.append(
      [
        NewEvent(
          stream: Self.stream(id), expectedVersion: version, id: UUID(), type: event.type, data: try event.json())
      ], to: WorkspaceID.marketplace.text)
  }
}
