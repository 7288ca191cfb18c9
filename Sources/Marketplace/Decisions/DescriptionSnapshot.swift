extension ModelDescribed {
  /// Tags with this prefix are ours; they are neither copied nor described.
  public static let ownTagPrefix = "marketplace."
  /// A description is kept up to so many bytes of UTF-8; MLflow's own limit is 5,000 characters.
  public static let descriptionBytesMax = 20_000
  /// A key or value of a tag or parameter is kept up to so many bytes of UTF-8.
  public static let entryBytesMax = 1_000
  /// The most tags, parameters or metrics kept of one snapshot.
  public static let entriesMax = 100
  /// A part of a signature that is longer, in bytes of UTF-8, is left out: cut, it would be no JSON.
  public static let signatureBytesMax = 100_000

  /// A bounded snapshot of what the source says. Our own tags are left out; what is too long is cut, so that a
  /// snapshot always fits into an event.
  public static func snapshot(
    model: ModelID, name: String, version: Int? = nil, description: String?, tags: [String: String]
  ) -> ModelDescribed {
    let kept = bounded(tags.filter { !$0.key.hasPrefix(ownTagPrefix) })
    return ModelDescribed(
      model: model.text, name: name, version: version,
      description: description.flatMap { $0.isEmpty ? nil : $0.kept(bytes: descriptionBytesMax) },
      owner: kept["owner"], tags: kept)
  }

  /// The first entries by key, each text cut to its limit.
  public static func bounded(_ entries: [String: String]) -> [String: String] {
    Dictionary(
      entries.sorted { $0.key < $1.key }.prefix(entriesMax).map {
        ($0.key.kept(bytes: entryBytesMax), $0.value.kept(bytes: entryBytesMax))
      }, uniquingKeysWith: { first, _ in first })
  }

  /// The parts of a signature that are not too long.
  public static func bounded(signature: [String: String]) -> [String: String] {
    signature.filter { $0.value.utf8.count <= signatureBytesMax && !$0.value.utf8.contains(0) }
  }

  /// Whether a snapshot adds nothing to an earlier one. The name is the rename's business, and a model about
  /// which the source says nothing needs no first snapshot.
  func saysTheSame(as earlier: ModelDescribed?) -> Bool {
    guard var earlier else { return description == nil && tags.isEmpty }
    earlier.name = name
    return earlier == self
  }
}

extension String {
  /// The text as an event can hold it: cut to so many bytes of UTF-8 between characters, and U+FFFD for NUL, which
  /// PostgreSQL's JSON does not take.
  public func kept(bytes: Int) -> String {
    var result = ""
    var count = 0
    for character in self {
      count += character.utf8.count
      guard count <= bytes else { break }
      result.append(character == "\0" ? "\u{fffd}" : character)
    }
    return result
  }
}
