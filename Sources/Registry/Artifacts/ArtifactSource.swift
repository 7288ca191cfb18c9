import Foundation

/// What the source of a version or the address of artifacts says, taken apart. Pure.
enum ArtifactSource: Hashable {
  /// `models:/m-…[/path]`
  case loggedModel(id: String, path: String)
  /// `models:/name/number`
  case version(name: String, number: Int)
  /// `runs:/id[/path]`
  case run(id: String, path: String)
  /// `mlflow-artifacts:[//authority]/path`
  case proxy(authority: String?, path: String)
  /// `s3://bucket/path`, without slashes at its end
  case bucket(uri: String)
  /// Below a run or a logged model of a Databricks workspace.
  case databricks(DatabricksPlace)
  /// Anything else, and why it cannot be read.
  case other(reason: String)

  init(_ text: String) {
    if let rest = text.after("models:/") {
      self = Self.model(String(rest.drop { $0 == "/" }))
    } else if let rest = text.after("runs:/") {
      let parts = rest.drop { $0 == "/" }.split(separator: "/", maxSplits: 1)
      self =
        parts.first.map { .run(id: String($0), path: parts.count > 1 ? String(parts[1]) : "") }
        ?? .other(reason: "the source names no run")
    } else if let rest = text.after("mlflow-artifacts:") {
      self = Self.proxied(rest)
    } else if let rest = text.after("s3://"), !rest.isEmpty {
      self = .bucket(uri: "s3://" + String(rest.trimmingSuffix("/")))
    } else if let place = DatabricksPlace(text) {
      self = .databricks(place)
    } else {
      self = .other(reason: Self.reason(text))
    }
  }

  /// The logged model a source names, if it does.
  static func loggedModelID(in source: String) -> String? {
    guard case .loggedModel(let id, _) = Self(source) else { return nil }
    return id
  }

  private static func model(_ rest: String) -> Self {
    let parts = rest.split(separator: "/", maxSplits: 1).map(String.init)
    guard let first = parts.first else { return .other(reason: "the source names no model") }
    // A registered model may be called m-…, but then a number follows.
    if parts.count == 2, let number = Int(parts[1]), number > 0 {
      return .version(name: first, number: number)
    }
    if first.hasPrefix("m-"), first.utf8.count > 2 {
      return .loggedModel(id: first, path: parts.count > 1 ? parts[1] : "")
    }
    return .other(reason: "the source names a model by alias or stage, which may have moved since")
  }

  private static func proxied(_ rest: String) -> Self {
    guard let hosted = rest.after("//") else {
      return .proxy(authority: nil, path: String(rest.drop { $0 == "/" }))
    }
    let authority = hosted.prefix { $0 != "/" }
    let path = hosted.dropFirst(authority.count).drop { $0 == "/" }
    return .proxy(authority: authority.isEmpty ? nil : String(authority), path: String(path))
  }

  private static func reason(_ text: String) -> String {
    if text.isEmpty { return "the version has no source" }
    let scheme = text.prefix { $0 != ":" && $0 != "/" }
    guard !scheme.isEmpty, text.dropFirst(scheme.count).first == ":" else {
      return "its files lie on the file system of the tracking server or of whoever logged them"
    }
    switch scheme.lowercased() {
    case "file": return "its files lie on the file system of the tracking server or of whoever logged them"
    case "dbfs": return DatabricksPlace.reason(text)
    case "gs", "abfss", "abfs", "wasbs", "wasb", "adl", "r2", "b2", "oss":
      return "its files lie in object storage (\(scheme)) the tracking server does not stand in front of"
    default:
      return "the scheme '\(RegistryError.bounded(String(scheme.prefix(40))))' is not one this client reads"
    }
  }
}

extension StringProtocol {
  /// What follows a prefix, without regard to the case of ASCII letters as schemes have none.
  func after(_ prefix: String) -> String? {
    guard self.prefix(prefix.count).lowercased() == prefix else { return nil }
    return String(dropFirst(prefix.count))
  }
  fileprivate func trimmingSuffix(_ character: Character) -> SubSequence {
    var rest = self[...]
    while rest.last == character { rest.removeLast() }
    return rest
  }
}
