/// What to do about a marketplace registry that was changed by hand: tell of it, once, and put back what was set last.
///
/// The finding is told before anything is put back, and what was put back is told afterwards. So a job that was killed
/// in between leaves a finding that nothing has settled, and the next one settles it without telling of it again.
public struct DriftDecision: Hashable, Sendable {
  /// What was found, in words.
  public let found: String
  /// Whether history does not tell of it yet.
  public let isNews: Bool

  /// What is due, or `nil` when the registry promotes what it should and every finding is settled.
  ///
  /// - Parameters:
  ///   - found: what the registry is seen to promote.
  ///   - expected: what it should promote by history.
  ///   - told: the finding that history tells of and nothing has settled, see ``MarketplaceState/drift``.
  public init?(found: ObservedPromotion, expected: ObservedPromotion, told: MarketplaceDriftFound?) {
    if found == expected {
      // Put back already, by a job that could not say so any more, or by whoever had changed it.
      guard let told else { return nil }
      self.found = told.found
      isNews = false
    } else {
      self.found = found.text
      isNews = !found.isPartway(told, to: expected)
    }
  }
}

extension ObservedPromotion {
  /// Reads ``text`` back.
  init?(text: String) {
    let parts = text.split(separator: ";").map { $0.split { !$0.isNumber }.compactMap { Int($0) } }
    guard parts.count == 2 else { return nil }
    self.init(staged: Set(parts[0]), alias: parts[1].first)
  }

  /// Whether it lies on the way from what was told to what is expected, both ends included: stage and alias are set one
  /// after the other, and a job may be killed in between.
  fileprivate func isPartway(_ told: MarketplaceDriftFound?, to expected: ObservedPromotion) -> Bool {
    guard let told, told.expected == expected.text, let start = ObservedPromotion(text: told.found) else {
      return false
    }
    return [start.alias, expected.alias].contains(alias)
      && staged.isSuperset(of: start.staged.intersection(expected.staged))
      && staged.isSubset(of: start.staged.union(expected.staged))
  }
}
