import Foundation
import Ledger
import Marketplace
import Storage
import Transfer

/// Files of more than a MiB: what an earlier run brought where it belongs is neither fetched nor sent again, and what
/// is noted of it is true, and forgotten once it is of no use.
struct LargeFileChecker {
  let world: World

  /// A process finished an upload to storage; `known` is what lay there before, and since which step.
  func stored(_ path: String, _ bytes: [UInt8], over known: (bytes: [UInt8], since: Int), by process: SimulatedProcess)
  {
    guard isLarge(known.bytes.count), known.bytes.count == bytes.count, known.since < process.stepsBefore,
      // Whether it is the same model is told by this file, which is always read.
      !path.hasSuffix("/MLmodel"), !path.hasSuffix(".json"), !path.hasSuffix(".jsonl")
    else { return }
    violated("\(path) was fetched again", by: process)
  }

  /// A file arrived in the marketplace.
  func sent(
    _ bytes: [UInt8], as path: String, at root: String, over known: [UInt8]?, by process: SimulatedProcess
  ) {
    let id = NameBasedUUID.make(["upload", "marketplace", root, path])
    guard let note = world.memory.uploads[id] else { return }
    if note.file != StreamDigest.of(bytes) {
      // Of two at work on one version the one that has lost its lock may be late.
      if world.plan.lockLostOnceIn == 0 {
        world.violated("J3", "\(path) at \(root) is another file than is noted, and the note stands")
      }
    } else if known == bytes, note.since < process.stepsBefore {
      violated("\(path) at \(root) was sent again", by: process)
    }
  }

  /// A process noted that a file has arrived.
  func noted(_ file: WrittenFile, by process: SimulatedProcess) {
    if !isLarge(Int(file.size)) { violated("a file of \(file.size) bytes was noted", by: process) }
  }

  /// What a process imported is noted no more when it has ended.
  func ended(_ process: SimulatedProcess) {
    guard process.conduct.failedShared == 0, !world.memory.uploads.isEmpty else { return }
    for fact in process.conduct.facts where fact.event.type == "ModelImported" {
      let id = NameBasedUUID.make(["import", "marketplace", fact.importKey])
      if world.memory.uploads.values.contains(where: { $0.importID == id }) {
        violated("what it sent of \(fact.text("name")) v\(fact.number("version")) is noted for ever", by: process)
      }
    }
  }

  private func isLarge(_ bytes: Int) -> Bool { bytes > World.largeBytes }

  private func violated(_ sentence: String, by process: SimulatedProcess) {
    world.violated("R", "run \(process.run.uuidString.prefix(4)): \(sentence)")
  }
}
