/// Which subtrees' hashes make a proof, in the order in which RFC 6962 §2.1.1 and §2.1.2 give them, and what verifies it.
public enum MerkleProof {
  /// The subtrees beside the way from a leaf to the root of a tree of `size` leaves; `nil` when there is no such leaf.
  public static func inclusion(of index: Int64, in size: Int64) -> [Range<Int64>]? {
    guard index >= 0, index < size else { return nil }
    var (low, high) = (Int64(0), size)
    var beside: [Range<Int64>] = []
    while high - low > 1 {
      let middle = low + split(high - low)
      if index < middle {
        beside.append(middle..<high)
        high = middle
      } else {
        beside.append(low..<middle)
        low = middle
      }
    }
    return beside.reversed()
  }

  /// The subtrees that show that a tree of `size` leaves begins with the leaves of one of `earlier`; `nil` when it cannot.
  public static func consistency(from earlier: Int64, to size: Int64) -> [Range<Int64>]? {
    guard earlier >= 0, earlier <= size else { return nil }
    guard earlier > 0, earlier < size else { return [] }
    var (low, high) = (Int64(0), size)
    var beside: [Range<Int64>] = []
    while earlier < high {
      let middle = low + split(high - low)
      if earlier <= middle {
        beside.append(middle..<high)
        high = middle
      } else {
        beside.append(low..<middle)
        low = middle
      }
    }
    // Where the earlier tree is a complete subtree itself, the verifier has its root.
    return (low == 0 ? [] : [low..<high]) + beside.reversed()
  }

  /// The largest power of two below the number of leaves, which is at least 2: so many are left of the root.
  private static func split(_ count: Int64) -> Int64 { 1 << (Int64.bitWidth - 1 - (count - 1).leadingZeroBitCount) }

  /// The complete subtrees that a range of leaves is made of, from left to right. The range is a subtree of a tree: it
  /// begins where one of its size may.
  public static func subtrees(of range: Range<Int64>) -> [(level: Int, index: Int64)] {
    var (low, found) = (range.lowerBound, [(level: Int, index: Int64)]())
    while low < range.upperBound {
      let level = Int64.bitWidth - 1 - (range.upperBound - low).leadingZeroBitCount
      found.append((level, low >> level))
      low += 1 << level
    }
    return found
  }

  /// Whether a proof shows that the leaf is in the tree at that index: RFC 9162 §2.1.3.2.
  public static func isIncluded(
    _ leaf: MerkleHash, at index: Int64, in size: Int64, root: MerkleHash, proof: [MerkleHash]
  ) -> Bool {
    guard index >= 0, index < size else { return false }
    var (place, last, hash) = (index, size - 1, leaf)
    for beside in proof {
      guard last > 0 else { return false }
      if place & 1 == 1 || place == last {
        hash = .node(beside, hash)
        while place & 1 == 0, place != 0 { (place, last) = (place >> 1, last >> 1) }
      } else {
        hash = .node(hash, beside)
      }
      (place, last) = (place >> 1, last >> 1)
    }
    return last == 0 && hash == root
  }

  /// Whether a proof shows that the tree of `size` leaves begins with the leaves of the one of `earlier`: RFC 9162
  /// §2.1.4.2. A tree without leaves begins every tree.
  public static func isConsistent(
    _ earlier: Int64, root earlierRoot: MerkleHash, with size: Int64, root: MerkleHash, proof: [MerkleHash]
  ) -> Bool {
    guard earlier >= 0, earlier <= size else { return false }
    guard earlier < size else { return proof.isEmpty && earlierRoot == root }
    guard earlier > 0 else { return proof.isEmpty && earlierRoot == .empty }
    let path = earlier & (earlier - 1) == 0 ? [earlierRoot] + proof : proof
    guard let first = path.first else { return false }
    var (place, last) = (earlier - 1, size - 1)
    while place & 1 == 1 { (place, last) = (place >> 1, last >> 1) }
    var (before, now) = (first, first)
    for beside in path.dropFirst() {
      guard last > 0 else { return false }
      if place & 1 == 1 || place == last {
        before = .node(beside, before)
        now = .node(beside, now)
        while place & 1 == 0, place != 0 { (place, last) = (place >> 1, last >> 1) }
      } else {
        now = .node(now, beside)
      }
      (place, last) = (place >> 1, last >> 1)
    }
    return last == 0 && before == earlierRoot && now == root
  }
}
