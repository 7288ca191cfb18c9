import Foundation
import NIOCore
import NIOHTTP1

/// What a Databricks workspace says of the artifacts of runs and logged models, after MLflow's own client (3.17), and the
/// storage behind it. It is no Databricks: none was at hand.
///
/// Every call needs the token; one with a field that the protocol does not have is refused.
public struct ScriptedDatabricks: Sendable {
  /// Who asks.
  public static let token = "dapi-0123456789-hidden"
  /// An identifier of a run.
  public static let run = String(repeating: "a1", count: 16)
  /// An identifier of a logged model.
  public static let model = "m-0123456789abcdef"
  /// The root of the run's artifacts.
  public static let root = "dbfs:/databricks/mlflow-tracking/42/\(run)/artifacts"
  /// The root of the logged model's files.
  public static let modelRoot = "dbfs:/databricks/mlflow-tracking/42/logged_models/\(model)/artifacts"

  /// Where the files lie, by the identifier of their owner and the path within its artifacts.
  public let storage: SignedStorage
  /// Entries of a page of a listing.
  public var pageSize = 2
  /// Says instead of the storage's own address where a file is.
  public var address: (@Sendable () -> String)?
  /// Answers first, if it wants to.
  public var also: @Sendable (FaultyRequest) -> Fault? = { _ in nil }

  /// A workspace before some storage.
  public init(_ storage: SignedStorage) { self.storage = storage }

  /// Runs `body` with the workspace.
  public func serve<T>(_ body: (FaultyProxy) async throws -> T) async throws -> T {
    try await FaultyProxy.with(nil, { request, _ in answer(request) }, body)
  }

  /// Answers a call.
  public func answer(_ request: FaultyRequest) -> Fault {
    if request.path.hasPrefix("/storage/") { return also(request) ?? storage.answer(request) }
    guard request.headers.first(name: "authorization") == "Bearer \(Self.token)" else {
      return .answer(.unauthorized, body: #"{"error_code": "UNAUTHENTICATED", "message": "no token"}"#)
    }
    if let answer = also(request) { return answer }
    let models = "/api/2.0/mlflow/logged-models/\(Self.model)/artifacts/"
    switch (request.method, request.path) {
    case (.GET, "/api/2.0/mlflow/artifacts/list"):
      return list(request, "run_id", "path", owner: request.items["run_id"] ?? "")
    case (.GET, models + "directories"): return list(request, "artifact_directory_path", owner: Self.model)
    case (.POST, "/api/2.0/mlflow/artifacts/credentials-for-read"): return sign(request, "path", writes: false)
    case (.POST, "/api/2.0/mlflow/artifacts/credentials-for-write"): return sign(request, "path", writes: true)
    case (.POST, models + "credentials-for-download"): return sign(request, "paths", writes: false)
    case (.POST, models + "credentials-for-upload"): return sign(request, "paths", writes: true)
    default: return .answer(.notFound, headers: [("content-type", "text/html")], body: "<html>Not Found</html>")
    }
  }

  private static func refused(_ status: HTTPResponseStatus, _ code: String, _ message: String) -> Fault {
    .answer(status, body: #"{"error_code": "\#(code)", "message": "\#(message)"}"#)
  }

  private static func json(_ object: [String: Any]) -> Fault {
    let data = (try? JSONSerialization.data(withJSONObject: object)) ?? Data()
    return .answer(.ok, headers: [("content-type", "application/json")], body: String(decoding: data, as: UTF8.self))
  }

  private func list(_ request: FaultyRequest, _ names: String..., owner: String) -> Fault {
    let items = request.items
    guard Set(items.keys).isSubset(of: names + ["page_token"]) else {
      return Self.refused(.badRequest, "INVALID_PARAMETER_VALUE", "unknown field")
    }
    guard owner == Self.run || owner == Self.model else {
      return Self.refused(.notFound, "RESOURCE_DOES_NOT_EXIST", "No run '\(owner)'")
    }
    let folder = items["path"] ?? items["artifact_directory_path"] ?? ""
    let start = folder.isEmpty ? "\(owner)/" : "\(owner)/\(folder)/"
    var entries: [String: [String: Any]] = [:]
    for (path, content) in storage.files where path.hasPrefix(start) {
      let parts = path.dropFirst(start.count).split(separator: "/", maxSplits: 1)
      let place = String((start + parts[0]).dropFirst(owner.count + 1))
      entries[place] =
        parts.count > 1
        ? ["path": place, "is_dir": true] : ["path": place, "is_dir": false, "file_size": content.utf8.count]
    }
    let sorted = entries.keys.sorted()
    let from = items["page_token"].flatMap { Int($0.dropFirst("page-".count)) } ?? 0
    var page: [String: Any] = [
      "root_uri": owner == Self.run ? Self.root : Self.modelRoot,
      "files": sorted.dropFirst(from).prefix(pageSize).compactMap { entries[$0] },
    ]
    if from + pageSize < sorted.count { page["next_page_token"] = "page-\(from + pageSize)" }
    return Self.json(page)
  }

  private func sign(_ request: FaultyRequest, _ field: String, writes: Bool) -> Fault {
    let data = Data(request.body.readableBytesView)
    let isRun = field == "path"
    guard let content = try? JSONSerialization.jsonObject(with: data) as? [String: Any],
      Set(content.keys) == (isRun ? ["run_id", field] : [field]), let paths = content[field] as? [String]
    else { return Self.refused(.badRequest, "MALFORMED_REQUEST", "no such fields") }
    let owner = isRun ? content["run_id"] as? String ?? "" : Self.model
    guard owner == Self.run || owner == Self.model else {
      return Self.refused(.notFound, "RESOURCE_DOES_NOT_EXIST", "No run '\(owner)'")
    }
    let host = request.headers.first(name: "host") ?? ""
    let infos: [[String: Any]] = paths.map { path in
      let signed = storage.sign("\(owner)/\(path)", writes: writes)
      return [
        "run_id": owner, "path": path, "signed_uri": address?() ?? "http://\(host)\(signed.uri)",
        "headers": signed.headers.map { ["name": $0.key, "value": $0.value] }, "type": storage.kind.rawValue,
      ]
    }
    return Self.json(
      isRun ? ["credential_infos": infos] : ["credentials": infos.map { ["model_id": owner, "credential_info": $0] }])
  }
}
