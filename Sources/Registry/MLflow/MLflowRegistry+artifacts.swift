import NIOHTTP1

extension MLflowRegistry {
  static let proxy = "/api/2.0/mlflow-artifacts/artifacts"

  private struct FilePage: ListingPage {
    var files: [Wire.File]?
    var next_page_token: String?
    var items: [Wire.File] { files ?? [] }
  }

  /// Every file below a location, ascending by path; none when there is nothing.
  ///
  /// One request per folder. The proxy names entries relative to the folder that was asked for.
  public func artifacts(at location: ArtifactLocation) async throws -> [ArtifactFile] {
    let operation = "listing artifacts"
    let root = try root(of: location, operation: operation)
    var files: [ArtifactFile] = []
    var names: Set<[UInt8]> = []
    var folders: [(path: String, depth: Int)] = [("", 0)]
    var foldersSeen = 1
    while let folder = folders.popLast() {
      for entry in try await entries(of: folder.path, below: root, operation: operation) {
        let path = folder.path.isEmpty ? entry.path : folder.path + "/" + entry.path
        try refuseHostile(path, operation: operation)
        guard names.insert(Array(path.utf8)).inserted else {
          throw RegistryError(
            .invalidResponse, operation: operation, url: transport.address.text,
            message: "the listing names \(path.shown) twice")
        }
        if entry.is_dir ?? false {
          foldersSeen += 1
          try bound(foldersSeen, bounds.foldersMax, "folders", operation: operation)
          try bound(folder.depth + 1, bounds.depthMax, "folders within one another", operation: operation)
          folders.append((path, folder.depth + 1))
        } else {
          files.append(ArtifactFile(path: path, size: entry.file_size?.value))
          try bound(files.count, bounds.filesMax, "files", operation: operation)
        }
      }
    }
    return files.sorted { $0.path.utf8.lexicographicallyPrecedes($1.path.utf8) }
  }

  private func entries(of folder: String, below root: String, operation: String) async throws -> [Wire.File] {
    let path = folder.isEmpty ? root : root + "/" + folder
    try refuseDistorted(path, operation: operation)
    var entries: [Wire.File] = []
    try await eachPage(operation: operation) { token in
      let call = HTTPCall(
        operation: operation, method: .GET, path: Self.proxy, query: [("path", path)].paged(token),
        idempotent: true)
      return try decode(FilePage.self, try await transport.answer(to: call), call)
    } page: { page in
      entries += page.items
      try bound(entries.count, bounds.filesMax + bounds.foldersMax, "entries", operation: operation)
    }
    for entry in entries
    where entry.path.utf8.contains(UInt8(ascii: "/")) || (entry.file_size?.value ?? 0) < 0 {
      throw RegistryError(
        .hostilePath, operation: operation, url: transport.address.text,
        message: "the entry \(entry.path.shown) is not one of the folder that was asked for",
        advice: "Report it to whoever runs the server.")
    }
    return entries
  }

  /// Streams one file; see ``ModelRegistry/download(_:from:consume:)``.
  public func download(
    _ file: ArtifactFile, from location: ArtifactLocation, consume: ([UInt8]) async throws -> Void
  ) async throws -> Int64 {
    let operation = "downloading artifact \(file.path.shown)"
    var call = try fileCall(.GET, file.path, location, operation: operation)
    if let direct = try await directCall(file, location, operation: operation) { call = direct }
    return try await transport.stream(call, consume: consume)
  }

  /// Writes one file below a location, overwriting what is there.
  public func upload<Body: AsyncSequence & Sendable>(
    _ path: String, to location: ArtifactLocation, length: Int64,
    body: @escaping @Sendable () async throws -> Body
  ) async throws where Body.Element == [UInt8] {
    precondition(length >= 0, "a file has no negative length")
    let call = try fileCall(.PUT, path, location, operation: "uploading artifact \(path.shown)")
    try await transport.upload(call, length: length, body: body)
  }

  /// MLflow 2 names the file in a header as it is, and its server breaks off when that is beyond Latin-1. For
  /// a run's files another path escapes the name; anywhere else such a file cannot be had.
  private func directCall(
    _ file: ArtifactFile, _ location: ArtifactLocation, operation: String
  ) async throws -> HTTPCall? {
    guard case .run(let id, let folder, _) = location,
      file.path.split(separator: "/").last?.unicodeScalars.contains(where: { $0.value > 0xFF }) == true,
      try await !serverVersion().hasLoggedModels
    else { return nil }
    let path = folder.isEmpty ? file.path : folder + "/" + file.path
    return HTTPCall(
      operation: operation, method: .GET, path: "/get-artifact",
      query: [("run_uuid", id), ("path", path)], idempotent: true)
  }

  private func fileCall(
    _ method: HTTPMethod, _ path: String, _ location: ArtifactLocation, operation: String
  ) throws -> HTTPCall {
    let root = try root(of: location, operation: operation)
    try refuseHostile(path, operation: operation)
    let whole = root + "/" + path
    try refuseDistorted(whole, operation: operation)
    return HTTPCall(
      operation: operation, method: method, path: Self.proxy + "/" + PercentEncoding.encode(path: whole),
      idempotent: true)
  }

  private func root(of location: ArtifactLocation, operation: String) throws -> String {
    switch location {
    case .loggedModel(_, let root), .run(_, _, let root), .proxy(let root):
      try refuseHostile(root, operation: operation)
      return root
    case .unsupported(let uri, let reason):
      throw RegistryError(
        .unsupported, operation: operation, message: "\(uri.shown) cannot be read: \(reason)",
        advice: "Register the version from artifacts the tracking server serves.")
    }
  }

  private func refuseDistorted(_ path: String, operation: String) throws {
    guard let reason = ArtifactPath.distortion(of: path) else { return }
    throw RegistryError(
      .unsupported, operation: operation, message: "the path \(path.shown) cannot be asked for: \(reason)",
      advice: "Rename the artifact at the source.")
  }

  private func bound(_ count: Int, _ most: Int, _ what: String, operation: String) throws {
    guard count > most else { return }
    throw RegistryError(
      .tooLarge, operation: operation, url: transport.address.text,
      message: "there are more than \(most) \(what)", advice: "Raise the bound if there really are so many.")
  }
}
