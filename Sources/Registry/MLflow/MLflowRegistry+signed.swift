import AsyncHTTPClient
import NIOHTTP1
import Synchronization

/// Files by addresses that the tracking server signs: of runs and logged models whose root lies outside its proxy, and
/// around the proxy where that is faster.
extension MLflowRegistry {
  /// S3 takes at most so many bytes in one `PUT`.
  static let signedPutBytesMax: Int64 = 5 * 1_073_741_824

  /// A file is put to so many addresses, one after the other, where they end before it has arrived.
  static let signedPutsMax = 3

  private struct Signed: Decodable {
    var url: String?
    var presigned_url: String?
    var headers: [String: String]?
  }

  private struct Wanted: Encodable {
    var run_id: String?
    var model_id: String?
    var path: String
  }

  // MARK: Listing

  private struct FilePage: ListingPage {
    var files: [Wire.File]?
    var next_page_token: String?
    var items: [Wire.File] { files ?? [] }
  }

  /// What is in a folder, by the server's own listing, which names everything from the root on.
  ///
  /// - Parameter distorts: whether the server changes some paths, as MLflow's own does.
  func entries(
    of folder: String, of owner: SignedOwner, distorts: Bool = true, operation: String
  ) async throws -> [Wire.File] {
    let path: String
    let query: [(String, String)]
    let place: String
    switch owner {
    case .run(let id, let root):
      place = [root, folder].filter { !$0.isEmpty }.joined(separator: "/")
      path = "artifacts/list"
      query = [("run_id", id)] + (place.isEmpty ? [] : [("path", place)])
    case .model(let id):
      place = folder
      path = "logged-models/" + PercentEncoding.encode(id) + "/artifacts/directories"
      query = place.isEmpty ? [] : [("artifact_directory_path", place)]
    }
    if distorts, !place.isEmpty { try refuseDistorted(place, operation: operation) }
    var entries: [Wire.File] = []
    try await eachPage(operation: operation) { token in
      try await get(path, query.paged(token), as: FilePage.self, operation: operation)
    } page: { page in
      for var entry in page.items {
        if !place.isEmpty {
          guard entry.path.utf8.starts(with: (place + "/").utf8) else {
            throw RegistryError(
              .hostilePath, operation: operation, url: transport.address.text,
              message: "the entry \(entry.path.shown) is not one of the folder that was asked for",
              advice: "Report it to whoever runs the server.")
          }
          entry.path = String(decoding: entry.path.utf8.dropFirst(place.utf8.count + 1), as: UTF8.self)
        }
        entries.append(entry)
      }
      try bound(entries.count, bounds.filesMax + bounds.foldersMax, "entries", operation: operation)
    }
    try refuseStrays(entries, operation: operation)
    return entries
  }

  // MARK: Reading and writing outside the proxy

  func signedDownload(
    _ file: ArtifactFile, of owner: SignedOwner, operation: String
  ) async throws -> RangedDownload {
    guard case .run(let id, let folder) = owner, let signed else {
      throw RegistryError(
        .unsupported, operation: operation, url: transport.address.text,
        message: "the server signs no addresses for files of logged models",
        advice: "Name the bucket below 'artifacts' of this registry")
    }
    let path = folder.isEmpty ? file.path : folder + "/" + file.path
    try refuseDistorted(path, operation: operation)
    let source = SignedSource(transfer: signed, now: transport.effects.now) { [self] in
      let answer = try await send(
        .POST, "artifacts/presigned-download-url", Wanted(run_id: id, path: path), as: Signed.self, idempotent: true,
        operation: operation)
      return try used(answer, operation: operation)
    }
    return outside(operation, "the signed address of \(path.shown)") { try await source.open(headers: $0) }
  }

  func signedUpload<Body: AsyncSequence & Sendable>(
    _ path: String, of owner: SignedOwner, length: Int64, operation: String,
    body: @escaping @Sendable () async throws -> Body
  ) async throws where Body.Element == [UInt8] {
    guard length <= Self.signedPutBytesMax else {
      throw RegistryError(
        .tooLarge, operation: operation, url: transport.address.text,
        message: "it has \(length) bytes, and \(Self.signedPutBytesMax) go through a signed address",
        advice: "Name the bucket below 'artifacts' of this registry")
    }
    let wanted: Wanted
    switch owner {
    case .run(let id, let folder):
      wanted = Wanted(run_id: id, path: folder.isEmpty ? path : folder + "/" + path)
    case .model(let id): wanted = Wanted(model_id: id, path: path)
    }
    try refuseDistorted(wanted.path, operation: operation)
    for attempt in 1...Self.signedPutsMax {
      let answer = try await send(
        .POST, "artifacts/presigned-upload-url", wanted, as: Signed.self, idempotent: true, operation: operation)
      let address = try used(answer, operation: operation)
      do {
        try await signed?.put(to: address, length: length, body: body)
        return
      } catch let error as RegistryError where error.code == .notAuthenticated && attempt < Self.signedPutsMax {
        // It ended while it waited for its turn.
      }
    }
  }

  /// An address that may be used.
  private func used(_ answer: Signed, operation: String) throws -> SignedAddress {
    guard let url = answer.presigned_url ?? answer.url else {
      throw RegistryError(
        .invalidResponse, operation: operation, url: transport.address.text,
        message: "the server's answer holds no signed address", retriable: true)
    }
    let address = SignedAddress(url: url, headers: answer.headers ?? [:])
    if let reason = signedRule.refusal(of: address) { throw refused(address, reason, operation: operation) }
    return address
  }

  func refused(_ address: SignedAddress, _ reason: String, operation: String) -> RegistryError {
    RegistryError(
      .notPermitted, operation: operation, url: transport.address.text,
      message: "the server wants it fetched from \(address.shown.shown), which is refused: \(reason)",
      advice: "If that is where its files lie, name the host in 'artifact_hosts' of this registry.")
  }

  // MARK: Around the proxy

  /// A large file of a server whose artifacts lie in a bucket, past the server: its proxy copies such a file to a disk
  /// of its own before the first byte, and knows no ranges. `nil` where the proxy is the way.
  func signedDetour(
    around whole: String, _ file: ArtifactFile, operation: String
  ) async throws -> RangedDownload? {
    guard let signed, let size = file.size, size >= transport.policy.rangedBytesMin,
      !signedReadingFailed.load(ordering: .relaxed), ArtifactPath.distortion(of: whole) == nil,
      try await serverInfo().multipartDownloadsEnabled
    else { return nil }
    let source = SignedSource(transfer: signed, now: transport.effects.now) { [self] in
      let call = HTTPCall(
        operation: operation, method: .GET,
        path: "/api/2.0/mlflow-artifacts/presigned/" + PercentEncoding.encode(path: whole), idempotent: true)
      return try used(decode(Signed.self, try await transport.answer(to: call), call), operation: operation)
    }
    do {
      // One byte tells whether the address leads anywhere from here.
      for try await _ in try await source.open(headers: [("range", "bytes=0-0")]).body {}
    } catch {
      try Task.checkCancellation()
      // A server that has too much to do is no reason never to ask again.
      if let error = error as? RegistryError, error.code != .notFound, error.code != .overloaded {
        signedReadingFailed.store(true, ordering: .relaxed)
      }
      return nil
    }
    return outside(operation, "the signed address of \(whole.shown)") { try await source.open(headers: $0) }
  }
}
