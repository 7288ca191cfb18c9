import Postgres

/// Something that must hold and does not.
public struct Violation: Sendable, Hashable {
  /// The invariant, as the documentation numbers them: `L4`, `J1` …
  public let invariant: String
  /// Where, what and how.
  public let message: String
  /// Whether the next ordinary run settles it, so that it is no alarm.
  public let isPending: Bool

  /// Puts the parts together.
  public init(_ invariant: String, _ message: String, isPending: Bool = false) {
    self.invariant = invariant
    self.message = message
    self.isPending = isPending
  }
}

extension Ledger {
  /// How many violations of one invariant are named; more say no more.
  public static let violationsNamedMax = 20

  /// Tests what must hold of the log itself: L3 and L4 (sequences, versions, ids and positions without gap or
  /// double, causes before effects), L5 (times increase).
  ///
  /// Reads every event's envelope once: about a second for a million events.
  ///
  /// - Throws: ``LedgerError``; `PostgresError`.
  public func check() async throws -> [Violation] {
    try await pool.read { session in
      try Self.checks.flatMap { invariant, sql in
        try session.query("\(sql) limit \(Self.violationsNamedMax)").map {
          Violation(invariant, try $0.string("message"))
        }
      }
    }
  }

  /// Each gives one row, with a message, for each thing that is wrong.
  private static let checks: [(invariant: String, sql: String)] = [
    (
      "L4",
      """
      select format('workspace %s: %s events, the highest sequence is %s, the head says %s',
                    h.workspace, e.events, e.highest, h.last_sequence) as message
      from ledger.head h
      cross join lateral (
        select count(*) as events, coalesce(max(sequence), 0) as highest
        from ledger.event e where e.workspace = h.workspace
      ) e
      where e.events <> h.last_sequence or e.highest <> h.last_sequence
      """
    ),
    (
      "L4",
      """
      select format('workspace %s, stream %s: %s events, the highest version is %s, the head says %s',
                    workspace, stream, e.events, e.highest, s.version) as message
      from ledger.stream s
      full join (
        select workspace, stream, count(*) as events, max(version) as highest
        from ledger.event group by workspace, stream
      ) e using (workspace, stream)
      where (e.events, e.highest) is distinct from (s.version, s.version)
      """
    ),
    (
      "L4",
      """
      select format('stream versions of workspace %s do not rise with its sequences: sequence %s, stream %s, version %s',
                    workspace, sequence, stream, version) as message
      from (
        select *, row_number() over (partition by workspace, stream order by sequence) as place from ledger.event
      ) e
      where place <> version
      """
    ),
    (
      "L4",
      """
      select format('position %s: a run of %s begins there, the one before ends at %s', position, count, before) as message
      from (
        select position, count,
               coalesce(lag(position + count - 1) over (order by position), 0) as before
        from ledger.seal_run
      ) r
      where position <> before + 1
      """
    ),
    (
      "L4",
      """
      select format('workspace %s: the run at position %s begins with sequence %s, the one before ends with %s',
                    workspace, position, first_sequence, before) as message
      from (
        select *, coalesce(lag(first_sequence + count - 1) over (partition by workspace order by position), 0) as before
        from ledger.seal_run
      ) r
      where first_sequence <> before + 1
      """
    ),
    (
      "L4",
      """
      select format('%s/%s has position %s, its cause %s/%s has %s', e.workspace, e.sequence, e.position,
                    e.cause_workspace, e.cause_sequence, c.position) as message
      from ledger.events e
      left join ledger.events c on c.workspace = e.cause_workspace and c.sequence = e.cause_sequence
      where e.cause_workspace is not null
        and (c.sequence is null or (e.position is not null and (c.position is null or c.position >= e.position)))
      """
    ),
    (
      "L5",
      """
      select format('%s/%s was recorded at %s, the event before it at %s', workspace, sequence, recorded_at, before) as message
      from (
        select *, lag(recorded_at) over (partition by workspace order by sequence) as before from ledger.event
      ) e
      where recorded_at < before or (recorded_at = before and nth = 0)
      """
    ),
    (
      "L5",
      """
      select format('the seal of positions %s–%s is from %s, the one before from %s',
                    first_position, last_position, sealed_at, before) as message
      from (select *, lag(sealed_at) over (order by last_position) as before from ledger.seal) s
      where sealed_at <= before
      """
    ),
    (
      "L3",
      """
      select format('%s/%s: its data does not have the digest in the log', workspace, sequence) as message
      from ledger.event
      where data is not null and sha256(salt || convert_to(data::text, 'UTF8')) <> data_hash
      """
    ),
  ]
}
