/// A resource of a published log as C2SP tlog-tiles lays it out: 256 hashes of one level, or 256 entries.
public struct Tile: Sendable, Hashable {
  /// The hashes or entries of a full one.
  public static let width = 256
  /// A level of hashes stands on so many levels of the tree.
  public static let height = 8
  /// The most bytes of an entry, since its length is written in 16 bits.
  public static let entryBytesMax = Int(UInt16.max)

  /// What a tile holds.
  public enum Content: Sendable, Hashable {
    /// Entries, each behind its length.
    case entries
    /// Roots of subtrees of 256 to the power of `level` leaves, from level 0, the hashes of the leaves, to 63 at most.
    case hashes(level: Int)
  }

  /// What it holds.
  public let content: Content
  /// How many of its kind are before it.
  public let index: Int64
  /// How much it holds, 1 to 256; less than 256 only as the last of its kind.
  public let count: Int

  /// A tile of its kind.
  public init(_ content: Content, index: Int64, count: Int = Tile.width) {
    self.content = content
    self.index = index
    self.count = count
  }

  /// Where it lies below the log: `tile/0/x001/234`, `tile/entries/067.p/12`.
  public var path: String {
    let kind =
      switch content {
      case .entries: "entries"
      case .hashes(let level): "\(level)"
      }
    return "tile/\(kind)/\(Self.path(of: index))\(count == Self.width ? "" : ".p/\(count)")"
  }

  /// The tile that lies there; `nil` for the path of none.
  public init?(path: String) {
    var parts = path.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count >= 3, parts[0] == "tile" else { return nil }
    let content: Content
    if parts[1] == "entries" {
      content = .entries
    } else {
      // Above that a hash stands for more leaves than can be counted.
      guard let level = Int(parts[1]), (0...Int64.bitWidth / Self.height - 1).contains(level) else { return nil }
      content = .hashes(level: level)
    }
    var count = Self.width
    if parts[parts.count - 2].hasSuffix(".p"), parts.count >= 4, let width = Int(parts.removeLast()) {
      guard (1..<Self.width).contains(width) else { return nil }
      count = width
      parts[parts.count - 1] = parts[parts.count - 1].dropLast(2)
    }
    var index: Int64 = 0
    for group in parts[2...] {
      let digits = group.hasPrefix("x") ? group.dropFirst() : group
      guard digits.count == 3, let number = Int64(digits), index < Int64.max / 1_000_000 else { return nil }
      index = index * 1000 + number
    }
    self.init(content, index: index, count: count)
    // Whatever else could be read as the same number is another file, and so is what lies beyond all positions.
    guard self.path == path, range.upperBound <= Int64.max >> shift else { return nil }
  }

  /// The positions, from 1, of the events that it stands for.
  public var positions: ClosedRange<Int64> { range.lowerBound << shift + 1...range.upperBound << shift }

  /// How many bits of a position one of its hashes or entries stands for.
  private var shift: Int {
    switch content {
    case .entries: 0
    case .hashes(let level): Self.height * level
    }
  }

  /// A number in groups of three digits, all but the last with an x before them.
  private static func path(of index: Int64) -> String {
    var (rest, groups) = (index, [String]())
    repeat {
      let digits = String(rest % 1000)
      let group = String(repeating: "0", count: 3 - digits.count) + digits
      groups.append(groups.isEmpty ? group : "x\(group)")
      rest /= 1000
    } while rest > 0
    return groups.reversed().joined(separator: "/")
  }

  /// The tiles that a log of `size` leaves has and one of `earlier` has not, or has with less in them.
  public static func added(from earlier: Int64 = 0, to size: Int64) -> [Tile] {
    var tiles = added(.entries, from: earlier, to: size)
    var (level, before, now) = (0, earlier, size)
    while now > 0 {
      tiles += added(.hashes(level: level), from: before, to: now)
      (level, before, now) = (level + 1, before >> height, now >> height)
    }
    return tiles
  }

  private static func added(_ content: Content, from before: Int64, to now: Int64) -> [Tile] {
    guard before < now else { return [] }
    return (before >> height...(now - 1) >> height).map { index in
      Tile(content, index: index, count: Int(min(Int64(width), now - index << height)))
    }
  }

  /// The leaves that its entries or level-0 hashes belong to, or the nodes of its level of hashes.
  public var range: Range<Int64> { index << Self.height..<index << Self.height + Int64(count) }

  /// Entries as a bundle, each behind its length as 16 bits, the highest first.
  ///
  /// - Precondition: none is longer than ``entryBytesMax``.
  public static func bundle(_ entries: some Sequence<[UInt8]>) -> [UInt8] {
    var bytes: [UInt8] = []
    for entry in entries {
      precondition(entry.count <= entryBytesMax, "an entry of \(entry.count) bytes")
      bytes += [UInt8(entry.count >> 8), UInt8(entry.count & 0xff)]
      bytes += entry
    }
    return bytes
  }

  /// The entries of a bundle; `nil` when it does not end with one.
  public static func entries(in bundle: [UInt8]) -> [[UInt8]]? {
    var (entries, place) = ([[UInt8]](), 0)
    while place < bundle.count {
      guard bundle.count - place >= 2 else { return nil }
      let end = place + 2 + (Int(bundle[place]) << 8 | Int(bundle[place + 1]))
      guard end <= bundle.count else { return nil }
      entries.append(Array(bundle[place + 2..<end]))
      place = end
    }
    return entries
  }

  /// The hashes of a tile of hashes; `nil` when their bytes are not a multiple of 32.
  public static func hashes(in bytes: [UInt8]) -> [MerkleHash]? {
    guard bytes.count % MerkleHash.byteCount == 0 else { return nil }
    return stride(from: 0, to: bytes.count, by: MerkleHash.byteCount).compactMap {
      MerkleHash(bytes[$0..<$0 + MerkleHash.byteCount])
    }
  }
}
