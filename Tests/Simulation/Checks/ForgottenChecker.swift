import Foundation
import Ledger
import Marketplace
import Storage
import Transfer

/// An export that is whole and named by no event, since the database that knew of it was lost: whoever claims one for the
/// same version takes it up and makes no second one, if the source still has these files.
struct ForgottenChecker {
  let fact: Fact
  private var world: World { fact.world }

  /// What an export has beside the files of model and run.
  private static let documents = ["model.json", "run.json", "logged_model.json"]

  func check() {
    guard let process = fact.process, let workspace = try? WorkspaceID(fact.event.workspace) else { return }
    let identity = VersionIdentity(
      workspace: workspace, model: ModelID(text: fact.text("model")), version: fact.number("version"),
      created: Int64(fact.number("created")))
    let key = MemoryState.ClaimKey(identity: identity, generation: fact.number("generation"))
    guard let id = process.conduct.forgotten.removeValue(forKey: key), id != fact.text("export_id"),
      // Who saw less of it, or what changed meanwhile, makes another.
      !process.conduct.isBroken, !process.conduct.hasReadShort, world.plan.dayShift == 0, world.running.count == 1
    else { return }
    let made = String(fact.text("uri").dropFirst("file:///simulated/".count))
    let folder = made.replacing(fact.text("export_id"), with: id)
    // Of several that nobody knew of another may have been the first.
    guard world.storage.since["\(made)/manifest.json"] ?? 0 >= process.stepsBefore, isOf(key, id, folder),
      let files = whole(folder), let others = LogChecker.read("\(made)/manifest.json", world)
    else { return }
    let (old, new) = (copied(files), copied(others))
    if old.count == new.count, old.allSatisfy({ new[$0.key].map { [other = $0.value] in other == $0 } ?? false }) {
      fact.violates("J10", "\(folder) was whole, and another was made")
    }
  }

  /// A process gives a folder up: not one that holds nothing but files that its source has.
  static func replaces(_ id: String, of identity: VersionIdentity, _ process: SimulatedProcess) {
    let world = process.world
    guard process.collectsOlderThan == nil, !process.conduct.isBroken, !process.conduct.hasReadShort,
      world.plan.dayShift == 0, world.running.count == 1,
      let registry = world.sources.first(where: { $0.id == identity.workspace })?.registry
    else { return }
    let paths = world.storage.files.keys.filter { $0.contains("-\(id)/") }
    let isSame = paths.allSatisfy { path in
      let parts = path.split(separator: "/").dropFirst(4).map(String.init)
      // Documents tell of more than files.
      guard parts.count > 2, parts[1] == "artifacts" else { return false }
      return registry.artifacts[parts[0]]?[parts.dropFirst(2).joined(separator: "/")] == world.storage.files[path]
    }
    if isSame, !paths.isEmpty {
      world.violated("J10", "the folder of \(id) is given up, and holds what the source has")
    }
  }

  private func isOf(_ key: MemoryState.ClaimKey, _ id: String, _ folder: String) -> Bool {
    guard let bytes = world.storage.files["\(folder)/manifest.json"],
      let says = try? JSONDecoder().decode(Manifest.self, from: Data(bytes))
    else { return false }
    return says.exportID == id && says.workspace == key.identity.workspace.text
      && says.model == key.identity.model.text && says.version == key.identity.version
      && says.created == key.identity.created && says.generation == key.generation
  }

  /// The files of a folder as its manifest has them; `nil` where one is gone or another.
  private func whole(_ folder: String) -> [String: (size: Int, sha256: String)]? {
    guard !world.storage.rotten.contains("\(folder)/manifest.json"),
      let files = LogChecker.read("\(folder)/manifest.json", world)
    else { return nil }
    for (name, file) in files {
      guard let bytes = world.storage.files["\(folder)/\(name)"], bytes.count == file.size,
        StreamDigest.of(bytes).sha256 == file.sha256
      else { return nil }
    }
    return files
  }

  /// Those that come from the source as they are.
  private func copied(_ files: [String: (size: Int, sha256: String)]) -> [String: (size: Int, sha256: String)] {
    files.filter { name, _ in
      let last = name.split(separator: "/").last.map(String.init) ?? ""
      return !Self.documents.contains(last) && !last.hasSuffix(".jsonl")
    }
  }
}
