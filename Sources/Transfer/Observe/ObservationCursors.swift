import Postgres
import Registry

/// What a registry said about each model when its versions were last listed. A cache: losing it costs requests.
struct ObservationCursors: Sendable {
  /// A model's times at the registry.
  struct Cursor: Hashable, Sendable {
    var created: Int64
    var lastUpdated: Int64
  }

  let registry: String
  private let known: [[UInt8]: Cursor]

  /// The cursors of one registry.
  static func load(_ registry: String, from pool: PostgresPool) async throws -> ObservationCursors {
    let rows = try await pool.read { session in
      try session.query(
        "select model, created, last_updated from jobs.observation_cursor where registry = $1", [registry])
    }
    var known: [[UInt8]: Cursor] = [:]
    for row in rows {
      known[try row.bytes("model")] = Cursor(
        created: try row.int64("created"), lastUpdated: try row.int64("last_updated"))
    }
    return ObservationCursors(registry: registry, known: known)
  }

  /// Whether the model is as it was when its versions were last listed.
  func isUnchanged(_ model: RegisteredModel) -> Bool {
    known[Array(model.name.utf8)] == Cursor(created: model.created, lastUpdated: model.lastUpdated)
  }

  /// Remembers what is new; writes nothing when nothing is.
  ///
  /// - Parameter looked: the models whose versions were looked at, of those that the registry lists now; of the others
  ///   what was known stays.
  func save(_ looked: [RegisteredModel], of models: [RegisteredModel], to pool: PostgresPool) async throws {
    let changed = looked.filter { !isUnchanged($0) }
    let listed = Set(models.map { Array($0.name.utf8) })
    let gone = known.keys.filter { !listed.contains($0) }
    guard !changed.isEmpty || !gone.isEmpty else { return }
    let registry = registry
    try await pool.write { session in
      try session.execute(
        """
        insert into jobs.observation_cursor as cursor (registry, model, created, last_updated)
        select $1, * from unnest($2::bytea[], $3::bigint[], $4::bigint[])
        on conflict (registry, model)
        do update set created = excluded.created, last_updated = excluded.last_updated
        """,
        [
          registry, changed.map { Array($0.name.utf8) }, changed.map(\.created), changed.map(\.lastUpdated),
        ])
      try session.execute(
        "delete from jobs.observation_cursor where registry = $1 and model = any($2::bytea[])",
        [registry, Array(gone)])
    }
  }
}
