import Transparency

extension LogEntry {
  /// What it is, for people.
  var name: String {
    let fields = Dictionary(fields.map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first })
    return "\(fields["type"] ?? "?") \(fields["id"] ?? "?") of \(fields["workspace"] ?? "?")"
  }
}

/// Somebody's entries beside the published ones, from the last position on up to which they are known to be the same.
struct Comparison {
  /// So many entries are read at once.
  static let entriesAtOnce = 1_024

  let log: PublishedLog
  let entries: any LogEntries
  /// The tree of what is the same.
  let good: MerkleFrontier
  /// The one that the entries do not come to.
  let checkpoint: Checkpoint
  /// The last position that the entries are of: what comes later is not missing.
  let end: Int64
  /// The size of the newest published log that is believed: what stands in another's place may come from beyond `checkpoint`.
  let newest: Int64

  struct Difference {
    let kind: LogVerification.Finding.Kind
    let position: Int64
    let message: String
  }

  private var size: Int64 { checkpoint.size }

  /// The first that differ. The published entries are believed where they have the checkpoint's root; where they do not,
  /// the published hashes are, if these have it, and it is said which entry is damaged besides.
  ///
  /// - Throws: ``AuditError`` with `.published` when neither have it.
  func differences() async throws -> [Difference] {
    let (damaged, entriesRoot, hashesRoot) = try await read()
    guard entriesRoot != checkpoint.root else {
      guard let first = try await first() else { throw contradiction() }
      guard let damaged, hashesRoot != checkpoint.root else { return [first] }
      return [
        first,
        Difference(
          kind: .published, position: damaged,
          message: "The published hash of the event at position \(damaged) is not the one that was signed."),
      ]
    }
    guard hashesRoot == checkpoint.root else { throw contradiction() }
    var differences: [Difference] = []
    if let here = try await firstOfHashes() { differences.append(here) }
    if let damaged {
      differences.append(
        Difference(
          kind: .published, position: damaged,
          message: "The published entry at position \(damaged) is not the one that was signed."))
    }
    return differences
  }

  private func contradiction() -> AuditError {
    AuditError(
      .published,
      "what is published of positions \(good.size + 1) to \(size) does not have the root of the checkpoint either.")
  }

  /// The first entry that does not have its published hash, and the roots that entries and hashes come to; `nil` where
  /// some are missing.
  private func read() async throws -> (damaged: Int64?, entries: MerkleHash?, hashes: MerkleHash?) {
    var (ofEntries, ofHashes): (MerkleFrontier?, MerkleFrontier?) = (good, good)
    var damaged: Int64?
    var place = good.size
    while place < size {
      let (entries, hashes) = (
        try await ifThere { try await published(after: place) },
        try await ifThere { try await self.hashes(after: place) }
      )
      if let entries { for entry in entries { ofEntries?.append(.leaf(entry)) } } else { ofEntries = nil }
      if let hashes { for hash in hashes { ofHashes?.append(hash) } } else { ofHashes = nil }
      if damaged == nil, let hashes {
        let wrong = hashes.indices.first { place in entries.map { .leaf($0[place]) != hashes[place] } ?? true }
        damaged = wrong.map { place + Int64($0) + 1 }
      }
      place += Int64(width(after: place))
    }
    return (damaged, ofEntries?.root, ofHashes?.root)
  }

  private func ifThere<Value>(_ body: () async throws -> Value) async throws -> Value? {
    do {
      return try await body()
    } catch let error as AuditError where error.code == .published {
      return nil
    }
  }

  /// The first that differ; `nil` when none do.
  private func first() async throws -> Difference? {
    var place = good.size
    while place < size {
      let published = try await self.published(after: place)
      let here = try await entries.entries(after: place, limit: published.count)
      for (offset, entry) in published.enumerated() {
        let position = place + Int64(offset) + 1
        guard position <= end else { return nil }
        guard offset < here.count, here[offset].position == position, here[offset].leaf == entry else {
          return try await difference(at: position)
        }
      }
      place += Int64(published.count)
    }
    return nil
  }

  /// The same by the hashes alone: what was published there cannot be said.
  private func firstOfHashes() async throws -> Difference? {
    var place = good.size
    while place < size {
      let published = try await hashes(after: place)
      let here = try await entries.entries(after: place, limit: published.count)
      for (offset, hash) in published.enumerated() {
        let position = place + Int64(offset) + 1
        guard position <= end else { return nil }
        guard offset < here.count, here[offset].position == position else {
          let isEnd = here.isEmpty
          return Difference(
            kind: isEnd ? .truncated : .deleted, position: position,
            message: isEnd
              ? "From position \(position) to \(size) the events are gone."
              : "At position \(position) the event is gone.")
        }
        guard .leaf(here[offset].leaf) == hash else {
          return Difference(
            kind: .differs, position: position,
            message:
              "At position \(position) stands \(here[offset].name), which is not what was published: it does not have the "
              + "published hash.")
        }
      }
      place += Int64(published.count)
    }
    return nil
  }

  /// How many entries there are from a position to the end of their tile.
  private func width(after place: Int64) -> Int {
    Int(min(Int64(Tile.width) - place % Int64(Tile.width), size - place))
  }

  private func tile(_ content: Tile.Content, after place: Int64, of size: Int64) -> Tile {
    let index = place >> Tile.height
    return Tile(content, index: index, count: Int(min(Int64(Tile.width), size - index << Tile.height)))
  }

  /// The published entries from a position to the end of their tile, of the log of some size.
  private func published(after place: Int64, of size: Int64) async throws -> [[UInt8]] {
    Array(try await log.entries(tile(.entries, after: place, of: size)).dropFirst(Int(place % Int64(Tile.width))))
  }

  /// Those of the checkpoint's log.
  private func published(after place: Int64) async throws -> [[UInt8]] { try await published(after: place, of: size) }

  private func hashes(after place: Int64) async throws -> [MerkleHash] {
    Array(
      try await log.hashes(tile(.hashes(level: 0), after: place, of: size)).dropFirst(Int(place % Int64(Tile.width))))
  }

  private func difference(at position: Int64) async throws -> Difference {
    guard let leaf = try await published(after: position - 1).first else { throw contradiction() }
    let wanted = LogEntry(position: position, leaf: leaf, dataFits: nil)
    let place = "At position \(position)"
    guard let found = try await entries.entries(after: position - 1, limit: 1).first, found.position == position else {
      let isEnd = try await entries.entries(after: position - 1, limit: 1).isEmpty
      return Difference(
        kind: isEnd ? .truncated : .deleted, position: position,
        message: isEnd
          ? "From position \(position) to \(size) the events are gone, \(wanted.name) first."
          : "\(place) \(wanted.name) is gone.")
    }
    if found.id == wanted.id {
      let said = Dictionary(wanted.fields.map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first })
      let changed = found.fields.filter { said[$0.name] != $0.value }.map { "\($0.name) \($0.value)" }
      return Difference(
        kind: .edited, position: position,
        message: "\(place) \(wanted.name) was edited: it has \(changed.joined(separator: ", ")) now.")
    }
    let isLater = try await isPublished(found, after: position)
    let comesLater = try await isHere(wanted, after: position)
    let kind: LogVerification.Finding.Kind =
      isLater && comesLater ? .reordered : isLater ? .deleted : comesLater ? .inserted : .forked
    let what =
      switch kind {
      case .reordered: "stands \(found.name), which was published after \(wanted.name)"
      case .deleted: "\(wanted.name) is gone, and \(found.name) has its place"
      case .inserted: "stands \(found.name), which was never published, before \(wanted.name)"
      default: "stands \(found.name), and \(wanted.name) was published"
      }
    return Difference(kind: kind, position: position, message: "\(place) \(what).")
  }

  /// Whether an event was published at a later position. Of what is beyond the checkpoint, a tile that is missing or
  /// damaged only leaves the answer open: no.
  private func isPublished(_ entry: LogEntry, after position: Int64) async throws -> Bool {
    guard let id = entry.quotedID else { return false }
    var place = position
    while place < max(size, newest) {
      let later =
        place < size
        ? try await published(after: place) : try await ifThere { try await published(after: place, of: newest) } ?? []
      guard !later.isEmpty else { return false }
      if later.contains(where: { $0.holds(id) && LogEntry(position: 0, leaf: $0, dataFits: nil).id == entry.id }) {
        return true
      }
      place += Int64(later.count)
    }
    return false
  }

  /// Whether a published event stands at a later position here.
  private func isHere(_ entry: LogEntry, after position: Int64) async throws -> Bool {
    guard let id = entry.quotedID else { return false }
    var place = position
    while true {
      let later = try await entries.entries(after: place, limit: Self.entriesAtOnce)
      guard let last = later.last else { return false }
      if later.contains(where: { $0.leaf.holds(id) && $0.id == entry.id }) { return true }
      place = last.position
    }
  }
}

extension LogEntry {
  /// The event's id; `nil` where the leaf is none.
  fileprivate var id: String? { fields.first { $0.name == "id" }?.value }
  /// The id as it stands in the leaf.
  fileprivate var quotedID: [UInt8]? { id.map { Array("\"\($0)\"".utf8) } }
}
