import Foundation
import Ledger
import Marketplace

/// The marketplace's names as one run uses them: read once, claimed in the ledger, read again when somebody else
/// was first. A dry run claims nothing, and goes on as if it had.
actor NameRegister {
  private let history: History
  private let target: WorkspaceID = .marketplace
  private let isDryRun: Bool
  private var names: AssignedNames?

  init(context: JobContext) {
    history = History(ledger: context.ledger, run: context.run)
    isDryRun = context.options.isDryRun
  }

  /// The model's name, claimed if it has none.
  ///
  /// - Throws: ``Trouble`` with `name_collision`, or ``DomainError`` for a name that MLflow would refuse.
  func name(for model: ModelState, in state: WorkspaceState, template: NameTemplate) async throws -> MarketplaceName {
    for _ in 1...3 {
      let known = try await load()
      switch try known.outcome(for: model, in: state, template: template) {
      case .assigned(let name):
        return name
      case .collision(let sentence):
        throw Trouble("name_collision", sentence, retriable: false)
      case .claim(let name, let event):
        do {
          if !isDryRun { _ = try await history.append([event], to: target) }
          if case .marketplaceNameAssigned(let data) = event.event { names?.apply(data) }
          return name
        } catch let error as LedgerError where error.isLostRace {
          names = nil
        }
      }
    }
    throw Trouble(
      "name_contended", "The marketplace name of '\(model.firstName)' is being claimed by others; run again.",
      retriable: true)
  }

  private func load() async throws -> AssignedNames {
    if let names { return names }
    if !isDryRun { try await history.ledger.openWorkspace(target.text) }
    let loaded = try await history.loadNames()
    // Somebody else may have read them in between, and claimed one.
    let known = names ?? loaded
    names = known
    return known
  }
}
