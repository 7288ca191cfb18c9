/// What entries have of one facet: each value once, and for each entry the numbers of its values.
struct FacetColumn: Sendable {
  let values: [String]
  /// Where the numbers of each entry begin, and where those of the last end.
  private let starts: [Int32]
  private let numbers: [Int32]

  init(_ facet: CatalogQuery.Facet, of entries: [CatalogEntry]) {
    var (known, values, starts, numbers) = ([String: Int32](), [String](), [Int32(0)], [Int32]())
    for entry in entries {
      for value in facet.values(of: entry) {
        let number = known[value] ?? Int32(values.count)
        if known[value] == nil {
          known[value] = number
          values.append(value)
        }
        numbers.append(number)
      }
      starts.append(Int32(numbers.count))
    }
    (self.values, self.starts, self.numbers) = (values, starts, numbers)
  }

  /// The numbers of an entry's values.
  func numbers(of entry: Int) -> ArraySlice<Int32> { numbers[Int(starts[entry])..<Int(starts[entry + 1])] }
}
