import Transparency

/// The tree of a published checkpoint, read from its tiles.
struct PublishedTree: Sendable {
  let log: PublishedLog
  let size: Int64

  /// The last tile of each level of hashes, as far as it goes.
  struct Open: Sendable {
    /// The hashes of the last tile of each level that is not full; empty where the last one is.
    var hashes: [[MerkleHash]] = []
    var frontier = MerkleFrontier()
  }

  /// What is needed to go on: the open tiles, and the frontier that they and full ones make.
  ///
  /// - Throws: ``AuditError`` when tiles are missing or damaged.
  func open() async throws -> Open {
    var open = Open()
    var roots: [MerkleHash] = []
    var level = 0
    while size >> (Tile.height * level) > 0 {
      let count = size >> (Tile.height * level)
      let width = Int(count % Int64(Tile.width))
      let hashes =
        width == 0
        ? [] : try await log.hashes(Tile(.hashes(level: level), index: count >> Tile.height, count: width))
      open.hashes.append(hashes)
      // The bits of the width are the complete subtrees on this and the next seven levels, the largest first.
      var (place, here) = (0, [MerkleHash]())
      for bit in (0..<Tile.height).reversed() where width >> bit & 1 == 1 {
        here.append(Self.root(hashes[place..<place + 1 << bit]))
        place += 1 << bit
      }
      roots = here + roots
      level += 1
    }
    guard let frontier = MerkleFrontier(size: size, roots: roots) else {
      throw AuditError(.published, "The tiles of the log of \(size) events do not make a tree.")
    }
    open.frontier = frontier
    return open
  }

  /// The root of a complete subtree.
  private static func root(_ leaves: ArraySlice<MerkleHash>) -> MerkleHash {
    var level = Array(leaves)
    while level.count > 1 { level = stride(from: 0, to: level.count, by: 2).map { .node(level[$0], level[$0 + 1]) } }
    return level.first ?? .empty
  }

  /// The hashes of some subtrees, as a proof needs them.
  func hashes(of ranges: [Range<Int64>]) async throws -> [MerkleHash] {
    var hashes: [MerkleHash] = []
    for range in ranges {
      var parts: [MerkleHash] = []
      for part in MerkleProof.subtrees(of: range) { parts.append(try await hash(level: part.level, index: part.index)) }
      hashes.append(MerkleFrontier.root(of: parts))
    }
    return hashes
  }

  /// A complete node: a hash of a tile, or made of some of it.
  private func hash(level: Int, index: Int64) async throws -> MerkleHash {
    let (tileLevel, above) = (level / Tile.height, level % Tile.height)
    let first = index << above
    let count = size >> (Tile.height * tileLevel)
    let tile = first >> Tile.height
    let width = Int(min(Int64(Tile.width), count - tile << Tile.height))
    let hashes = try await log.hashes(Tile(.hashes(level: tileLevel), index: tile, count: width))
    let place = Int(first % Int64(Tile.width))
    return Self.root(hashes[place..<place + 1 << above])
  }
}
