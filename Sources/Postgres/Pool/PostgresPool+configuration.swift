extension PostgresPool {
  /// Where and how a pool connects. A setting made in the connection string wins over the same one here.
  public struct Configuration: Sendable {
    /// A connection string of libpq: `postgresql://…` or `host=… dbname=…`. TLS is part of it: `sslmode`,
    /// `sslrootcert` and so on.
    public var conninfo: String
    /// How many connections there are at most.
    public var connectionsMax: Int
    /// Shown in `pg_stat_activity`.
    public var applicationName = "marketplace"
    /// How long to wait for a free connection.
    public var acquireTimeout: Duration = .seconds(30)
    /// How long to wait for a connection that is in use before another is opened. On one that is new, the first append
    /// plans its statements for 36 ms; one in use is given back after 5 (both measured on PostgreSQL 15, two processors).
    public var openingDelay: Duration = .milliseconds(30)
    /// How long to wait for each host to answer; whole seconds, at least 2.
    public var connectTimeout: Duration = .seconds(10)
    /// The server's `statement_timeout`; nil leaves the server's own.
    public var statementTimeout: Duration? = .seconds(300)
    /// The server's `lock_timeout`; nil leaves the server's own.
    public var lockTimeout: Duration? = .seconds(30)
    /// The server's `idle_in_transaction_session_timeout`; nil leaves the server's own.
    public var idleInTransactionTimeout: Duration? = .seconds(60)
    /// How many prepared statements a connection keeps.
    public var statements_max = 256
    /// Gets the server's notices, on the thread of a connection. Without it they are dropped.
    public var onNotice: (@Sendable (PostgresNotice) -> Void)?

    /// Settings for `conninfo`; all others have defaults.
    public init(conninfo: String, connectionsMax: Int = 8) {
      self.conninfo = conninfo
      self.connectionsMax = connectionsMax
    }

    var settings: ConnectionSettings {
      ConnectionSettings(
        conninfo: conninfo, applicationName: applicationName, connectTimeout: connectTimeout,
        statementTimeout: statementTimeout, lockTimeout: lockTimeout,
        idleInTransactionTimeout: idleInTransactionTimeout, statements_max: statements_max, onNotice: onNotice
      )
    }
  }
}
