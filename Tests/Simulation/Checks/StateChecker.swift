import Foundation
import Ledger
import Marketplace
import Postgres

/// What the log adds up to by the jobs' own fold, compared with what the log itself says.
struct StateChecker {
  let world: World

  private static let target = "marketplace"

  func check() {
    for (id, events) in world.log.workspaces.sorted(by: { $0.key < $1.key }) where id != Self.target {
      guard let workspace = try? WorkspaceID(id), let log = world.checker.workspaces[id] else { continue }
      var state = WorkspaceState(workspace: workspace)
      for event in events {
        let domain = event.data.flatMap {
          try? DomainEvent(type: event.type, typeVersion: Int(event.typeVersion), json: $0)
        }
        state.apply(
          domain, stream: event.stream, streamVersion: event.version, sequence: event.sequence,
          recordedAt: event.recordedAt.microseconds / 1_000)
      }
      checkObservations(state, events)
      for (model, told) in log.models.sorted(by: { $0.key < $1.key }) { check(model, told, state, events) }
    }
  }

  private func checkObservations(_ state: WorkspaceState, _ events: [RecordedEvent]) {
    let all = events.filter { $0.type == "WorkspaceObserved" }.compactMap(Self.object)
    let complete = all.last { $0["outcome"] as? String == "complete" }
    for (known, told) in [(state.lastObserved, all.last), (state.lastComplete, complete)] {
      let same =
        known?.observedTo == told?["observed_to"] as? Int64 && known?.outcome.rawValue == told?["outcome"] as? String
        && known?.models == told?["models"] as? Int
      if !same { violated("\(state.workspace): the last observation is \(known as Any), not \(told as Any)") }
    }
  }

  private func check(_ id: String, _ told: LogChecker.Model, _ state: WorkspaceState, _ events: [RecordedEvent]) {
    guard let model = state.models[ModelID(text: id)] else { return violated("\(told.name) is not known") }
    if ByteName(model.name) != ByteName(told.name) { violated("\(told.name) is called \(model.name)") }
    let aliases = Dictionary(
      uniqueKeysWithValues: model.aliases.map {
        ($0.key.text, LogChecker.VersionKey(number: $0.value.number, created: $0.value.created))
      })
    if aliases != told.aliases { violated("\(told.name) has aliases \(aliases), not \(told.aliases)") }
    for (key, version) in told.versions {
      let target = AliasTarget(number: key.number, created: key.created)
      let current = model.versions[key.number].flatMap { $0.created == key.created ? $0 : nil }
      guard let known = current ?? model.replaced[target] else {
        violated("\(told.name) v\(key.number) is not known")
        continue
      }
      check("\(told.name) v\(key.number)", known, version, isReplaced: current == nil)
    }
    guard let there = model.marketplace[Self.target] else {
      if told.marketplaceName != nil { violated("\(told.name) has no place in the marketplace") }
      return
    }
    let moved = events.last { event in
      event.type == "MarketplacePromotionSet" && Self.object(event)?["model"] as? String == id
    }
    if there.available != told.available || there.everPromoted != told.everAvailable
      || there.since != moved.map({ $0.recordedAt.microseconds / 1_000 })
    {
      violated("\(told.name): v\(there.available ?? 0) is available, not v\(told.available ?? 0)")
    }
    if there.drift?.found != told.drift?.found || there.drift?.expected != told.drift?.expected {
      violated("\(told.name): by hand was found \(told.drift?.found ?? "-"), not \(there.drift?.found ?? "-")")
    }
  }

  private func check(_ name: String, _ known: VersionState, _ told: LogChecker.Version, isReplaced: Bool) {
    let there = known.imports[Self.target]
    if !isReplaced, known.isDeleted != told.isDeleted || known.stage != told.stage {
      violated("\(name) is in \(known.stage), not in \(told.stage)")
    }
    if known.export?.data.exportID != told.export?.id || there?.live?.marketplaceVersion != told.live?.number {
      violated("\(name) is exported or imported otherwise")
    }
    if told.export == nil,
      known.exportGeneration != told.exportGeneration
        || told.live == nil, there?.generation ?? 1 != told.importGeneration
    {
      violated("\(name) is to have another generation")
    }
    for (failure, last) in [(known.exportFailure, told.exportFailure), (there?.failure, told.importFailure)]
    where failure?.data.code != last?.code {
      violated("\(name) has failed with \(failure?.data.code ?? "nothing"), not with \(last?.code ?? "nothing")")
    }
  }

  private static func object(_ event: RecordedEvent) -> [String: Any]? {
    event.data.flatMap { try? JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any] }
  }

  private func violated(_ sentence: String) { world.violated("F", sentence) }
}
