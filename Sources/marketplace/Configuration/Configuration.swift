import Foundation
import Marketplace
import Yams

/// `marketplace.yaml`, as it is written.
struct Configuration: Decodable {
  var database: String?
  var data: String?
  var storage: StorageSettings?
  var promoted: Promoted?
  var workspaces: [Workspace]?
  var marketplace: Target?
  var concurrency: Concurrency?
  var audit: AuditSettings?
  var lakehouse: LakehouseSettings?
  var serve: ServeSettings?

  /// What counts as promoted.
  struct Promoted: Decodable {
    var stages: [String]?
    var aliases: [String]?
    var versions: PromotionRule.Versions?
    static let keys: Set<String> = ["stages", "aliases", "versions"]
  }

  /// How a registry is reached and who we are there. Secrets stand in files or the environment, never here.
  struct Workspace: Decodable {
    var id: String
    var registry: String
    var promoted: Promoted?
    var mlflow_workspace: String?
    var token_file: String?
    var token_env: String?
    var username: String?
    var password_file: String?
    var password_env: String?
    var tag_source: Bool?
    var webhook_secret_file: String?
    var webhook_secret_env: String?
    var artifacts: [ArtifactSettings]?
    var artifact_hosts: [String]?
    static let keys: Set<String> = Target.accessKeys.union([
      "id", "promoted", "tag_source", "webhook_secret_env", "webhook_secret_file",
    ])
  }

  /// The curated registry.
  struct Target: Decodable {
    var registry: String
    var id: String?
    var name: String?
    var stage: String?
    var alias: String?
    var mlflow_workspace: String?
    var token_file: String?
    var token_env: String?
    var username: String?
    var password_file: String?
    var password_env: String?
    var artifacts: [ArtifactSettings]?
    var artifact_hosts: [String]?
    static let accessKeys: Set<String> = [
      "registry", "mlflow_workspace", "token_file", "token_env", "username", "password_file", "password_env",
      "artifacts", "artifact_hosts",
    ]
    static let keys: Set<String> = accessKeys.union(["id", "name", "stage", "alias"])
  }

  /// How much is done side by side.
  struct Concurrency: Decodable {
    var workspaces: Int?
    var models: Int?
    var requests: Int?
    static let keys: Set<String> = ["workspaces", "models", "requests"]
  }

  static let keys: Set<String> = [
    "database", "data", "storage", "promoted", "workspaces", "marketplace", "concurrency", "audit",
    "lakehouse", "serve",
  ]
}

extension Configuration {
  /// Reads a configuration file.
  ///
  /// - Throws: ``Failure`` naming the file, the line where YAML gives one, and the key.
  static func read(_ path: String) throws -> Configuration {
    let text: String
    var isDirectory: ObjCBool = false
    if FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory), isDirectory.boolValue {
      throw Failure(.usage, "configuration_unreadable", "\(path) is a directory; name the file in it.")
    }
    do {
      text = try String(contentsOfFile: path, encoding: .utf8)
    } catch {
      throw Failure(
        .usage, "configuration_unreadable", "\(path) cannot be read: \(error.localizedDescription)")
    }
    do {
      try refuseUnknownKeys(try Yams.load(yaml: text), path: path)
      return try YAMLDecoder().decode(Configuration.self, from: text.isEmpty ? "{}" : text)
    } catch let error as Failure {
      throw error
    } catch let error as DecodingError {
      throw Failure(.usage, "configuration_malformed", "\(path): \(sentence(error))")
    } catch {
      throw Failure(.usage, "configuration_malformed", "\(path) is not YAML: \(error)")
    }
  }

  /// A key with a typing error would be ignored silently, and its setting with it.
  private static func refuseUnknownKeys(_ node: Any?, path: String) throws {
    guard let root = node as? [String: Any] else {
      if node == nil { return }
      throw Failure(.usage, "configuration_malformed", "\(path) does not hold keys with values.")
    }
    try check(root, known: keys, place: "", path: path)
    try check(root["storage"], known: StorageSettings.keys, place: "storage: ", path: path)
    try check(
      (root["storage"] as? [String: Any])?["credentials"], known: StorageSettings.Credentials.keys,
      place: "storage: credentials: ", path: path)
    try check(root["promoted"], known: Promoted.keys, place: "promoted: ", path: path)
    try check(root["marketplace"], known: Target.keys, place: "marketplace: ", path: path)
    try checkArtifacts(of: root["marketplace"], place: "marketplace: ", path: path)
    try check(root["concurrency"], known: Concurrency.keys, place: "concurrency: ", path: path)
    try check(root["audit"], known: AuditSettings.keys, place: "audit: ", path: path)
    try check(root["lakehouse"], known: LakehouseSettings.keys, place: "lakehouse: ", path: path)
    try checkServe(root["serve"] as? [String: Any], path: path)
    for (index, workspace) in ((root["workspaces"] as? [Any]) ?? []).enumerated() {
      let place = "workspaces[\(index)]: "
      try check(workspace, known: Workspace.keys, place: place, path: path)
      try check((workspace as? [String: Any])?["promoted"], known: Promoted.keys, place: place, path: path)
      try checkArtifacts(of: workspace, place: place, path: path)
    }
  }

  private static func checkServe(_ serve: [String: Any]?, path: String) throws {
    try check(serve, known: ServeSettings.keys, place: "serve: ", path: path)
    try check(serve?["tls"], known: ServeSettings.TLS.keys, place: "serve: tls: ", path: path)
    for (index, provider) in ((serve?["providers"] as? [Any]) ?? []).enumerated() {
      let place = "serve: providers[\(index)]: "
      try check(provider, known: ProviderSettings.keys, place: place, path: path)
      for (index, caller) in (((provider as? [String: Any])?["callers"] as? [Any]) ?? []).enumerated() {
        try check(caller, known: ProviderSettings.Caller.keys, place: "\(place)callers[\(index)]: ", path: path)
      }
    }
  }

  private static func checkArtifacts(of registry: Any?, place: String, path: String) throws {
    let buckets = (registry as? [String: Any])?["artifacts"] as? [Any] ?? []
    for (index, bucket) in buckets.enumerated() {
      let place = "\(place)artifacts[\(index)]: "
      try check(bucket, known: ArtifactSettings.keys, place: place, path: path)
      try check(
        (bucket as? [String: Any])?["credentials"], known: StorageSettings.Credentials.keys,
        place: "\(place)credentials: ", path: path)
    }
  }

  private static func check(_ node: Any?, known: Set<String>, place: String, path: String) throws {
    guard let keys = (node as? [String: Any])?.keys else { return }
    for key in keys.sorted() where !known.contains(key) {
      throw Failure(
        .usage, "configuration_unknown_key",
        "\(path): \(place)'\(key)' is not a setting. Known here: \(known.sorted().joined(separator: ", ")).")
    }
  }

  private static func sentence(_ error: DecodingError) -> String {
    switch error {
    case .keyNotFound(let key, let context): "\(path(context)) lacks '\(key.stringValue)'."
    case .typeMismatch(let type, let context), .valueNotFound(let type, let context):
      "\(path(context)) takes \(words(for: type))."
    case .dataCorrupted(let context): "\(path(context)): \(context.debugDescription)"
    @unknown default: "\(error)"
    }
  }

  private static func path(_ context: DecodingError.Context) -> String {
    let path = context.codingPath.reduce("") { path, key in
      if let index = key.intValue { return "\(path)[\(index)]" }
      return path.isEmpty ? key.stringValue : "\(path).\(key.stringValue)"
    }
    return path.isEmpty ? "the file" : path
  }

  /// What a setting takes, for the person who wrote something else.
  private static func words(for type: Any.Type) -> String {
    switch type {
    case is Int.Type: "a whole number"
    case is Bool.Type: "true or false"
    case is String.Type: "a text"
    case is Node.Sequence.Type: "a list, each entry after a '-'"
    case is Node.Mapping.Type: "keys with values"
    default: "\(type)"
    }
  }
}

extension Configuration.Promoted {
  /// The rule, with what is not said taken from `standard`.
  func rule(otherwise standard: PromotionRule) -> PromotionRule {
    PromotionRule(
      aliases: aliases ?? standard.aliases, stages: stages ?? standard.stages, versions: versions ?? standard.versions)
  }
}
