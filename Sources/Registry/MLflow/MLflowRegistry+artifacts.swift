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
    switch try await way(to: location, operation: operation) {
    case .proxy(let root):
      return try await walk(operation: operation) {
        try await entries(of: $0, below: root, operation: operation)
      }
    case .signed(let owner):
      return try await walk(operation: operation) {
        try await entries(of: $0, of: owner, operation: operation)
      }
    case .databricks(let place, _):
      return try await walk(operation: operation) {
        try await databricksEntries(of: $0, in: place, operation: operation)
      }
    case .store(let store, let path):
      let files = try await store.files(below: path, filesMax: bounds.filesMax)
      return try checked(files, folders: try folders(of: files, operation: operation), operation: operation)
    }
  }

  /// The folders that the names of a bucket's flat listing amount to.
  private func folders(of files: [ArtifactFile], operation: String) throws -> Set<[UInt8]> {
    var folders: Set<[UInt8]> = []
    for file in files {
      let names = file.path.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
      try bound(names.count - 1, bounds.depthMax, "folders within one another", operation: operation)
      var folder: [UInt8] = []
      for name in names.dropLast() {
        folder += folder.isEmpty ? Array(name) : [UInt8(ascii: "/")] + Array(name)
        folders.insert(folder)
      }
      try bound(folders.count, bounds.foldersMax, "folders", operation: operation)
    }
    return folders
  }

  /// Goes through folders within folders.
  private func walk(
    operation: String, entries: (String) async throws -> [Wire.File]
  ) async throws -> [ArtifactFile] {
    var files: [ArtifactFile] = []
    var names: Set<[UInt8]> = []
    var folders: [(path: String, depth: Int)] = [("", 0)]
    var foldersSeen = 1
    while let folder = folders.popLast() {
      for entry in try await entries(folder.path) {
        let path = folder.path.isEmpty ? entry.path : folder.path + "/" + entry.path
        try refuseHostile(path, operation: operation)
        guard names.insert(Array(path.utf8)).inserted else { throw twice(path, operation: operation) }
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

  /// Files by names that are safe and occur once, ascending.
  private func checked(
    _ files: [ArtifactFile], folders: Set<[UInt8]>, operation: String
  ) throws -> [ArtifactFile] {
    try bound(files.count, bounds.filesMax, "files", operation: operation)
    var names = folders
    for file in files {
      try refuseHostile(file.path, operation: operation)
      guard names.insert(Array(file.path.utf8)).inserted else { throw twice(file.path, operation: operation) }
    }
    return files.sorted { $0.path.utf8.lexicographicallyPrecedes($1.path.utf8) }
  }

  private func twice(_ path: String, operation: String) -> RegistryError {
    RegistryError(
      .invalidResponse, operation: operation, url: transport.address.text,
      message: "the listing names \(path.shown) twice")
  }

  func entries(of folder: String, below root: String, operation: String) async throws -> [Wire.File] {
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
    try refuseStrays(entries, operation: operation)
    return entries
  }

  /// What a folder's listing names has to lie right in it.
  func refuseStrays(_ entries: [Wire.File], operation: String) throws {
    for entry in entries
    where entry.path.utf8.contains(UInt8(ascii: "/")) || (entry.file_size?.value ?? 0) < 0 {
      throw RegistryError(
        .hostilePath, operation: operation, url: transport.address.text,
        message: "the entry \(entry.path.shown) is not one of the folder that was asked for",
        advice: "Report it to whoever runs the server.")
    }
  }

  /// Streams one file; see ``ModelRegistry/download(_:from:consume:)``.
  public func download(
    _ file: ArtifactFile, from location: ArtifactLocation, consume: ([UInt8]) async throws -> Void
  ) async throws -> Int64 {
    try await download(file, from: location, start: { _ in 0 }, consume: consume)
  }

  /// Streams one file from some byte on; see ``ModelRegistry/download(_:from:start:consume:)``.
  public func download(
    _ file: ArtifactFile, from location: ArtifactLocation, start: (ArtifactState) async throws -> Int64,
    consume: ([UInt8]) async throws -> Void
  ) async throws -> Int64 {
    let operation = "downloading artifact \(file.path.shown)"
    try refuseHostile(file.path, operation: operation)
    switch try await way(to: location, operation: operation) {
    case .proxy(let root):
      let whole = root + "/" + file.path
      if let detour = try await signedDetour(around: whole, file, operation: operation) {
        return try await detour.run(size: file.size, start: start, consume: consume)
      }
      var call = try fileCall(.GET, whole, operation: operation)
      if let named = try await namedCall(file, location, operation: operation) { call = named }
      return try await transport.download(call, size: file.size, start: start, consume: consume)
    case .store(let store, let path):
      let name = path + "/" + file.path
      let download = outside(operation, "\(store.uri)/\(name)") { try await store.open(name, headers: $0) }
      return try await download.run(size: file.size, start: start, consume: consume)
    case .signed(let owner):
      let download = try await signedDownload(file, of: owner, operation: operation)
      return try await download.run(size: file.size, start: start, consume: consume)
    case .databricks(let place, let transfer):
      let download = databricksDownload(file, of: place, by: transfer, operation: operation)
      return try await download.run(size: file.size, start: start, consume: consume)
    }
  }

  /// Writes one file below a location, overwriting what is there.
  public func upload<Body: AsyncSequence & Sendable>(
    _ path: String, to location: ArtifactLocation, length: Int64,
    body: @escaping @Sendable () async throws -> Body
  ) async throws where Body.Element == [UInt8] {
    precondition(length >= 0, "a file has no negative length")
    let operation = "uploading artifact \(path.shown)"
    try refuseHostile(path, operation: operation)
    switch try await way(to: location, operation: operation) {
    case .proxy(let root):
      let whole = root + "/" + path
      let call = try fileCall(.PUT, whole, operation: operation)
      guard try await !uploadedInParts(whole, length: length, operation: operation, body: body) else { return }
      try await transport.upload(call, length: length, body: body)
    case .store(let store, let root):
      try await store.upload(root + "/" + path, length: length, body: body)
    case .signed(let owner):
      try await signedUpload(path, of: owner, length: length, operation: operation, body: body)
    case .databricks(let place, let transfer):
      try await databricksUpload(path, to: place, by: transfer, length: length, operation: operation, body: body)
    }
  }

  /// MLflow 2 names the file in a header as it is, and its server breaks off when that is beyond Latin-1. For
  /// a run's files another path escapes the name; anywhere else such a file cannot be had.
  private func namedCall(
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

  private func fileCall(_ method: HTTPMethod, _ whole: String, operation: String) throws -> HTTPCall {
    try refuseDistorted(whole, operation: operation)
    return HTTPCall(
      operation: operation, method: method, path: Self.proxy + "/" + PercentEncoding.encode(path: whole),
      idempotent: true)
  }

  func refuseDistorted(_ path: String, operation: String) throws {
    guard let reason = ArtifactPath.distortion(of: path) else { return }
    throw RegistryError(
      .unsupported, operation: operation, message: "the path \(path.shown) cannot be asked for: \(reason)",
      advice: "Rename the artifact at the source.")
  }

  func bound(_ count: Int, _ most: Int, _ what: String, operation: String) throws {
    guard count > most else { return }
    throw RegistryError(
      .tooLarge, operation: operation, url: transport.address.text,
      message: "there are more than \(most) \(what)", advice: "Raise the bound if there really are so many.")
  }
}
