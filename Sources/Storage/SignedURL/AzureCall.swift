/// The calls by which a file gets into Azure's storage, and which headers each of them takes. Pure.
///
/// Whoever signs an address may give headers with it that belong to one call and not to another. MLflow's own client leaves
/// those out (mlflow/azure/client.py, 3.17), and so does this one.
enum AzureCall: Sendable, Hashable {
  /// `comp=block`
  case block
  /// `comp=blocklist`
  case blockList
  /// `resource=file`
  case create
  /// `action=append`
  case append
  /// `action=flush`
  case flush

  /// Whether a header that came with an address goes along.
  func takes(_ header: String) -> Bool {
    let name = header.lowercased()
    if Self.ofAll.contains(name) { return true }
    switch self {
    case .block: return Self.ofBlocks.contains(name)
    case .blockList: return Self.ofBlockLists.contains(name) || name.hasPrefix("x-ms-meta-")
    case .create, .flush:
      return Self.ofPaths.contains(name) || Self.ofCreation.contains(name) || Self.conditions.contains(name)
    case .append: return Self.ofPaths.contains(name) || name == "content-md5" || Self.conditions.contains(name)
    }
  }

  private static let ofAll: Set<String> = ["x-ms-version", "x-ms-date", "x-ms-client-request-id"]

  private static let conditions: Set<String> = [
    "if-match", "if-none-match", "if-modified-since", "if-unmodified-since",
  ]

  private static let ofBlocks: Set<String> = [
    "authorization", "content-md5", "x-ms-content-crc64", "x-ms-encryption-scope", "x-ms-lease-id",
    "x-ms-encryption-key", "x-ms-encryption-key-sha256", "x-ms-encryption-algorithm",
  ]

  private static let ofBlockLists: Set<String> = conditions.union([
    "authorization", "date", "content-md5", "x-ms-content-crc64", "x-ms-blob-cache-control", "x-ms-blob-content-type",
    "x-ms-blob-content-encoding", "x-ms-blob-content-language", "x-ms-blob-content-md5", "x-ms-encryption-scope",
    "x-ms-tags", "x-ms-lease-id", "x-ms-blob-content-disposition", "x-ms-access-tier",
  ])

  /// Of creating, appending and flushing.
  private static let ofPaths: Set<String> = [
    "x-ms-lease-id", "x-ms-cache-control", "x-ms-content-type", "x-ms-content-disposition", "x-ms-content-encoding",
    "x-ms-content-language", "x-ms-properties", "x-ms-owner", "x-ms-group", "x-ms-permissions", "x-ms-acl",
    "x-ms-encryption-key", "x-ms-encryption-key-sha256", "x-ms-encryption-algorithm", "x-ms-encryption-context",
  ]

  private static let ofCreation: Set<String> = [
    "cache-control", "content-encoding", "content-language", "content-disposition", "x-ms-rename-source", "x-ms-umask",
    "x-ms-proposed-lease-id", "x-ms-expiry-option", "x-ms-expiry-time", "x-ms-source-if-match",
    "x-ms-source-if-none-match", "x-ms-source-if-modified-since", "x-ms-source-if-unmodified-since",
  ]
}
