import Ledger
import Postgres
import Transparency

/// When the positions of a log were given, as its checkpoints say: what *as we knew it at a time* rests on.
struct SealTimes {
  private let signed: [Int64: String]
  private let size: Int64

  /// Those of checkpoints up to a size. Who never said when is left out.
  init(expected: [Int64: Checkpoint], size: Int64) {
    signed = expected.filter { $0.key <= size }.compactMapValues(\.sealedAt)
    self.size = size
  }

  /// Holds a ledger's seals against them: each signed one must be there with its time, and those between rise from one to
  /// the next.
  func compare(with entries: any LogEntries, _ report: inout LogVerification.Report) async throws {
    guard !signed.isEmpty else { return }
    var missing = signed
    var before: Ledger.Seal?
    while true {
      // Who knows of no seals at all is not who has none.
      guard let page = try await entries.seals(after: before?.last ?? 0) else { return }
      for seal in page where seal.last <= size {
        let said = missing.removeValue(forKey: seal.last)
        if let said, said != seal.sealedAt.rfc3339 {
          report.add(
            .sealed, at: seal.last,
            "Position \(seal.last) was given at \(said), as its checkpoint says, and the database says \(seal.sealedAt)."
          )
        } else if let before, before.sealedAt >= seal.sealedAt {
          report.add(
            .sealed, at: before.last,
            "Position \(before.last) was given before position \(seal.last), which was at \(seal.sealedAt), and the database says "
              + "\(before.sealedAt).")
        }
        before = seal
      }
      guard let last = page.last, last.last <= size else { break }
    }
    for (position, said) in missing.sorted(by: { $0.key < $1.key }) {
      report.add(
        .sealed, at: position,
        "A checkpoint says that position \(position) was given at \(said), and no seal of the database ends there.")
    }
  }
}
