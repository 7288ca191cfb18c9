import Ledger
import Marketplace
import Registry

extension FollowJob {
  /// What putting one model back came to.
  private struct PutBack: Sendable {
    /// As it was called by then: an observer may have found it renamed.
    var model: ModelState
    var found: String
    var expected: ObservedPromotion
    var sequences: [Int64] = []
    /// Why it was told of and not put back, if it was not.
    var trouble: Trouble?
  }

  /// Compares what the registry promotes with what we last set, and sets it again where somebody changed it.
  func putBack(_ model: ModelState, in state: WorkspaceState, outcome: inout Outcome) async throws {
    guard let marketplace = model.marketplace[target.id] else { return }
    // The name is another's, which looks after it.
    guard state.answersForName(model, target: target.id) else { return }
    let expected = target.expected(marketplace.available)
    do {
      guard let seen = try await reading.promotion(of: marketplace.name),
        let decision = DriftDecision(found: seen, expected: expected, told: marketplace.drift)
      else {
        outcome.examined.insert(marketplace.name)
        return
      }
      guard !context.options.isDryRun else {
        outcome.items.append(drift(PutBack(model: model, found: decision.found, expected: expected)))
        return
      }
      let done = try await locks.ifFree(model.id.stream) { lock in
        try await holding(lock).putBackLocked(model.id, in: state, name: marketplace.name)
      }
      guard let done else {
        outcome.items.append(Item(.busy, model: model.name))
        return
      }
      if done?.trouble == nil { outcome.examined.insert(marketplace.name) }
      guard let done else { return }
      outcome.hasWritten = true
      outcome.sequences += done.sequences
      outcome.items.append(
        done.trouble.map { Item(.failed, model: done.model.name, trouble: $0) } ?? drift(done))
    } catch {
      outcome.hasWritten = true
      outcome.items.append(Item(.failed, model: model.name, trouble: try Trouble(error)))
    }
  }

  /// Under the model's lock: what was found is told first, then put back, and last told to be put back. After a kill in
  /// between, history holds a finding that nothing has settled yet, and the next run goes on from there.
  ///
  /// - Returns: what was put back, or `nil` when nothing has to be.
  /// - Throws: ``Trouble`` when the history does not hold still.
  private func putBackLocked(_ id: ModelID, in known: WorkspaceState, name: String) async throws -> PutBack? {
    var state = known
    var done: PutBack?
    for _ in 1...Self.attemptsMax {
      do {
        state = try await history.load(known.workspace, from: state)
        guard let model = state.models[id], let marketplace = model.marketplace[target.id],
          state.promotionChange(of: model, target: target.id) == nil,
          state.answersForName(model, target: target.id),
          let seen = try await MarketplaceReading.promotion(of: name, in: target)
        else { return done }
        let expected = target.expected(marketplace.available)
        guard let decision = DriftDecision(found: seen, expected: expected, told: marketplace.drift) else {
          return done
        }
        if done == nil { done = PutBack(model: model, found: decision.found, expected: expected) }
        done?.model = model
        var draft = EventDraft(on: state)
        if decision.isNews {
          draft.add(
            .marketplaceDriftFound(
              MarketplaceDriftFound(
                model: id.text, name: model.name, target: target.id, marketplaceName: name, kind: "promotion",
                found: seen.text, expected: expected.text)), stream: id.stream, subject: target.id)
          done?.sequences += try await history.append(draft.events, to: state.workspace)
        }
        try await promote(marketplace.available, insteadOf: nil, name: name)
        draft = EventDraft(on: draft.state)
        draft.add(
          .marketplacePromotionSet(
            MarketplacePromotionSet(
              model: id.text, name: model.name, target: target.id, marketplaceName: name, from: marketplace.available,
              to: marketplace.available, version: marketplace.available.flatMap { marketplace.sourceVersions[$0] },
              cause: .drift)), stream: id.stream, subject: target.id)
        done?.sequences += try await history.append(draft.events, to: state.workspace)
        return done
      } catch let error as LedgerError where error.isLostRace {
        continue
      } catch  where done?.sequences.isEmpty == false {
        done?.trouble = try Trouble(error)
        return done
      }
    }
    // What was told of, the report has to name.
    guard done?.sequences.isEmpty == false else { throw Trouble.contended(name) }
    done?.trouble = Trouble.contended(name)
    return done
  }

  private func drift(_ done: PutBack) -> Item {
    let marketplace = done.model.marketplace[target.id]
    return Item(
      .driftPutBack, model: done.model.name,
      version: marketplace?.available.flatMap { marketplace?.sourceVersions[$0] },
      marketplaceName: marketplace?.name,
      trouble: Trouble(
        "marketplace_drift",
        "The marketplace was changed by hand: found \(done.found), put back \(done.expected.text).", retriable: true))
  }
}
