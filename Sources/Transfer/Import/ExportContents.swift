import Foundation
import Marketplace
import Registry
import Storage

/// An export read back from storage, its manifest checked against the ledger.
struct ExportContents: Sendable {
  let storage: any ExternalStorage
  let folder: ExportFolder
  let manifest: Manifest

  /// Opens an export.
  ///
  /// - Throws: ``Trouble`` with ``Trouble/rottenCode`` when the manifest is missing or another one.
  init(_ export: ModelExported, in storage: any ExternalStorage) async throws {
    self.storage = storage
    folder = try ExportFolder(uri: export.uri, in: storage)
    let key = try folder.file(Manifest.fileName)
    let bytes: [UInt8]
    do {
      bytes = try await storage.bytes(of: key)
    } catch let error as StorageError where error.code == .notFound {
      throw Trouble(Trouble.rottenCode, "\(key) is missing.", retriable: true)
    }
    guard StreamDigest.of(bytes).sha256 == export.manifestSHA256 else {
      throw Trouble(Trouble.rottenCode, "\(key) is not the manifest that the ledger names.", retriable: true)
    }
    manifest = try Manifest(bytes: bytes, at: key)
  }

  /// `model.json`.
  func registeredModel() async throws -> RegisteredModelDocument.Model {
    try await document(RegisteredModelDocument.self, at: "model.json").registeredModel
  }

  /// `<run_id>/run.json`, where the export holds a run.
  func run() async throws -> RunDocument? {
    guard let id = manifest.runID else { return nil }
    return try await document(RunDocument.self, at: "\(id)/run.json")
  }

  /// `<m-id>/logged_model.json`, where the export holds one.
  func loggedModel() async throws -> LoggedModelDocument? {
    guard let id = manifest.loggedModelID else { return nil }
    return try await document(LoggedModelDocument.self, at: "\(id)/logged_model.json")
  }

  private func document<Content: Codable & Sendable>(_: Content.Type, at path: String) async throws -> Content {
    let file = try listed(path)
    var all: [UInt8] = []
    do {
      all = try await storage.bytes(of: try folder.file(path))
    } catch let error as StorageError where error.code == .notFound {
      throw Trouble.rotten(file)
    }
    guard StreamDigest.of(all) == WrittenFile(size: file.size, sha256: file.sha256) else { throw Trouble.rotten(file) }
    return try ExportDocument<Content>.decode(all)
  }

  /// The manifest's word on a file.
  func listed(_ path: String) throws -> Manifest.File {
    guard let file = manifest.files.first(where: { $0.path.isExactly(path) }) else {
      throw Trouble(Trouble.rottenCode, "\(folder.key)/\(path) is not in the manifest.", retriable: true)
    }
    return file
  }

  /// Files below a folder of the export, their paths relative to it.
  func files(below path: String) -> [(file: Manifest.File, path: String)] {
    manifest.files.compactMap { file in
      file.path.below(path).map { (file, $0) }
    }
  }

  /// Reads files of the export to the end, for those that the registry has already and nobody uploads.
  ///
  /// - Throws: ``Trouble`` with ``Trouble/rottenCode`` when storage does not hold what the manifest says.
  func verify(_ files: [Manifest.File]) async throws {
    _ = try await concurrently(files, limit: ImportJob.filesConcurrent) { file in
      do {
        let body = VerifiedBody(
          body: try await storage.read(try folder.file(file.path)), file: file, verdict: VerifiedBody.Verdict())
        for try await _ in body {}
      } catch let error as StorageError where error.code == .notFound {
        throw Trouble.rotten(file)
      }
    }
  }

  /// Copies files into a registry, but for those that an earlier attempt has brought there, and lists them back.
  ///
  /// - Throws: ``Trouble`` with ``Trouble/rottenCode`` when storage does not hold what the manifest says, with
  ///   `upload_incomplete` when the registry does not list what was written.
  func upload(
    _ files: [(file: Manifest.File, path: String)], to location: ArtifactLocation, of registry: any ModelRegistry,
    notes: UploadNotes, progress: @escaping @Sendable (Int64) -> Void
  ) async throws {
    let root = location.root ?? ""
    let noted = try await notes.noted(files, at: root)
    let present = noted.isEmpty ? [:] : try await sizes(at: location, of: registry)
    _ = try await concurrently(files, limit: ImportJob.filesConcurrent) { file, path in
      if let known = noted[Array(path.utf8)] {
        if known == WrittenFile(size: file.size, sha256: file.sha256), present[Array(path.utf8)] == file.size {
          // It is lived on, so that storage holds it no longer would never be seen.
          return try await verify([file])
        }
        try await notes.withdraw(path, at: root)
      }
      let key = try folder.file(file.path)
      guard try await storage.size(of: key) == file.size else { throw Trouble.rotten(file) }
      let verdict = VerifiedBody.Verdict()
      let body = try await storage.read(key)
      do {
        try await registry.upload(path, to: location, length: file.size) {
          VerifiedBody(body: body, file: file, verdict: verdict)
        }
      } catch {
        throw verdict.isRotten ? Trouble.rotten(file) : error
      }
      // A file of no bytes asks for none, so nothing judged it on the way.
      guard !verdict.isRotten else { throw Trouble.rotten(file) }
      try await notes.note(file, as: path, at: root)
      progress(file.size)
    }
    let listed = try await sizes(at: location, of: registry)
    for (file, path) in files {
      guard let size = listed[Array(path.utf8)], size == nil || size == file.size else {
        throw Trouble(
          "upload_incomplete",
          "\(path) was written to \(location.root ?? "the marketplace"), which does not list it with \(file.size) bytes.",
          retriable: true)
      }
    }
  }

  /// What a registry lists at a place; a size is `nil` where it tells none.
  private func sizes(at location: ArtifactLocation, of registry: any ModelRegistry) async throws -> [[UInt8]: Int64?] {
    Dictionary(
      try await registry.artifacts(at: location).map { (Array($0.path.utf8), $0.size) },
      uniquingKeysWith: { first, _ in first })
  }
}
