import Foundation
import Postgres
import TestSupport
import Testing

/// The dashboard of `ops/grafana`: what its panels ask is answered by an analyst's rights, in the shape that they draw.
@Suite("Dashboard")
struct DashboardTests {
  private struct Dashboard: Decodable {
    var panels: [Panel]
    var templating: Templating

    struct Templating: Decodable {
      var list: [Variable]
    }
    struct Variable: Decodable {
      var name: String
      var query: String
    }
    struct Panel: Decodable {
      var title: String
      var type: String
      var gridPos: Place
      var targets: [Target]
    }
    struct Place: Decodable {
      var x, y, w, h: Int
    }
    struct Target: Decodable {
      var rawSql: String
      var format: String
    }
  }

  /// What single figures are on the fixed history.
  private static let figures = [
    "Models that can be loaded": "7", "Not followed yet": "1", "Failing": "1", "Workspaces that cannot be read": "0",
  ]

  private static func dashboard() throws -> Dashboard {
    let file = URL(fileURLWithPath: #filePath).appending(path: "../../../ops/grafana/marketplace.json").standardized
    return try JSONDecoder().decode(Dashboard.self, from: Data(contentsOf: file))
  }

  /// A question with what Grafana puts into it: all workspaces, and the years of the history.
  private static func asked(_ sql: String) -> String {
    sql.replacing("${workspace:sqlstring}", with: "'dev01','dev02','dev03','dev04'")
      .replacing("$__timeFrom()", with: "'2025-06-01T00:00:00Z'")
      .replacing(/\$__timeFilter\((.*?)\)/) { "\($0.1) BETWEEN '2025-01-01' AND '2027-01-01'" }
  }

  @Test("every panel is answered, with rows, and a time first where it draws over time")
  func panels() async throws {
    let dashboard = try Self.dashboard()
    #expect(dashboard.panels.count >= 10)
    let database = try await hospitalHistory()
    let pool = PostgresPool(.init(conninfo: database.conninfo + " user=\(database.analyst)", connectionsMax: 1))
    for panel in dashboard.panels {
      let sql = Self.asked(try #require(panel.targets.first).rawSql)
      #expect(!sql.contains("$"), "\(panel.title) has a macro that this test does not know")
      try await pool.withSession { session in
        let rows = try session.query(sql)
        #expect(!rows.isEmpty, "\(panel.title)")
        if let wanted = Self.figures[panel.title] {
          let figure = try session.query(
            "SELECT to_jsonb(q) ->> (SELECT jsonb_object_keys(to_jsonb(q))) AS figure FROM (\(sql)) q")
          #expect(try figure[0].string("figure") == wanted, "\(panel.title)")
        }
        guard panel.targets[0].format == "time_series" else { return }
        let times = try session.query("SELECT DISTINCT pg_typeof(time)::text AS type FROM (\(sql)) q")
        #expect(try times.map { try $0.string("type") } == ["timestamp with time zone"], "\(panel.title)")
      }
    }
    let variable = try #require(dashboard.templating.list.first { $0.name == "workspace" })
    #expect(try await pool.withSession { try $0.query(variable.query) }.count == 4)
    await pool.close()
  }

  @Test("no panel lies over another, and none over the edge")
  func places() throws {
    let panels = try Self.dashboard().panels
    for (index, panel) in panels.enumerated() {
      let place = panel.gridPos
      #expect(place.x >= 0 && place.x + place.w <= 24 && place.h > 0, "\(panel.title)")
      for other in panels[(index + 1)...] {
        let apart =
          place.x + place.w <= other.gridPos.x || other.gridPos.x + other.gridPos.w <= place.x
          || place.y + place.h <= other.gridPos.y || other.gridPos.y + other.gridPos.h <= place.y
        #expect(apart, "\(panel.title) and \(other.title)")
      }
    }
  }
}
