public import Postgres

/// What is known of a workspace, or of a version in it, at a time.
public struct ProductionAnswer: Sendable, Hashable {
  /// How sure it is.
  public struct Certainty: Sendable, Hashable, RawRepresentable {
    /// The word of `marketplace.in_production_at`.
    public let rawValue: String

    /// A certainty by its word.
    public init(rawValue: String) { self.rawValue = rawValue }

    /// Two observations around that time agree.
    public static let certain = Self(rawValue: "certain")
    /// The time lies between the observations that bracket a change, or after the last one.
    public static let possible = Self(rawValue: "possible")
    /// The workspace was not read around that time: there may have been others.
    public static let unknown = Self(rawValue: "unknown")
  }

  /// The source workspace.
  public var workspace: String
  /// The version that the source meant; nil in an answer about the workspace as a whole.
  public var spell: Spell?
  /// How sure it is.
  public var certainty: Certainty
  /// Why it is not certain.
  public var reason: String?
}

extension Catalog {
  /// What each source meant at a time, by everything that is known now.
  ///
  /// Never a plain no where nobody had looked: a workspace that was not read around that time has an answer of its
  /// own that says `unknown`.
  public func production(at time: Timestamp) async throws -> [ProductionAnswer] {
    try await pool.withSession { session in
      try session.query(
        """
        SELECT workspace, model, name, version, created, NULL::text AS label, answer, reason, from_sequence,
          to_sequence, \(TimeRange.columns("certain")), \(TimeRange.columns("possible"))
        FROM marketplace.in_production_at($1)
        ORDER BY workspace, name, model, version
        """, [time]
      ).map { row in
        ProductionAnswer(
          workspace: try row.string("workspace"), spell: try row.isNull("model") ? nil : Spell(row),
          certainty: .init(rawValue: try row.string("answer")), reason: try row.optionalString("reason"))
      }
    }
  }
}
