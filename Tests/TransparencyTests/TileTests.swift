import Testing
import Transparency

@Suite("Tiles as C2SP tlog-tiles lays them out")
struct TileTests {
  @Test("lie where their number says")
  func paths() {
    #expect(Tile(.hashes(level: 0), index: 1_234_067).path == "tile/0/x001/x234/067")
    #expect(Tile(.hashes(level: 2), index: 0, count: 12).path == "tile/2/000.p/12")
    #expect(Tile(.entries, index: 999).path == "tile/entries/999")
    #expect(Tile(.entries, index: 1_000, count: 1).path == "tile/entries/x001/000.p/1")
  }

  @Test("are those that a larger log has more")
  func added() {
    #expect(Tile.added(to: 0) == [])
    #expect(Tile.added(from: 300, to: 300) == [])
    #expect(Tile.added(to: 1).map(\.path) == ["tile/entries/000.p/1", "tile/0/000.p/1"])
    #expect(
      Tile.added(from: 255, to: 257).map(\.path) == [
        "tile/entries/000", "tile/entries/001.p/1", "tile/0/000", "tile/0/001.p/1", "tile/1/000.p/1",
      ])
    #expect(Tile.added(from: 256, to: 511).map(\.path) == ["tile/entries/001.p/255", "tile/0/001.p/255"])
    let all = Tile.added(to: 256 * 256 * 3 + 1)
    #expect(all.count { $0.content == .hashes(level: 0) } == 769)
    #expect(all.count { $0.content == .hashes(level: 1) } == 3)
    #expect(all.filter { $0.content == .hashes(level: 2) }.map(\.path) == ["tile/2/000.p/3"])
    #expect(Tile(.entries, index: 2, count: 7).range == 512..<519)
  }

  @Test("hold entries behind their lengths, and no other bytes")
  func bundles() {
    let entries: [[UInt8]] = [[], [7], Array(repeating: 9, count: Tile.entryBytesMax)]
    let bundle = Tile.bundle(entries)
    #expect(bundle.prefix(5) == [0, 0, 0, 1, 7])
    #expect(Tile.entries(in: bundle) == entries)
    #expect(Tile.entries(in: Array(bundle.dropLast())) == nil)
    #expect(Tile.entries(in: bundle + [0]) == nil)
    #expect(Tile.entries(in: []) == [])
  }

  @Test("hold hashes one after the other")
  func hashes() {
    let hashes = [MerkleHash.empty, .leaf([1])]
    #expect(Tile.hashes(in: hashes.flatMap(\.bytes)) == hashes)
    #expect(Tile.hashes(in: [1, 2, 3]) == nil)
  }

  @Test("a path is that of one tile or of none, whatever lies there")
  func parsed() {
    for size in [1, 255, 256, 300, 70_000, 1 << 40] as [Int64] {
      for tile in Tile.added(from: max(0, size - 1_000), to: size) { #expect(Tile(path: tile.path) == tile) }
    }
    for path in [
      "", "tile", "tile/0", "tile/0/1", "tile/0/0000", "tile/00/000", "tile/-1/000", "tile/8/000", "tile/63/000",
      "tile/0/x000/000",
      "tile/0/000.p/0", "tile/0/000.p/256", "tile/0/000.p/01", "tile/0/000.p/", "tile/entries/000.p/x",
      "tile/1/x999/x999/x999/x999/x999/999",
      "tile/7/001", "tile/x/000", "log/0/000",
    ] {
      #expect(Tile(path: path) == nil, "\(path)")
    }
    #expect(Tile(path: "tile/1/000")?.positions == 1...65_536)
  }
}
