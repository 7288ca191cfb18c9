import NIOHTTP1
import Synchronization

/// Artifacts of runs and logged models in a Databricks workspace: the workspace lists them, and signs an address for each
/// file that is read or written, wherever it lies.
///
/// After MLflow's own client (mlflow/store/artifact/databricks_artifact_repo.py and databricks_artifacts.proto, 3.17).
extension MLflowRegistry {
  private struct Credential: Decodable {
    struct Header: Decodable {
      var name: String
      var value: String?
    }
    var run_id: String?
    var path: String?
    var signed_uri: String?
    var headers: [Header]?
    var type: String?
  }

  private struct RunCredentials: ListingPage {
    var credential_infos: [Credential]?
    var next_page_token: String?
    var items: [Credential] { credential_infos ?? [] }
  }

  private struct ModelCredentials: ListingPage {
    struct Entry: Decodable {
      var credential_info: Credential?
    }
    var credentials: [Entry]?
    var next_page_token: String?
    var items: [Credential] { (credentials ?? []).compactMap(\.credential_info) }
  }

  private struct Wanted: Encodable {
    var run_id: String?
    /// Of a run.
    var path: [String]?
    /// Of a logged model.
    var paths: [String]?
    var page_token: String?
  }

  private enum Purpose {
    case reading
    case writing
  }

  // MARK: Listing, reading, writing

  /// What is in a folder below a place.
  func databricksEntries(
    of folder: String, in place: DatabricksPlace, operation: String
  ) async throws -> [Wire.File] {
    try await explained {
      try await entries(of: place.path(folder), of: place.owner, distorts: false, operation: operation)
    }
  }

  /// A file's bytes, by an address that is asked for again when it ends.
  func databricksDownload(
    _ file: ArtifactFile, of place: DatabricksPlace, by transfer: any SignedTransfer, operation: String
  ) -> RangedDownload {
    let path = place.path(file.path)
    let source = SignedSource(transfer: transfer, now: transport.effects.now) { [self] in
      try await credential(for: path, of: place.owner, .reading, operation: operation).address
    }
    return outside(operation, "the signed address of \(path.shown)") { try await source.open(headers: $0) }
  }

  /// Writes a file in the form that the storage behind its address wants.
  func databricksUpload<Body: AsyncSequence & Sendable>(
    _ path: String, to place: DatabricksPlace, by transfer: any SignedTransfer, length: Int64, operation: String,
    body: @escaping @Sendable () async throws -> Body
  ) async throws where Body.Element == [UInt8] {
    let path = place.path(path)
    let (address, form) = try await credential(for: path, of: place.owner, .writing, operation: operation)
    guard form != .whole || length <= Self.signedPutBytesMax else {
      throw RegistryError(
        .tooLarge, operation: operation, url: transport.address.text,
        message:
          "it has \(length) bytes, and storage behind this workspace takes \(Self.signedPutBytesMax) in one call",
        advice: "Have the marketplace keep its artifacts elsewhere, or log the model in smaller files.")
    }
    try await transfer.put(
      to: address, as: form, length: length,
      renewed: { [self] in
        try await credential(for: path, of: place.owner, .writing, operation: operation).address
      }, body: body)
  }

  // MARK: Credentials

  /// A checked address for one file, and how its storage wants to be given one.
  private func credential(
    for path: String, of owner: SignedOwner, _ purpose: Purpose, operation: String
  ) async throws -> (address: SignedAddress, form: SignedForm) {
    var found: [Credential] = []
    try await explained {
      switch owner {
      case .run(let id, _):
        let call = purpose == .reading ? "artifacts/credentials-for-read" : "artifacts/credentials-for-write"
        try await eachPage(operation: operation) { token in
          try await send(
            .POST, call, Wanted(run_id: id, path: [path], page_token: token), as: RunCredentials.self, idempotent: true,
            operation: operation)
        } page: {
          found += $0.items
        }
      case .model(let id):
        let call = "logged-models/" + PercentEncoding.encode(id) + "/artifacts/credentials-for-"
        try await eachPage(operation: operation) { token in
          try await send(
            .POST, call + (purpose == .reading ? "download" : "upload"), Wanted(paths: [path], page_token: token),
            as: ModelCredentials.self, idempotent: true, operation: operation)
        } page: {
          found += $0.items
        }
      }
    }
    guard let credential = found.first, found.count == 1, let uri = credential.signed_uri else {
      throw malformed("the answer holds \(found.count) signed addresses for one file", operation)
    }
    // An address of another file would be read as this one.
    guard credential.path.orNilIfEmpty?.hasSameBytes(as: path) != false else {
      throw malformed("the answer holds a signed address of another file than \(path.shown)", operation)
    }
    let headers = Dictionary(
      (credential.headers ?? []).map { ($0.name, $0.value ?? "") }, uniquingKeysWith: { _, last in last })
    let address = SignedAddress(url: uri, headers: headers)
    if let reason = signedRule.refusal(of: address) { throw refused(address, reason, operation: operation) }
    return (address, try form(credential.type ?? "", operation))
  }

  private func form(_ type: String, _ operation: String) throws -> SignedForm {
    switch type {
    case "AWS_PRESIGNED_URL", "GCP_SIGNED_URL": return .whole
    case "AZURE_SAS_URI": return .azureBlocks
    case "AZURE_ADLS_GEN2_SAS_URI": return .azureAppend
    default:
      throw RegistryError(
        .unsupported, operation: operation, url: transport.address.text,
        message: "the workspace signs addresses of a kind this client does not use, '\(type.shown)'",
        advice: "Report it; storage of Amazon, Google and Azure is spoken.")
    }
  }

  private func malformed(_ message: String, _ operation: String) -> RegistryError {
    RegistryError(
      .invalidResponse, operation: operation, url: transport.address.text, message: message, retriable: true)
  }

  /// Says of a server that knows none of these calls that it is none that made such an address.
  private func explained<T>(_ body: () async throws -> T) async throws -> T {
    do {
      return try await body()
    } catch var error as RegistryError where error.code == .unsupported || error.serverCode == "FEATURE_DISABLED" {
      error.code = .unsupported
      error.message =
        "the artifacts lie in a Databricks workspace, and this server does not hand them out as one does: \(error.message)"
      error.advice =
        "Give the address of the very workspace that made the run as this registry's; elsewhere its files cannot be had."
      throw error
    }
  }

  // MARK: Telling a workspace

  /// The ends of the hosts of Databricks workspaces (databricks/sdk/environments.py).
  private static let zones = [
    ".azuredatabricks.net", ".databricks.azure.us", ".databricks.azure.cn", ".databricks.com", ".databricks.us",
  ]

  /// Whether the server is a Databricks workspace, by its host or by an address that it gave to artifacts.
  var isDatabricks: Bool {
    let host = transport.address.authority.lowercased().prefix { $0 != ":" }
    return hasDatabricksRoots.load(ordering: .relaxed) || Self.zones.contains { host.hasSuffix($0) }
  }
}

extension ServerInfo {
  /// A Databricks workspace. What it has of logged models is beyond its own registry, so files of versions are put into
  /// runs.
  static let databricks = Self(version: "databricks", major: 2)
}

extension RegistryError {
  /// Whether a server answered, and would answer the same again.
  var isLastWord: Bool { !retriable && (status != nil || code == .invalidResponse) }
}
