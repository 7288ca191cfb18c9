import Marketplace
import Storage

/// Looks whether storage still holds one export: manifest, sizes, nothing besides, and every byte where it is asked to.
struct ExportCheck: Sendable {
  /// Files of one export read side by side.
  static let filesConcurrent = 4
  /// So many things are told of one export.
  static let findingsMax = 1_000

  let storage: any ExternalStorage
  let workspace: WorkspaceID
  let export: ModelExported
  let readsData: Bool
  let progress: @Sendable (Int64) -> Void

  /// What was found, and how much was looked at.
  struct Outcome: Sendable {
    var findings: [ExportFinding] = []
    var files = 0
    var bytesRead: Int64 = 0
  }

  /// Looks at it.
  ///
  /// - Throws: ``StorageError`` when the store as a whole cannot be asked, which says nothing about what it holds.
  func run() async throws -> Outcome {
    var outcome = Outcome()
    do {
      let folder = try ExportFolder(uri: export.uri, in: storage)
      guard let manifest = try await manifest(in: folder, &outcome) else { return outcome }
      let suspects = try await sizes(manifest, in: folder, &outcome)
      if readsData { try await read(suspects, manifest, in: folder, &outcome) }
    } catch let trouble as Trouble {
      outcome.findings.append(finding(.exportElsewhere, nil, trouble.message))
    } catch let error as StorageError where !error.isOfWholeStore {
      outcome.findings.append(finding(.unread, nil, "\(error)"))
    }
    if outcome.findings.count > Self.findingsMax {
      let rest = outcome.findings.count - Self.findingsMax
      outcome.findings.removeLast(rest)
      outcome.findings.append(finding(.moreFound, nil, "\(export.uri) has \(rest) more things wrong with it."))
    }
    return outcome
  }

  private func finding(_ code: ExportFinding.Code, _ path: String?, _ message: String) -> ExportFinding {
    ExportFinding(code: code, workspace: workspace, export: export, path: path, message: message)
  }

  // MARK: Manifest

  private func manifest(in folder: ExportFolder, _ outcome: inout Outcome) async throws -> Manifest? {
    let key = try folder.file(Manifest.fileName)
    func wrong(_ code: ExportFinding.Code, _ message: String) -> ExportFinding {
      finding(code, Manifest.fileName, message)
    }
    // Whatever else has the name, such as a link, is no file.
    guard try await storage.size(of: key) != nil else {
      outcome.findings.append(wrong(.manifestMissing, "\(key) is missing."))
      return nil
    }
    let bytes: [UInt8]
    do {
      bytes = try await storage.bytes(of: key)
    } catch let error as StorageError where error.code == .notFound {
      outcome.findings.append(wrong(.manifestMissing, "\(key) is missing."))
      return nil
    } catch let error as StorageError where error.code == .tooLarge {
      outcome.findings.append(wrong(.manifestChanged, "\(error)"))
      return nil
    }
    let read = try? Manifest(bytes: bytes, at: key)
    guard StreamDigest.of(bytes).sha256 == export.manifestSHA256 else {
      outcome.findings.append(
        wrong(
          .manifestChanged,
          read == nil ? "\(key) is damaged: it is no manifest." : "\(key) is not the manifest that the ledger names."))
      return nil
    }
    outcome.files += 1
    outcome.bytesRead += Int64(bytes.count)
    guard let read else {
      outcome.findings.append(wrong(.manifestChanged, "\(key) is the one of the ledger, and no manifest we know."))
      return nil
    }
    return read
  }

  // MARK: Sizes

  /// A file whose bytes are to be read, and the size that it has.
  private struct Suspect: Sendable {
    var file: Manifest.File
    var size: Int64
  }

  /// Compares the listing of the folder with the manifest.
  ///
  /// - Returns: the files that are worth reading: those of the right size, and those that have another file's.
  private func sizes(
    _ manifest: Manifest, in folder: ExportFolder, _ outcome: inout Outcome
  ) async throws -> [Suspect] {
    var missing: [StorageKey: Manifest.File] = [:]
    for file in manifest.files { missing[try folder.file(file.path)] = file }
    let sizes = Set(manifest.files.map(\.size))
    let manifestKey = try folder.file(Manifest.fileName)
    var suspects: [Suspect] = []
    var wrong: [ExportFinding] = []
    func take(_ file: Manifest.File, at key: StorageKey, size: Int64) {
      if size == file.size || sizes.contains(size) { suspects.append(Suspect(file: file, size: size)) }
      if size != file.size { wrong.append(resized(file, at: key, to: size)) }
    }
    for try await page in storage.inventory(below: folder.key) {
      for entry in page {
        switch entry {
        case .file(let stored):
          if let file = missing.removeValue(forKey: stored.key) {
            take(file, at: stored.key, size: stored.size)
          } else if stored.key != manifestKey {
            wrong.append(extra(stored.key.path, in: folder))
          }
        case .foreign(let path): wrong.append(extra(path, in: folder))
        // Not a file yet; 'storage gc' looks after those.
        case .unfinished: break
        }
      }
    }
    for (key, file) in missing.sorted(by: { $0.key < $1.key }) {
      // A listing may be a moment behind.
      if let size = try await storage.size(of: key) {
        take(file, at: key, size: size)
      } else {
        wrong.append(finding(.fileMissing, file.path, "\(key) is missing."))
      }
    }
    outcome.files += manifest.files.count - wrong.count { $0.code == .fileMissing }
    outcome.findings += wrong.sorted { ($0.path ?? "") < ($1.path ?? "") }
    return suspects
  }

  private func resized(_ file: Manifest.File, at key: StorageKey, to size: Int64) -> ExportFinding {
    let code: ExportFinding.Code = size == 0 ? .fileEmpty : size < file.size ? .fileTruncated : .fileGrown
    return finding(code, file.path, "\(key) has \(size) bytes, the manifest says \(file.size).")
  }

  private func extra(_ path: String, in folder: ExportFolder) -> ExportFinding {
    finding(
      .fileExtra, path.below(folder.key.path) ?? path,
      "\(path) is not in the manifest: somebody put it there. The export itself is not touched by it.")
  }

  // MARK: Bytes

  private func read(
    _ suspects: [Suspect], _ manifest: Manifest, in folder: ExportFolder, _ outcome: inout Outcome
  ) async throws {
    let results = try await concurrently(suspects, limit: Self.filesConcurrent) { suspect in
      try await read(suspect, manifest, in: folder)
    }
    for (finding, bytes) in results {
      outcome.bytesRead += bytes
      guard let finding else { continue }
      // That a file has another's bytes says more than that it has not its own size.
      if finding.code == .fileSwapped, let path = finding.path {
        outcome.findings.removeAll { $0.path?.isExactly(path) == true }
      }
      outcome.findings.append(finding)
    }
  }

  private func read(
    _ suspect: Suspect, _ manifest: Manifest, in folder: ExportFolder
  ) async throws -> (ExportFinding?, Int64) {
    let (file, key) = (suspect.file, try folder.file(suspect.file.path))
    let found: WrittenFile
    do {
      var digest = StreamDigest()
      for try await chunk in try await storage.read(key) {
        await digest.take(chunk)
        progress(Int64(chunk.count))
      }
      found = digest.finish()
    } catch let error as StorageError where error.code == .notFound {
      return (finding(.fileMissing, file.path, "\(key) is missing."), 0)
    } catch let error as StorageError where !error.isOfWholeStore {
      return (finding(.unread, file.path, "\(error)"), 0)
    }
    guard found != WrittenFile(size: file.size, sha256: file.sha256) else { return (nil, found.size) }
    if found.size > 0,
      let other = manifest.files.first(where: { $0.sha256 == found.sha256 && $0.size == found.size })
    {
      return (finding(.fileSwapped, file.path, "\(key) has the bytes that \(other.path) should have."), found.size)
    }
    // A file of another size was told of already.
    guard suspect.size == file.size else { return (nil, found.size) }
    guard found.size == file.size else {
      return (
        finding(.unread, file.path, "\(key) gave \(found.size) bytes of \(file.size). Check again."), found.size
      )
    }
    return (
      finding(.fileChanged, file.path, "\(key) does not have the SHA-256 that the manifest gives it."), found.size
    )
  }
}

extension StorageError {
  /// Whether it is about the store and not about a file: then no other file can be had either.
  var isOfWholeStore: Bool {
    [.unreachable, .overloaded, .notAuthenticated, .missingStore, .configuration].contains(code)
  }
}
