/// Rows in columns for people: as wide as they need to be, two spaces between.
struct Table {
  private let headings: [String]
  private var rows: [[String]] = []

  init(_ headings: [String]) { self.headings = headings }

  mutating func add(_ row: [String]) { rows.append(row.map(Sentence.printable)) }

  /// The lines, headings first; nothing for a table without rows.
  var lines: [String] {
    guard !rows.isEmpty else { return [] }
    let all = [headings] + rows
    let widths = headings.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
    return all.map { row in
      let cells = zip(row, widths).map { cell, width in
        cell + String(repeating: " ", count: width - cell.count)
      }
      let line = "  " + cells.joined(separator: "  ")
      return String(line.reversed().drop { $0 == " " }.reversed())
    }
  }

  func print() {
    for line in lines { Console.data(line) }
  }
}
