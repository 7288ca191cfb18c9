/// Lets the global options stand before the command as well as after it: `marketplace --config FILE sync`.
enum LeadingOptions {
  private static let valued: Set<String> = ["--config", "--database", "--data", "--storage", "--output", "-o"]
  private static let flags: Set<String> = ["--quiet", "-q"]

  /// The arguments with leading global options moved behind the command, where the parser knows them.
  static func moved(_ arguments: [String]) -> [String] {
    var leading: [String] = []
    var rest = arguments[...]
    while let first = rest.first {
      let name = String(first.prefix { $0 != "=" })
      if flags.contains(first) || (valued.contains(name) && first.contains("=")) {
        leading.append(first)
        rest = rest.dropFirst()
      } else if valued.contains(first), rest.count > 1 {
        leading += rest.prefix(2)
        rest = rest.dropFirst(2)
      } else {
        break
      }
    }
    // What follows "--" are values, so the options go before it.
    let end = rest.firstIndex(of: "--") ?? rest.endIndex
    return rest.isEmpty ? arguments : Array(rest[..<end]) + leading + Array(rest[end...])
  }
}
