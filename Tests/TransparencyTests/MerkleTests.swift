import Foundation
import Testing
import Transparency

@Suite("The Merkle tree of RFC 6962")
struct MerkleTests {
  /// The leaves and roots that certificate-transparency's own tests use, for trees of 1 to 8 leaves.
  private static let entries: [[UInt8]] = [
    [], [0x00], [0x10], [0x20, 0x21], [0x30, 0x31], [0x40, 0x41, 0x42, 0x43], Array(0x50...0x57), Array(0x60...0x6f),
  ]
  private static let roots = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
  ]

  /// The tree as the RFC defines it, by recursion.
  private static func root(_ leaves: ArraySlice<MerkleHash>) -> MerkleHash {
    guard leaves.count > 1, let first = leaves.indices.first else { return leaves.first ?? .empty }
    var half = 1
    while half * 2 < leaves.count { half *= 2 }
    return .node(root(leaves[first..<first + half]), root(leaves[(first + half)...]))
  }

  private static func leaves(_ count: Int) -> [MerkleHash] { (0..<count).map { .leaf(Array("leaf \($0)".utf8)) } }

  private static func hashes(_ ranges: [Range<Int64>], of leaves: [MerkleHash]) -> [MerkleHash] {
    ranges.map { root(leaves[Int($0.lowerBound)..<Int($0.upperBound)]) }
  }

  @Test("has the roots of the known vectors")
  func vectors() {
    var tree = MerkleFrontier()
    #expect("\(tree.root)" == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    for (entry, root) in zip(Self.entries, Self.roots) {
      tree.append(.leaf(entry))
      #expect("\(tree.root)" == root)
    }
  }

  @Test("grows from what was kept of it, and tells of each complete node once")
  func grows() throws {
    let leaves = Self.leaves(70)
    var tree = MerkleFrontier()
    var nodes: [String: MerkleHash] = [:]
    for (count, leaf) in leaves.enumerated() {
      #expect(tree.root == Self.root(leaves[..<count]))
      tree = try #require(MerkleFrontier(size: tree.size, roots: tree.roots))
      tree.append(leaf) { level, index, hash in
        #expect(nodes.updateValue(hash, forKey: "\(level) \(index)") == nil)
        #expect(hash == Self.root(leaves[Int(index) << level..<Int(index + 1) << level]))
      }
    }
    #expect(nodes.count == 70 + 35 + 17 + 8 + 4 + 2 + 1)
    #expect(MerkleFrontier(size: 5, roots: [.empty]) == nil)
    #expect(MerkleFrontier(size: -1, roots: []) == nil)
  }

  @Test("proves every leaf of every small tree, and nothing else")
  func inclusion() throws {
    let leaves = Self.leaves(34)
    for size in 1...leaves.count {
      let root = Self.root(leaves[..<size])
      for index in 0..<size {
        let ranges = try #require(MerkleProof.inclusion(of: Int64(index), in: Int64(size)))
        let proof = Self.hashes(ranges, of: leaves)
        func isProven(_ leaf: MerkleHash, _ place: Int, _ count: Int, _ proof: [MerkleHash]) -> Bool {
          MerkleProof.isIncluded(leaf, at: Int64(place), in: Int64(count), root: root, proof: proof)
        }
        #expect(isProven(leaves[index], index, size, proof))
        #expect(!isProven(.empty, index, size, proof))
        #expect(!isProven(leaves[index], size, size, proof))
        #expect(!isProven(leaves[index], -1, size, proof))
        #expect(!isProven(leaves[index], index, size, proof + [.empty]))
        if !proof.isEmpty { #expect(!isProven(leaves[index], index, size, proof.dropLast())) }
        for other in 0..<size where other != index { #expect(!isProven(leaves[index], other, size, proof)) }
        for place in proof.indices {
          var wrong = proof
          wrong[place] = .empty
          #expect(!isProven(leaves[index], index, size, wrong))
        }
      }
    }
    #expect(MerkleProof.inclusion(of: 3, in: 3) == nil)
    #expect(MerkleProof.inclusion(of: -1, in: 3) == nil)
  }

  @Test("proves of every small tree that it begins with each smaller one, and nothing else")
  func consistency() throws {
    let leaves = Self.leaves(34)
    for size in 0...leaves.count {
      let root = Self.root(leaves[..<size])
      for earlier in 0...size {
        let before = Self.root(leaves[..<earlier])
        let ranges = try #require(MerkleProof.consistency(from: Int64(earlier), to: Int64(size)))
        let proof = Self.hashes(ranges, of: leaves)
        func isProven(_ from: Int, _ before: MerkleHash, _ now: MerkleHash, _ proof: [MerkleHash]) -> Bool {
          MerkleProof.isConsistent(Int64(from), root: before, with: Int64(size), root: now, proof: proof)
        }
        let other = MerkleHash.leaf([0x2a])
        #expect(isProven(earlier, before, root, proof))
        #expect(!isProven(earlier, other, root, proof))
        #expect(!isProven(earlier, before, root, proof + [other]))
        #expect(!isProven(size + 1, before, root, proof))
        #expect(!isProven(-1, before, root, proof))
        if earlier > 0 { #expect(!isProven(earlier, before, other, proof)) }
        if !proof.isEmpty { #expect(!isProven(earlier, before, root, proof.dropLast())) }
        for place in proof.indices {
          var wrong = proof
          wrong[place] = other
          #expect(!isProven(earlier, before, root, wrong))
        }
      }
    }
    #expect(MerkleProof.consistency(from: 4, to: 3) == nil)
  }

  @Test("takes the subtrees of a range apart into complete ones")
  func subtrees() {
    let leaves = Self.leaves(34)
    for size in 1...34 {
      for range in (MerkleProof.inclusion(of: 0, in: Int64(size)) ?? []) + [0..<Int64(size)] {
        let parts = MerkleProof.subtrees(of: range)
        let covered = parts.flatMap { Array($0.index << $0.level..<($0.index + 1) << $0.level) }
        #expect(covered == Array(range))
        #expect(parts.allSatisfy { $0.index << $0.level >= range.lowerBound })
      }
    }
    #expect(leaves.count == 34)
  }

  @Test("a hash has 32 bytes, and one way to be written")
  func hashes() throws {
    let hash = MerkleHash.leaf([1, 2, 3])
    #expect(MerkleHash(hash.bytes) == hash)
    #expect(MerkleHash(base64: hash.base64) == hash)
    #expect(MerkleHash(hash.bytes.dropLast()) == nil)
    #expect(MerkleHash(base64: String(hash.base64.dropLast())) == nil)
    #expect(MerkleHash(base64: hash.base64 + "\n") == nil)
    #expect(Set([hash, hash, .empty]).count == 2)
  }
}
