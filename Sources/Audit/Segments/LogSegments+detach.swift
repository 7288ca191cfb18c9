public import Ledger
import Transparency

extension LogSegments {
  /// Data that is kept in memory at once while it is put back, in bytes.
  static let attachBytesMax = 32 * 1_048_576

  /// Takes the data of replaced events out of the database, once their segment is seen to hold all of it: the whole
  /// segment is verified, and compared with the database's own events, before anything is touched. Each workspace is a
  /// transaction; whoever is killed between two begins again.
  ///
  /// - Returns: how many events lost their data now.
  /// - Throws: ``AuditError``: `.segment` when the segment is not sound, `.forked` when the database has other events;
  ///   `LedgerError` for who is no member of `ledger_owner`; `PostgresError`, `StorageError`.
  public func detach(_ number: Int64, from ledger: Ledger) async throws -> Int64 {
    var (leaves, withoutData) = ([MerkleHash](), Set<Int64>())
    let report = try await verify(number) { entry in
      leaves.append(.leaf(entry.leaf))
      if entry.dataFits == nil { withoutData.insert(entry.position) }
    }
    let first = report.positions.lowerBound
    var ranges: [String: ClosedRange<Int64>] = [:]
    var place = first - 1
    while place < report.positions.upperBound {
      let page = try await ledger.read(
        after: PositionCursor(place), through: report.positions.upperBound, limit: Self.eventsAtOnce,
        bytesMax: Ledger.pageBytesMax)
      for event in page.events {
        place += 1
        guard event.position == place, let leaf = event.leaf, .leaf(leaf) == leaves[Int(place - first)] else {
          throw AuditError(
            .forked,
            "The database's event at position \(place) is not the one in segment \(number). Nothing was detached. 'marketplace "
              + "audit verify' says what differs.")
        }
        guard event.data == nil || !withoutData.contains(place) else {
          throw AuditError(
            .segment,
            "\(try key(of: number)) does not hold the data of the event at position \(place). Nothing was detached. "
              + "'marketplace audit segments write --again' writes it anew.")
        }
        let known = ranges[event.workspace]?.lowerBound ?? event.sequence
        ranges[event.workspace] = known...event.sequence
      }
      if page.events.isEmpty {
        throw AuditError(.forked, "There is no event at position \(place + 1). 'marketplace audit verify' says more.")
      }
    }
    var count: Int64 = 0
    for (workspace, sequences) in ranges.sorted(by: { $0.key < $1.key }) {
      count += try await ledger.detach(sequences, in: workspace, segment: number)
    }
    return count
  }

  /// Puts the data of a segment back into the database wherever it was detached.
  ///
  /// - Returns: how many events have their data again.
  /// - Throws: as ``detach(_:from:)``.
  public func attach(_ number: Int64, to ledger: Ledger) async throws -> Int64 {
    let positions = positions(of: number)
    var (count, bytes, place) = (Int64(0), 0, positions.lowerBound - 1)
    var (missing, found) = (DetachedData(in: self), [String: [(sequence: Int64, text: String)]]())
    func put() async throws {
      for (workspace, data) in found.sorted(by: { $0.key < $1.key }) {
        count += try await ledger.attach(data, in: workspace)
      }
      (found, bytes) = ([:], 0)
    }
    while place < positions.upperBound {
      let page = try await ledger.read(
        after: PositionCursor(place), through: positions.upperBound, limit: Self.eventsAtOnce,
        bytesMax: Ledger.pageBytesMax)
      for (event, filled) in zip(page.events, try await missing.filled(page.events)) where event.isDetached {
        guard let text = filled.data else { continue }
        found[event.workspace, default: []].append((event.sequence, text))
        bytes += text.utf8.count
      }
      if bytes > Self.attachBytesMax { try await put() }
      if page.events.isEmpty { break }
      place = page.next.position
    }
    try await put()
    return count
  }
}
