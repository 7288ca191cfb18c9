import NIOHTTP1

extension MLflowRegistry {
  private struct Features: Decodable {
    var workspaces_enabled: Bool?
    var multipart_uploads_enabled: Bool?
    var multipart_downloads_enabled: Bool?
    var presigned_upload_run_id_supported: Bool?
    var presigned_upload_model_id_supported: Bool?
  }

  /// What the server is and can do: `GET /version`, and `GET server-info` for 3.x. Each is asked once.
  public func serverInfo() async throws -> ServerInfo {
    let version = try await serverVersion()
    guard version.major >= 3 else { return version }
    return try await abilities.value { [self] in
      let call = HTTPCall(
        operation: "asking what the server can do", method: .GET, path: "/api/3.0/mlflow/server-info",
        idempotent: true)
      do {
        let features = try decode(Features.self, try await transport.answer(to: call), call)
        var info = version
        info.workspacesEnabled = features.workspaces_enabled ?? false
        info.multipartUploadsEnabled = features.multipart_uploads_enabled ?? false
        info.multipartDownloadsEnabled = features.multipart_downloads_enabled ?? false
        info.signsRunArtifacts = features.presigned_upload_run_id_supported ?? false
        info.signsModelArtifacts = features.presigned_upload_model_id_supported ?? false
        return info
      } catch let error as RegistryError where error.code == .unsupported {
        // 3.x servers from before the call existed have none of these.
        return version
      }
    }
  }

  /// The version alone. A Databricks workspace knows no such call, and is told by its host or its artifacts.
  func serverVersion() async throws -> ServerInfo {
    try await version.value { [self] in
      do {
        return try await ownVersion()
      } catch let error as RegistryError where isDatabricks && error.isLastWord {
        return .databricks
      }
    }
  }

  private func ownVersion() async throws -> ServerInfo {
    let call = HTTPCall(
      operation: "asking for the server's version", method: .GET, path: "/version", idempotent: true)
    let text = String(decoding: try await transport.answer(to: call), as: UTF8.self)
    let digits = text.prefix { $0.isASCII && $0.isNumber }
    guard let major = Int(digits), text.utf8.count <= 64, text.dropFirst(digits.count).first == "." else {
      throw RegistryError(
        .invalidResponse, operation: call.operation, url: transport.shownURL(call),
        message: "the server does not answer with a version as MLflow does",
        advice: "Check that the address is the registry's own.")
    }
    return ServerInfo(version: text.filter { !$0.isWhitespace }, major: major)
  }

  /// `nil` when the registry says so, whatever else went wrong is thrown.
  func unlessAbsent<T>(_ body: () async throws -> T) async throws -> T? {
    do {
      return try await body()
    } catch let error as RegistryError where error.code == .notFound {
      return nil
    }
  }
}
