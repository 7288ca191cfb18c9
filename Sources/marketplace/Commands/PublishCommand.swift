import ArgumentParser
import Foundation
import Lakehouse
import Synchronization

/// `marketplace publish`
struct PublishCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "publish", abstract: "Write the tables that analysts read as Delta tables, for any engine.",
    discussion: """
      catalog, export_summary, import_summary and stage_history as of the last position of the ledger, and all events up to it, \
      into folder lakehouse of external storage. Doing it again publishes nothing twice; killed, it goes on. It needs a Python with \
      the packages deltalake and pyarrow: name it in the configuration, as lakehouse: python. For example:
        marketplace publish
      """)
  @OptionGroup var options: GlobalOptions

  private struct JSON: Encodable {
    var schema = "marketplace.publish/1"
    var location: String
    var position: Int64
    var tables: [Table]

    struct Table: Encodable {
      var name: String
      var rows: Int
      var written: Bool
    }
  }

  func run() async throws {
    let settings = try Settings(options)
    let isTold = options.output == .table
    let tables = Mutex<[JSON.Table]>([])
    let (position, location) = try await Workplace.use(settings, options: options) { place in
      let publisher = try await settings.lakehouse(place)
      try await place.sealToRead(settings)
      let position = try await publisher.publish { table in
        tables.withLock { $0.append(JSON.Table(name: table.table, rows: table.rows, written: table.isNew)) }
        if isTold {
          let name = table.table.padding(toLength: 16, withPad: " ", startingAt: 0)
          Console.data("  \(name)\(table.isNew ? "\(table.rows) rows" : "nothing new")")
        }
      }
      return (position, publisher.location)
    }
    switch options.output {
    case .json: try JSONOutput.print(JSON(location: location, position: position, tables: tables.withLock { $0 }))
    case .table: Console.data("  as of position \(position), in \(location)")
    }
  }
}
