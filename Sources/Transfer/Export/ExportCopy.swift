import Foundation
import Marketplace
import Registry
import Storage

/// One version on its way into one folder: every file hashed as it passes, `MLmodel` first, the manifest last.
///
/// A folder is written once. Whatever lies in it stays, since another worker under the same export id may have named it
/// in a manifest already; a file that ought to have other bytes by now needs another folder.
struct ExportCopy: Sendable {
  /// A file whose body ends early or whose size is not the listed one is fetched so often.
  static let attemptsMax = 3
  /// Files of one version fetched side by side.
  static let filesConcurrent = 4
  /// A larger file that an earlier attempt finished is taken over when its size is the listed one; any other is
  /// fetched again, since the source may have overwritten it meanwhile.
  static let refetchedBytesMax: Int64 = 1_048_576

  let context: JobContext
  let workspace: SourceWorkspace
  let source: ExportSource
  let identity: VersionIdentity
  let generation: Int
  let exportID: String
  let folder: ExportFolder
  /// What the model's earlier exports hold.
  var earlier = EarlierFiles.none

  /// A file is another one now than an earlier attempt wrote: then none of its files counts.
  struct SourceChanged: Error {}

  /// What an earlier attempt left in the folder.
  enum Remains: Sendable {
    /// Nothing, or files to go on from.
    case files
    /// A whole export that no event names yet.
    case manifest(Manifest, sha256: String)
    /// A damaged manifest.
    case unusable
  }

  private var manifestKey: StorageKey { get throws { try folder.file(Manifest.fileName) } }

  /// Looks at what an earlier attempt left.
  func remains() async throws -> Remains {
    guard try await context.storage.size(of: manifestKey) != nil else { return .files }
    do {
      let (manifest, sha256) = try await readManifest()
      return .manifest(manifest, sha256: sha256)
    } catch is Trouble {
      return .unusable
    }
  }

  /// Whether a whole export lies in the folder that nobody here knows of: with the files that the source lists now, their
  /// sizes, and every byte as the manifest has it. What a source overwrote since with as many bytes does not show.
  func isForgotten() async throws -> Bool {
    do {
      guard case .manifest(let manifest, _) = try await remains() else { return false }
      let listed = Dictionary(
        source.files.map { (Array($0.path.utf8), $0.file.size) }, uniquingKeysWith: { first, _ in first })
      let documents = Set(source.documentPaths.map { Array($0.utf8) })
      let copied = manifest.files.filter { !documents.contains(Array($0.path.utf8)) }
      guard manifest.modelPath.isExactly(source.modelPath), copied.count == listed.count else { return false }
      for file in copied {
        guard let size = listed[Array(file.path.utf8)], size == nil || size == file.size else { return false }
      }
      for file in manifest.files {
        let found = try await context.storage.digest(of: folder.file(file.path))
        guard found == WrittenFile(size: file.size, sha256: file.sha256) else { return false }
      }
      return true
    } catch let error as StorageError where error.code == .notFound || error.code == .tooLarge {
      return false
    }
  }

  /// Copies what is missing and writes the manifest, unless somebody else has.
  ///
  /// - Returns: the manifest that lies there, and its digest.
  /// - Throws: ``SourceChanged`` when what an earlier attempt left is of other files.
  func run() async throws -> (Manifest, sha256: String) {
    let manifest = try await copy()
    _ = try await context.storage.putIfAbsent(try manifest.encoded(), at: manifestKey)
    return try await readManifest()
  }

  /// The manifest, if it is this export's and every file that it names is there with its size.
  ///
  /// - Throws: ``Trouble`` when it is damaged.
  private func readManifest() async throws -> (Manifest, sha256: String) {
    let key = try manifestKey
    let bytes: [UInt8]
    do {
      bytes = try await context.storage.bytes(of: key)
    } catch let error as StorageError where error.code == .tooLarge {
      throw Trouble("manifest_unreadable", "\(error)", retriable: true)
    }
    let manifest = try Manifest(bytes: bytes, at: key)
    let isOurs =
      manifest.exportID == exportID && manifest.workspace == identity.workspace.text
      && manifest.model == identity.model.text && manifest.version == identity.version
      && manifest.created == identity.created && manifest.generation == generation
    let stored = try await stored()
    // A path that is no key is damage as well.
    let isWhole = try? manifest.files.allSatisfy { try stored[Array(folder.file($0.path).path.utf8)] == $0.size }
    guard isOurs, isWhole == true, try manifest.encoded() == bytes else {
      throw Trouble(
        "manifest_unreadable", "\(key) is damaged, or files that it names are. The export will be made again.",
        retriable: true)
    }
    return (manifest, StreamDigest.of(bytes).sha256)
  }

  /// Sizes of the finished files in the folder, by path.
  private func stored() async throws -> [[UInt8]: Int64] {
    Dictionary(
      try await context.storage.files(below: folder.key).map { (Array($0.key.path.utf8), $0.size) },
      uniquingKeysWith: { first, _ in first })
  }

  private func copy() async throws -> Manifest {
    let stored = try await stored()
    guard stored.isEmpty || holdsOnlyItsOwn(stored) else { throw SourceChanged() }
    // First, so that whatever an attempt leaves can be told to be of this model or not.
    var files: [Manifest.File] = []
    if let file = source.mlmodel { files.append(try await fetched(file)) }
    let others = source.files.filter { !$0.path.isExactly(source.mlmodelPath) }
    files += try await concurrently(others, limit: Self.filesConcurrent) { file in
      let size = try stored[Array(folder.file(file.path).path.utf8)]
      guard let size, size > Self.refetchedBytesMax, size == file.file.size else { return try await fetched(file) }
      return try await taken(file)
    }
    files += try await documents()
    return Manifest(
      identity: identity, exportID: exportID, name: source.version.name, generation: generation,
      modelPath: source.modelPath, runID: source.run?.id, loggedModelID: source.loggedModel?.id, files: files)
  }

  /// Whether everything that lies in the folder is to be part of the export: what an earlier attempt copied and the
  /// source no longer has would lie there for ever, named by nobody.
  private func holdsOnlyItsOwn(_ stored: [[UInt8]: Int64]) -> Bool {
    let paths = Set((source.files.map(\.path) + source.documentPaths).map { Array("\(folder.key.path)/\($0)".utf8) })
    return stored.keys.allSatisfy { paths.contains($0) }
  }

  /// A finished file of an earlier attempt, hashed where it lies.
  private func taken(_ file: ExportSource.File) async throws -> Manifest.File {
    let all = try await digest(folder.file(file.path))
    return Manifest.File(path: file.path, size: all.size, sha256: all.sha256)
  }

  func digest(_ key: StorageKey) async throws -> WrittenFile {
    var digest = StreamDigest()
    for try await chunk in try await context.storage.read(key) { await digest.take(chunk) }
    let all = digest.finish()
    guard let size = try await context.storage.size(of: key), size == all.size else {
      throw Trouble.readShort(key, all.size)
    }
    return all
  }

  private func fetched(_ file: ExportSource.File) async throws -> Manifest.File {
    let key = try folder.file(file.path)
    let written =
      if let reused = try await reused(file, to: key) { reused } else { try await fetch(file, to: key) }
    context.progress(
      .exporting(workspace.id, model: source.version.name, version: identity.version, bytes: written.size))
    return Manifest.File(path: file.path, size: written.size, sha256: written.sha256)
  }

  /// A file of which storage may hold the bytes already, without sending them.
  ///
  /// - Returns: `nil` when it has to be fetched like any other, perhaps once more.
  private func reused(_ file: ExportSource.File, to key: StorageKey) async throws -> WrittenFile? {
    guard let size = file.file.size, size > Self.comparedBytesMax,
      let known = earlier.suspect(
        size: size,
        place: EarlierFiles.place(of: file.path, modelPath: source.modelPath, runID: source.run?.id))
    else { return nil }
    do {
      switch try await fetch(file, suspecting: known, to: key) {
      case .copied(let written): return written
      case .sent(let finished): return try await proven(finished, at: key)
      case .differs, .resized: return nil
      }
    } catch let error as RegistryError where error.code == .incompleteBody {
      return nil
    }
  }

  /// A file that was to appear where one lies: they have to be the same. One of another moment or a damaged one would
  /// be named by the manifest for good.
  private func proven(_ finished: FinishedUpload, at key: StorageKey) async throws -> WrittenFile {
    if !finished.isNew, try await digest(key) != finished.file { throw SourceChanged() }
    return finished.file
  }

  /// One file from the registry to storage. An attempt goes on from what the one before left, if storage can keep it and
  /// the registry says that the file is the same; else it begins at the first byte.
  private func fetch(_ file: ExportSource.File, to key: StorageKey) async throws -> WrittenFile {
    var arrived: Int64 = 0
    for attempt in 1... {
      let writing = FileWriting(storage: context.storage, key: key)
      do {
        arrived = try await workspace.registry.download(file.file, from: file.location) { state in
          try await writing.begin(from: UploadOrigin(tag: state.tag, size: state.size))
        } consume: { chunk in
          try await writing.upload().write(chunk)
        }
        let upload = try await writing.upload()
        guard let listed = file.file.size, listed != arrived else {
          if let copied = try await copied(insteadOf: upload, to: key) { return copied }
          return try await proven(try await upload.finishUnlessPresent(), at: key)
        }
        await upload.abandon()
      } catch {
        await writing.end(after: error)
        guard let error = error as? RegistryError, [.incompleteBody, .changed].contains(error.code),
          attempt < Self.attemptsMax
        else { throw error }
        continue
      }
      guard attempt < Self.attemptsMax else { break }
    }
    throw Trouble(
      "incomplete_file",
      "\(file.path) is listed with \(file.file.size ?? 0) bytes, \(arrived) arrived, \(Self.attemptsMax) times. The "
        + "tracking server or its store cuts the file short. Nothing was recorded; the next run tries again.",
      retriable: true)
  }

  /// Writes the JSON files, and the metric histories beside them where they are long.
  private func documents() async throws -> [Manifest.File] {
    var files: [Manifest.File] = []
    var histories: MetricHistories?
    if let run = source.run {
      let path = "\(run.id)/\(MetricHistories.fileName)"
      let key = try folder.file(path)
      let (read, written) = try await MetricHistories.copy(of: run, in: workspace.registry) {
        try await context.storage.upload(to: key)
      } finish: { upload in
        try await proven(try await upload.finishUnlessPresent(), at: key)
      }
      histories = read
      if let written { files.append(Manifest.File(path: path, size: written.size, sha256: written.sha256)) }
    }
    for (path, bytes) in try await source.documents(in: workspace.registry, histories: histories) {
      guard bytes.count <= StorageLimits.wholeFileBytesMax else {
        throw Trouble(
          "document_too_large",
          "\(path) of \(source.version.name) v\(identity.version) has \(bytes.count) bytes, and an import reads "
            + "\(StorageLimits.wholeFileBytesMax) at most. The run has too many parameters, tags or metrics.",
          retriable: false)
      }
      let key = try folder.file(path)
      let upload = try await context.storage.upload(to: key)
      do {
        try await upload.write(bytes)
        let written = try await proven(try await upload.finishUnlessPresent(), at: key)
        files.append(Manifest.File(path: path, size: written.size, sha256: written.sha256))
      } catch {
        await upload.abandon()
        throw error
      }
    }
    return files
  }
}

extension Trouble {
  static func readShort(_ key: StorageKey, _ bytes: Int64) -> Trouble {
    Trouble(
      "storage_read_short", "\(key) gave \(bytes) bytes, which are not all it has. The next run tries again.",
      retriable: true)
  }
}
