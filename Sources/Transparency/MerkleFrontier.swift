/// What is needed of a tree to add leaves to it: the roots of the complete subtrees that it is made of.
///
/// A tree of *n* leaves is made of one complete subtree for each bit of *n*, the largest first, so a tree of a billion
/// leaves needs thirty hashes.
public struct MerkleFrontier: Sendable, Hashable {
  /// How many leaves the tree has.
  public private(set) var size: Int64 = 0
  /// The roots of the complete subtrees, from left to right.
  public private(set) var roots: [MerkleHash] = []

  /// The tree without leaves.
  public init() {}

  /// Goes on from what was kept of a tree; `nil` when there cannot be so many subtrees.
  public init?(size: Int64, roots: [MerkleHash]) {
    guard size >= 0, size.nonzeroBitCount == roots.count else { return nil }
    self.size = size
    self.roots = roots
  }

  /// A node that is complete: of `1 << level` leaves, with `index` others of its level before it.
  public typealias Completed = (_ level: Int, _ index: Int64, _ hash: MerkleHash) throws -> Void

  /// Adds a leaf, and tells of each node that is complete with it, the leaf first.
  public mutating func append(_ leaf: MerkleHash, completed: Completed) rethrows {
    var (hash, level, rest) = (leaf, 0, size)
    try completed(0, size, leaf)
    while rest & 1 == 1 {
      hash = .node(roots.removeLast(), hash)
      level += 1
      rest >>= 1
      try completed(level, rest, hash)
    }
    roots.append(hash)
    size += 1
  }

  /// Adds a leaf.
  public mutating func append(_ leaf: MerkleHash) { append(leaf) { _, _, _ in } }

  /// The root of the tree.
  public var root: MerkleHash { Self.root(of: roots) }

  /// The root of complete subtrees side by side, from left to right.
  public static func root(of roots: [MerkleHash]) -> MerkleHash {
    guard var root = roots.last else { return .empty }
    for left in roots.dropLast().reversed() { root = .node(left, root) }
    return root
  }
}
