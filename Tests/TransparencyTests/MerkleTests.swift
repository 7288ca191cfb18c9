import Foundation
import Testing
import Transparency

@Suite("The Merkle tree of RFC 6962")
struct MerkleTests {
  /// The leaves, roots and proofs that certificate-transparency's own tests use, for trees of 1 to 8 leaves.
  private struct Vectors: Decodable {
    struct Inclusion: Decodable {
      let index, size: Int
      let hashes: [String]
    }

    struct Consistency: Decodable {
      let earlier, later: Int
      let hashes: [String]
    }

    let entries, roots: [String]
    let inclusion: [Inclusion]
    let consistency: [Consistency]

    init() throws {
      let file = try #require(Bundle.module.url(forResource: "merkle", withExtension: "json", subdirectory: "Vectors"))
      self = try JSONDecoder().decode(Vectors.self, from: Data(contentsOf: file))
    }

    static func bytes(_ hex: String) -> [UInt8] {
      stride(from: 0, to: hex.utf8.count, by: 2).compactMap { UInt8(hex.dropFirst($0).prefix(2), radix: 16) }
    }

    static func hashes(_ hex: [String]) -> [MerkleHash] { hex.compactMap { MerkleHash(bytes($0)) } }
  }

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

  @Test("has the roots and proofs of the known vectors")
  func vectors() throws {
    let vectors = try Vectors()
    let (roots, leaves) = (Vectors.hashes(vectors.roots), vectors.entries.map { MerkleHash.leaf(Vectors.bytes($0)) })
    var tree = MerkleFrontier()
    #expect("\(tree.root)" == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    for (leaf, root) in zip(leaves, roots) {
      tree.append(leaf)
      #expect(tree.root == root)
    }
    #expect(tree.size == 8)
    for one in vectors.inclusion {
      let ranges = try #require(MerkleProof.inclusion(of: Int64(one.index), in: Int64(one.size)))
      let proof = Vectors.hashes(one.hashes)
      #expect(Self.hashes(ranges, of: leaves) == proof)
      #expect(
        MerkleProof.isIncluded(
          leaves[one.index], at: Int64(one.index), in: Int64(one.size), root: roots[one.size - 1], proof: proof))
    }
    for one in vectors.consistency {
      let ranges = try #require(MerkleProof.consistency(from: Int64(one.earlier), to: Int64(one.later)))
      let proof = Vectors.hashes(one.hashes)
      #expect(Self.hashes(ranges, of: leaves) == proof)
      #expect(
        MerkleProof.isConsistent(
          Int64(one.earlier), root: roots[one.earlier - 1], with: Int64(one.later), root: roots[one.later - 1],
          proof: proof
        ))
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
