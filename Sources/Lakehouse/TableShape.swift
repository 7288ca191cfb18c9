import Postgres

/// A table as it is published: where its rows come from, and its columns in the types of Delta.
struct TableShape {
  /// A column of a published table.
  struct Column {
    var name: String
    /// A type of the writer: string, long, integer, boolean, timestamp or strings.
    var type: String
    var comment: String
    /// What gives its text, from a row `q`.
    var expression: String
  }

  /// The name.
  let name: String
  let columns: [Column]
  /// A query of the rows as of `$position`, or between `$after` and `$position`.
  let source: String

  /// What is published, and replaced as a whole.
  static let views = ["catalog", "export_summary", "import_summary", "stage_history"]

  /// A view of the contract, by its as-of function.
  ///
  /// - Throws: `PostgresError`.
  static func view(_ name: String, _ session: Session) throws -> TableShape {
    let rows = try session.query(
      """
      SELECT a.attname AS name, format_type(a.atttypid, -1) AS type, coalesce(col_description(a.attrelid, a.attnum), '') AS comment
      FROM pg_attribute a
      WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
      """, ["marketplace.\(name)"])
    let columns = try rows.flatMap { row in
      published(try row.string("name"), try row.string("type"), try row.string("comment"))
    }
    return TableShape(name: name, columns: columns, source: "marketplace.\(name)_at($position::bigint)")
  }

  /// The events themselves. Salts stay in the ledger.
  ///
  /// - Throws: `PostgresError`.
  static func events(_ session: Session) throws -> TableShape {
    let wanted = [
      "position", "workspace", "sequence", "stream", "version", "id", "type", "type_version", "recorded_at",
      "occurred_at",
      "principal", "run", "cause_workspace", "cause_sequence", "nth", "data", "data_hash",
    ]
    let rows = try session.query(
      """
      SELECT a.attname AS name, format_type(a.atttypid, -1) AS type, coalesce(col_description(a.attrelid, a.attnum), '') AS comment
      FROM pg_attribute a WHERE a.attrelid = 'ledger.events'::regclass AND a.attname = ANY ($1)
      ORDER BY array_position($1, a.attname::text)
      """, [wanted])
    let columns = try rows.flatMap { row in
      published(try row.string("name"), try row.string("type"), try row.string("comment"))
    }
    return TableShape(
      name: "events", columns: columns,
      source: "ledger.sealed_events($after::bigint, $position::bigint - $after::bigint)")
  }

  /// A query of the rows as text.
  func query(after: Int64, through position: Int64) -> String {
    let source = source.replacing("$position", with: "\(position)").replacing("$after", with: "\(after)")
    return "SELECT \(columns.map(\.expression).joined(separator: ", ")) FROM \(source) q"
  }

  /// A range has no counterpart: its ends are columns, and whether it is empty another.
  private static func published(_ name: String, _ type: String, _ comment: String) -> [Column] {
    let quoted = "q.\"\(name)\""
    func column(_ type: String, _ expression: String, _ suffix: String = "", _ more: String = "") -> Column {
      Column(name: name + suffix, type: type, comment: comment + more, expression: expression)
    }
    func time(_ expression: String) -> String {
      "to_char(\(expression) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
    }
    switch type {
    case "bigint": return [column("long", quoted)]
    case "integer", "smallint": return [column("integer", quoted)]
    case "boolean": return [column("boolean", quoted)]
    case "timestamp with time zone": return [column("timestamp", time(quoted))]
    case "text[]": return [column("strings", "array_to_json(\(quoted))::text")]
    case "bytea": return [column("string", "encode(\(quoted), 'hex')")]
    case "tstzrange":
      return [
        column("timestamp", time("lower(\(quoted))"), "_from", " Its beginning; null when it is unbounded or empty."),
        column("timestamp", time("upper(\(quoted))"), "_to", " Its end; null when it is unbounded or empty."),
        column("boolean", "isempty(\(quoted))", "_empty", " Whether it is empty: never."),
      ]
    default: return [column("string", "\(quoted)::text")]
    }
  }
}
