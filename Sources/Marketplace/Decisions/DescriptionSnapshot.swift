extension ModelDescribed {
  /// Tags with this prefix are ours; they are neither copied nor described.
  public static let ownTagPrefix = "marketplace."
  /// A description is kept up to so many bytes of UTF-8; MLflow's own limit is 5,000 characters.
  public static let descriptionBytesMax = 20_000
  /// A name, or a key or value of a tag or parameter, is kept up to so many bytes of UTF-8.
  public static let entryBytesMax = 1_000
  /// The most tags, parameters, metrics or flavours kept of one snapshot.
  public static let entriesMax = 100
  /// Tags, parameters and metrics are each kept up to so many bytes of JSON, in which a byte may take six.
  public static let mapJSONBytesMax = 140_000
  /// Flavours are kept up to so many bytes of JSON.
  public static let flavorsJSONBytesMax = 50_000
  /// A part of a signature that is longer, in bytes of UTF-8, is left out: cut, it would be no JSON.
  public static let signatureBytesMax = 100_000
  /// The parts of a signature together are kept up to so many bytes of the event's JSON.
  public static let signatureJSONBytesMax = 400_000
  /// The parts that a signature has, in the order in which they are kept.
  public static let signatureParts = ["inputs", "outputs", "params"]

  /// A bounded snapshot of what the source says. Our own tags are left out; what is too long is cut, and
  /// ``cut`` says so. All bounds together stay below a ledger event's 1,048,576 bytes, whatever the source holds.
  public static func snapshot(
    model: ModelID, name: String, version: Int? = nil, description: String?, tags: [ExactText: String]
  ) -> ModelDescribed {
    var snapshot = ModelDescribed(
      model: model.text, name: name, version: version, description: nil, owner: nil, tags: [:])
    snapshot.description = snapshot.bounded(description, bytes: descriptionBytesMax, as: .description)
    let foreign = tags.filter { !$0.key.text.hasPrefix(ownTagPrefix) }
    snapshot.tags = snapshot.bounded(foreign, as: .tags)
    snapshot.set(owner: foreign["owner"])
    return snapshot
  }

  /// Takes in who owns it.
  public mutating func set(owner text: String?) { owner = bounded(text, bytes: Self.entryBytesMax, as: .owner) }

  /// Takes in the run's name.
  public mutating func set(runName text: String?) { runName = bounded(text, bytes: Self.entryBytesMax, as: .runName) }

  /// Takes in the experiment's name.
  public mutating func set(experiment text: String?) {
    experiment = bounded(text, bytes: Self.entryBytesMax, as: .experiment)
  }

  /// Takes in the run's parameters: the first by key, each text cut to its limit.
  public mutating func set(params entries: [ExactText: String]) { params = bounded(entries, as: .params) }

  /// Takes in the run's last metric values: the first by key.
  public mutating func set(metrics entries: [ExactText: Double]) {
    var budget = Self.mapJSONBytesMax
    var kept: [ExactText: MetricValue] = [:]
    for (key, value) in entries.sorted(by: { $0.key < $1.key }).prefix(Self.entriesMax) {
      let name = ExactText(key.text.kept(bytes: Self.entryBytesMax))
      budget -= name.text.jsonBytes + Self.numberJSONBytesMax
      guard budget >= 0 else { break }
      if name != key || kept[name] != nil { note(.metrics) }
      if kept[name] == nil { kept[name] = MetricValue(value) }
    }
    if kept.count < entries.count { note(.metrics) }
    metrics = kept
  }

  /// Takes in the names of the flavours: the first by name.
  public mutating func set(flavors names: [String]?) {
    guard let names else { return }
    var budget = Self.flavorsJSONBytesMax
    var kept: [String] = []
    for name in names.sorted(by: { ExactText($0) < ExactText($1) }).prefix(Self.entriesMax) {
      let text = name.kept(bytes: Self.entryBytesMax)
      budget -= text.jsonBytes + 1
      guard budget >= 0 else { break }
      if !text.isExactly(name) { note(.flavors) }
      kept.append(text)
    }
    if kept.count < names.count { note(.flavors) }
    flavors = kept
  }

  /// Takes in the parts of a signature that are not too long.
  public mutating func set(signature parts: [String: String]?) {
    guard let parts else { return }
    var budget = Self.signatureJSONBytesMax
    var kept: [String: String] = [:]
    for name in Self.signatureParts {
      guard let text = parts[name] else { continue }
      guard text.utf8.count <= Self.signatureBytesMax, !text.utf8.contains(0), text.jsonBytes <= budget else {
        continue
      }
      budget -= text.jsonBytes
      kept[name] = text
    }
    if kept.count < parts.count { note(.signature) }
    signature = kept
  }

  /// Whether a snapshot adds nothing to an earlier one. The name is the rename's business, and a model about
  /// which the source says nothing needs no first snapshot.
  public func saysTheSame(as earlier: ModelDescribed?) -> Bool {
    guard var earlier else { return version == nil && description == nil && tags.isEmpty }
    earlier.name = name
    // Byte for byte: an accent written another way is another text at the source.
    guard earlier == self, let bytes = try? ExactJSON.encode(self) else { return false }
    return (try? ExactJSON.encode(earlier)) == bytes
  }
}

extension ModelDescribed {
  /// A number in JSON, with its colon and comma, has at most so many bytes.
  private static let numberJSONBytesMax = 32

  private mutating func note(_ part: CodingKeys) {
    cut = Set((cut ?? []) + [part.stringValue]).sorted()
  }

  private mutating func bounded(_ text: String?, bytes: Int, as part: CodingKeys) -> String? {
    guard let text, !text.isEmpty else { return nil }
    let kept = text.kept(bytes: bytes)
    if !kept.isExactly(text) { note(part) }
    return kept
  }

  /// The first entries by key, each text cut to its limit.
  private mutating func bounded(_ entries: [ExactText: String], as part: CodingKeys) -> [ExactText: String] {
    var budget = Self.mapJSONBytesMax
    var kept: [ExactText: String] = [:]
    for (key, value) in entries.sorted(by: { $0.key < $1.key }).prefix(Self.entriesMax) {
      let name = ExactText(key.text.kept(bytes: Self.entryBytesMax))
      let text = value.kept(bytes: Self.entryBytesMax)
      budget -= name.text.jsonBytes + text.jsonBytes + 2
      guard budget >= 0 else { break }
      if name != key || !text.isExactly(value) { note(part) }
      if kept[name] == nil { kept[name] = text }
    }
    if kept.count < entries.count { note(part) }
    return kept
  }
}

extension String {
  /// The text as an event can hold it: cut to so many bytes of UTF-8 between characters, and U+FFFD for NUL, which
  /// PostgreSQL's JSON does not take.
  public func kept(bytes: Int) -> String {
    var result = ""
    var count = 0
    for character in self {
      let kept = character == "\0" ? "\u{fffd}" : character
      count += kept.utf8.count
      guard count <= bytes else { break }
      result.append(kept)
    }
    return result
  }

  /// The most bytes that it takes in JSON, quotes included.
  var jsonBytes: Int {
    utf8.reduce(2) { count, byte in
      count + (byte < 0x20 ? 6 : byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") ? 2 : 1)
    }
  }
}
