import Storage
import Transparency

/// The tiles that lie in storage, held against the events of somebody who has those that were published.
struct PublishedFiles {
  /// So many are read side by side.
  static let readsConcurrent = 8

  private let log: PublishedLog?
  private var growth = Growth(open: PublishedTree.Open(), entries: [])
  /// The widths in which each tile lies there, by the full one.
  private var widths: [Tile: [Int]] = [:]
  /// The same, whatever was compared already.
  private let lying: [Tile: [Int]]
  private var damage: [Damage] = []

  private struct Damage: Sendable {
    let position: Int64?
    /// The last position that the damaged tile stands for.
    var end: Int64 = 0
    let message: String
  }

  /// Lists what lies there.
  init(of log: PublishedLog?) async throws {
    self.log = log
    guard let log else {
      lying = [:]
      return
    }
    for path in try await log.tilePaths() {
      guard let tile = Tile(path: path) else {
        damage.append(Damage(position: nil, message: "\(log.folder)/\(path) is no tile of the log."))
        continue
      }
      widths[Tile(tile.content, index: tile.index), default: []].append(tile.count)
    }
    lying = widths
  }

  /// Takes in the next events, and compares the tiles that are full with them.
  mutating func compare(_ leaves: [[UInt8]]) async throws {
    guard log != nil else { return }
    try await compare(growth.append(leaves))
  }

  private mutating func compare(_ tiles: [(Tile, [UInt8])]) async throws {
    guard let log else { return }
    var files: [(Tile, [UInt8])] = []
    for (tile, bytes) in tiles {
      let full = Tile(tile.content, index: tile.index)
      for width in widths.removeValue(forKey: full) ?? [] {
        let there = Tile(tile.content, index: tile.index, count: width)
        if width <= tile.count {
          files.append((there, bytes))
        } else {
          damage.append(Self.beyond(there, in: log))
        }
      }
    }
    damage += try await withThrowingTaskGroup(of: Damage?.self) { group in
      var found: [Damage] = []
      for (number, (tile, bytes)) in files.enumerated() {
        if number >= Self.readsConcurrent, let one = try await group.next() ?? nil { found.append(one) }
        group.addTask { try await Self.difference(of: tile, from: bytes, in: log) }
      }
      for try await one in group { if let one { found.append(one) } }
      return found
    }
  }

  /// A tile of more than there is.
  private static func beyond(_ tile: Tile, in log: PublishedLog) -> Damage {
    Damage(
      position: nil, end: tile.positions.upperBound,
      message:
        "\(log.folder)/\(tile.path) is of positions \(tile.positions.lowerBound) to \(tile.positions.upperBound), and the "
        + "log does not have them all.")
  }

  /// The first thing in a published tile that is not as the events have it.
  private static func difference(of tile: Tile, from bytes: [UInt8], in log: PublishedLog) async throws -> Damage? {
    let name = "\(log.folder)/\(tile.path)"
    let found: [UInt8]
    do {
      guard let bytes = try await log.bytes(at: tile.path) else { return nil }
      found = bytes
    } catch let error as AuditError where error.code == .published {
      return Damage(position: tile.positions.lowerBound, message: "\(error)")
    }
    switch tile.content {
    case .entries:
      let wanted = Array((Tile.entries(in: bytes) ?? []).prefix(tile.count))
      guard found != Tile.bundle(wanted) else { return nil }
      let there = Tile.entries(in: found) ?? []
      let place = wanted.indices.first { $0 >= there.count || there[$0] != wanted[$0] } ?? 0
      let position = tile.range.lowerBound + Int64(place) + 1
      return Damage(
        position: position, end: tile.positions.upperBound,
        message: "\(name) does not hold the event at position \(position) as it was published.")
    case .hashes:
      let wanted = Array(bytes.prefix(tile.count * MerkleHash.byteCount))
      guard found != wanted else { return nil }
      let place = wanted.indices.first { $0 >= found.count || found[$0] != wanted[$0] } ?? 0
      let position = tile.first(at: place / MerkleHash.byteCount)
      return Damage(
        position: position, end: tile.positions.upperBound,
        message: "\(name) does not have the hash over position \(position).")
    }
  }

  /// Compares the tiles that are not full, and says what is wrong or missing of the log of a size.
  mutating func finish(upTo size: Int64, _ report: inout LogVerification.Report) async throws {
    guard let log else { return }
    try await compare(growth.rest())
    for tile in Tile.added(to: size) {
      let there = lying[Tile(tile.content, index: tile.index)] ?? []
      guard !there.contains(where: { $0 == tile.count || $0 == Tile.width }) else { continue }
      damage.append(Damage(position: tile.positions.lowerBound, message: "\(log.folder)/\(tile.path) is missing."))
    }
    for (tile, counts) in widths {
      damage += counts.map { Self.beyond(Tile(tile.content, index: tile.index, count: $0), in: log) }
    }
    // No checkpoint promises what lies beyond it.
    let signed = report.newest?.size ?? 0
    for one in damage.sorted(by: { ($0.position ?? .max, $0.message) < ($1.position ?? .max, $1.message) }) {
      report.add(.published, at: one.position, one.message + (one.end > signed ? PublishedLog.unsignedHint : ""))
    }
  }
}

extension Tile {
  /// The first position that its hash at some place, or its entry there, stands for.
  fileprivate func first(at place: Int) -> Int64 {
    let number = range.lowerBound + Int64(place)
    return switch content {
    case .entries: number + 1
    case .hashes(let level): number << (Self.height * level) + 1
    }
  }
}
