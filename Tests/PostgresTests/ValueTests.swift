import Foundation
import Postgres
import TestSupport
import Testing

@Suite struct ValueTests {
  static let database = Task { try await TestCluster.createDatabase() }

  func pool() async throws -> PostgresPool { try await Self.database.value.pool(connectionsMax: 2) }

  static let uuid = UUID(uuidString: "0193A1B2-C3D4-7E5F-8A9B-0C1D2E3F4A5B") ?? UUID()
  static let moment = Timestamp(microseconds: 1_763_883_416_123_456)

  @Test("every parameter type comes back as it went, in binary and in text results")
  func roundTrip() async throws {
    let pool = try await pool()
    // A numeric column makes the server's whole answer text.
    for extra in ["", ", 1.5::numeric AS n"] {
      try await pool.read { session in
        let sql = """
          SELECT $1 AS i8, $2 AS i4, $3 AS i2, $4 AS yes, $5 AS d, $6::text AS s, $7 AS u, $8 AS b, $9 AS t,
            $10::json AS j, $11::jsonb AS jb, false AS no\(extra)
          """
        let row = try #require(
          try session.query(
            sql,
            [
              Int.min, Int32.max, Int16.min, true, -0.1, "ü \\ \"'\n\t{} 🦊", Self.uuid,
              [UInt8](0...255), Self.moment, "{\"b\": 1, \"a\":2}", "{\"b\": [1,2]}",
            ]
          ).first)
        #expect(try row.int("i8") == Int.min)
        #expect(try row.int64("i4") == Int64(Int32.max))
        #expect(try row.int("i2") == Int(Int16.min))
        #expect(try row.bool("yes") == true)
        #expect(try row.bool("no") == false)
        #expect(try row.double("d") == -0.1)
        #expect(try row.string("s") == "ü \\ \"'\n\t{} 🦊")
        #expect(try row.uuid("u") == Self.uuid)
        #expect(try row.bytes("b") == [UInt8](0...255))
        #expect(try row.timestamp("t") == Self.moment)
        #expect(try row.string("j") == "{\"b\": 1, \"a\":2}")
        #expect(try row.string("jb") == "{\"b\": [1, 2]}")
        if !extra.isEmpty {
          #expect(try row.string("n") == "1.5")
          #expect(try row.double("n") == 1.5)
        }
      }
    }
    await pool.close()
  }

  @Test("arrays keep their order, their NULL elements and their awkward strings")
  func arrays() async throws {
    let pool = try await pool()
    let strings: [String?] = ["a", nil, "", "NULL", "b \"c\" \\ {,}", "ü\n"]
    for extra in ["", ", 1.5::numeric AS n"] {
      try await pool.read { session in
        let row = try #require(
          try session.query(
            """
            SELECT $1 AS s, $2 AS i8, $3 AS i2, $4 AS u, $5 AS t, $6 AS b, $7 AS bytes, $8 AS none,
              $9 AS d, $10 AS i4\(extra)
            """,
            [
              strings, [Int64.min, nil, 3] as [Int64?], [1, -2] as [Int16], [Self.uuid], [Self.moment],
              [true, false], [[1, 2], [], [0]] as [[UInt8]], [String](), [0.5, -.infinity], [Int32.max],
            ]
          ).first)
        #expect(try row.nullableStrings("s") == strings)
        #expect(try row.nullableInts("i8") == [Int.min, nil, 3])
        #expect(try row.ints("i2") == [1, -2])
        #expect(try row.uuids("u") == [Self.uuid])
        #expect(try row.timestamps("t") == [Self.moment])
        #expect(try row.bools("b") == [true, false])
        #expect(try row.byteArrays("bytes") == [[1, 2], [], [0]])
        #expect(try row.strings("none") == [])
        #expect(try row.doubles("d") == [0.5, -.infinity])
        #expect(try row.ints("i4") == [Int(Int32.max)])
        let error = try #require(throws: PostgresError.self) { try row.strings("s") }
        #expect(error.message == "Element 2 of column \"s\" is NULL where text was expected.")
        #expect(throws: PostgresError.self) { try row.ints("s") }
        #expect(throws: PostgresError.self) { try row.string("s") }
      }
    }
    await pool.close()
  }

  @Test("arrays of optional elements go into every array type")
  func optionalElements() async throws {
    let pool = try await pool()
    try await pool.write { session in
      try session.executeScript(
        "CREATE TABLE o (s text[], i8 bigint[], i2 smallint[], u uuid[], t timestamptz[], b bytea[], yes boolean[])"
      )
      try session.execute(
        "INSERT INTO o VALUES ($1, $2, $3, $4, $5, $6, $7)",
        [
          [nil, "x"] as [String?], [nil, 1] as [Int64?], [nil, 2] as [Int16?], [nil, Self.uuid] as [UUID?],
          [nil, Self.moment] as [Timestamp?], [nil, [1]] as [[UInt8]?], [nil, true] as [Bool?],
        ])
      let counts = try session.query(
        """
        SELECT array_position(s, NULL) s, array_position(i8, NULL) i8, array_position(i2, NULL) i2,
          array_position(u, NULL) u, array_position(t, NULL) t, array_position(b, NULL) b,
          array_position(yes, NULL) yes FROM o
        """)
      for column in counts[0].columns { #expect(try counts[0].int(column) == 1) }
    }
    await pool.close()
  }

  @Test("NULL of every kind goes in and comes out as nil, and a plain accessor names the column")
  func nulls() async throws {
    let pool = try await pool()
    try await pool.read { session in
      let missing: Int? = nil
      let row = try session.query(
        """
        SELECT $1::bigint i, $2::text s, $3::boolean b, $4::float8 d, $5::uuid u, $6::bytea by,
          $7::timestamptz t, $8::text[] ss, $9::bigint[] ii
        """, [missing, nil, nil, nil, nil, nil, nil, nil, nil])[0]
      #expect(try row.isNull("i"))
      #expect(try row.optionalInt("i") == nil)
      #expect(try row.optionalInt64("i") == nil)
      #expect(try row.optionalString("s") == nil)
      #expect(try row.optionalBool("b") == nil)
      #expect(try row.optionalDouble("d") == nil)
      #expect(try row.optionalUUID("u") == nil)
      #expect(try row.optionalBytes("by") == nil)
      #expect(try row.optionalTimestamp("t") == nil)
      #expect(try row.optionalStrings("ss") == nil)
      #expect(try row.optionalInts("ii") == nil)
      let error = try #require(throws: PostgresError.self) { try row.int("i") }
      #expect(error.code == .decoding)
      #expect(error.message == "Column \"i\" is NULL where an integer was expected.")
    }
    await pool.close()
  }

  @Test("a value of another type is refused with column, type and wish, never with the value")
  func mismatch() async throws {
    let pool = try await pool()
    try await pool.read { session in
      let row = try session.query("SELECT 7::bigint AS i, 'secret' AS s, 'infinity'::timestamptz AS t")[0]
      let error = try #require(throws: PostgresError.self) { try row.uuid("i") }
      #expect(error.message == "Column \"i\" is of type bigint, which cannot be read as a uuid.")
      let other = try #require(throws: PostgresError.self) { try row.int("s") }
      #expect(!other.description.contains("secret"))
      let infinite = try #require(throws: PostgresError.self) { try row.timestamp("t") }
      #expect(infinite.message.contains("it is infinite"))
      let unknown = try #require(throws: PostgresError.self) { try row.int("nope") }
      #expect(unknown.message == "There is no column \"nope\" in the result; its columns are i, s, t.")
      let twice = try session.query("SELECT 1 AS a, 2 AS a")[0]
      #expect(throws: PostgresError.self) { try twice.int("a") }
      #expect(throws: PostgresError.self) {
        try session.query("SELECT '{{1,2},{3,4}}'::bigint[] m")[0].ints("m")
      }
    }
    await pool.close()
  }

  @Test("a NUL in a text, an array or a statement is refused and nothing is cut off")
  func nul() async throws {
    let pool = try await pool()
    try await pool.read { session in
      let error = try #require(throws: PostgresError.self) {
        try session.query("SELECT $1::text, $2::text", ["a", "b\0c"])
      }
      #expect(error.code == .invalidParameter)
      #expect(error.message == "Parameter $2: The text holds a NUL character, which PostgreSQL cannot store.")
      #expect(throws: PostgresError.self) { try session.query("SELECT $1", [["x\0"]]) }
      #expect(throws: PostgresError.self) { try session.query("SELECT 1\0") }
      #expect(throws: PostgresError.self) { try session.executeScript("SELECT 1;\0 SELECT 2") }
      #expect(try session.query("SELECT 1 AS one")[0].int("one") == 1)
    }
    await pool.close()
  }

  @Test("large values come back whole")
  func large() async throws {
    let pool = try await pool()
    let text = String(repeating: "ä", count: 8 << 20)
    let bytes = [UInt8](repeating: 0, count: 16 << 20)
    let numbers = Array(Int64(0)..<200_000)
    let row = try await pool.read { session in
      try session.query("SELECT $1::text AS s, $2 AS b, $3 AS n", [text, bytes, numbers])[0]
    }
    #expect(try row.string("s") == text)
    #expect(try row.bytes("b") == bytes)
    #expect(try row.ints("n").count == 200_000)
    await pool.close()
  }

  @Test("a short-lived type of NULL does not spoil the cache of prepared statements")
  func untypedNull() async throws {
    let pool = try await pool()
    try await pool.write { session in
      try session.executeScript("CREATE TEMPORARY TABLE n (i bigint, t timestamptz)")
      for value in [nil, 5, nil, 7] as [Int?] {
        try session.execute("INSERT INTO n VALUES ($1, $2)", [value, value == nil ? Self.moment : nil])
      }
      let row = try session.query("SELECT count(i) i, count(t) t FROM n")[0]
      #expect(try row.int("i") == 2)
      #expect(try row.int("t") == 2)
      #expect(
        try session.query("SELECT count(*) c FROM pg_prepared_statements WHERE statement LIKE 'INSERT%'")[0]
          .int("c") <= 3)
    }
    await pool.close()
  }
}
