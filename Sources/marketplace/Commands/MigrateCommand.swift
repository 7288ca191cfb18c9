import ArgumentParser
import Ledger
import Postgres

/// `marketplace migrate`
struct MigrateCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "migrate", abstract: "Bring the database's schema up to date.",
    discussion: """
      Safe to run twice and from two places at once. An applied migration that was edited is refused. For example:
        marketplace migrate --database 'dbname=marketplace user=marketplace_admin'
      """)
  @OptionGroup var options: GlobalOptions

  private struct JSON: Encodable {
    var schema = "marketplace.migrate/1"
    var applied: [String]
  }

  func run() async throws {
    let settings = try Settings(options)
    let place = try await Workplace.connect(settings, options: options)
    do {
      let applied = try await Migrator(place.pool).migrate()
      await place.pool.close()
      switch options.output {
      case .json: try JSONOutput.print(JSON(applied: applied))
      case .table:
        for name in applied { Console.data("  applied \(name)") }
        Console.data(
          applied.isEmpty ? "  the schema is up to date" : "  \(Sentence.count(applied.count, "migration")) applied")
      }
    } catch {
      await place.pool.close()
      throw error
    }
  }
}
