import Synchronization

extension MLflowRegistry {
  /// How many `models:/name/number` sources in a row are followed.
  static let sourcesMax = 10

  /// Where the files of a version are, its source followed to the end.
  ///
  /// What a source leads to may be gone: a missing run or logged model is ``RegistryError/Code/notFound``.
  public func artifactLocation(of version: ModelVersion) async throws -> ArtifactLocation {
    var version = version
    for _ in 0..<Self.sourcesMax {
      switch ArtifactSource(version.source) {
      case .loggedModel(let id, let path):
        let model = try await present(loggedModel(id), "logged model \(id.shown)", behind: version)
        return try await readable(below(artifactLocation(of: model), path))
      case .run(let id, let path):
        let run = try await present(run(id), "run \(id.shown)", behind: version)
        return try await readable(below(artifactLocation(of: run), path))
      case .proxy, .other:
        return try location(of: version.source)
      case .bucket, .databricks:
        return try await readable(location(of: version.source))
      case .version(let name, let number):
        version = try await present(
          modelVersion(name: name, version: number), "version \(number) of \(name.shown)", behind: version)
      }
    }
    return .unsupported(
      uri: version.source, reason: "more than \(Self.sourcesMax) versions refer to one another")
  }

  /// Where a run's artifacts are.
  public func artifactLocation(of run: Run) throws -> ArtifactLocation {
    switch try location(of: run.artifactURI) {
    case .unsupported(let uri, let reason): .unsupported(uri: uri, reason: reason)
    case .loggedModel(_, let root), .run(_, _, let root), .proxy(let root):
      .run(id: run.id, path: "", root: root)
    }
  }

  /// Where a logged model's artifacts are.
  public func artifactLocation(of model: LoggedModel) throws -> ArtifactLocation {
    switch try location(of: model.artifactURI) {
    case .unsupported(let uri, let reason): .unsupported(uri: uri, reason: reason)
    case .loggedModel(_, let root), .run(_, _, let root), .proxy(let root):
      .loggedModel(id: model.id, root: root)
    }
  }

  private func present<T>(_ found: T?, _ what: String, behind version: ModelVersion) throws -> T {
    guard let found else {
      throw RegistryError(
        .notFound, operation: "looking for the files of version \(version.version) of \(version.name.shown)",
        url: transport.address.text, message: "its source is \(what), which does not exist",
        advice: "Restore it at the source, or register the version again.")
    }
    return found
  }

  /// Where files' address leads. One outside the proxy is taken as it is: whether it can be reached is for
  /// ``MLflowRegistry/way(to:operation:)`` to say.
  private func location(of uri: String) throws -> ArtifactLocation {
    switch ArtifactSource(uri) {
    case .proxy(let authority, let path):
      if let authority, authority.lowercased() != transport.address.authority.lowercased() {
        return .unsupported(uri: uri, reason: "its files are behind another server, \(authority.shown)")
      }
      var root = path
      while root.hasSuffix("/") { root.removeLast() }
      try refuseHostile(root, operation: "looking for artifacts")
      return Self.owner(ofRoot: root)
    case .bucket(let uri):
      // A prefix may hold what is no path of ours; the part that a store is asked for is looked at there.
      try refuseHostile(String(uri.dropFirst("s3://".count)), operation: "looking for artifacts")
      return Self.owner(ofRoot: uri)
    case .databricks(let place):
      try refuseHostile(String(place.uri.dropFirst("dbfs:/".count)), operation: "looking for artifacts")
      hasDatabricksRoots.store(true, ordering: .relaxed)
      return place.location
    case .other(let reason): return .unsupported(uri: uri, reason: reason)
    case .loggedModel, .run, .version:
      return .unsupported(uri: uri, reason: "it refers to another registered thing where files were expected")
    }
  }

  /// Whose a path below the proxy is: `…/models/m-…/artifacts`, `…/<run>/artifacts[/path]`, or nobody's
  /// known.
  static func owner(ofRoot root: String) -> ArtifactLocation {
    let parts = root.split(separator: "/").map(String.init)
    guard let place = parts.firstIndex(of: "artifacts"), place >= 1 else { return .proxy(root: root) }
    let id = parts[place - 1]
    if id.hasPrefix("m-"), place >= 2, parts[place - 2] == "models", parts.count == place + 1 {
      return .loggedModel(id: id, root: root)
    }
    return isRunID(id)
      ? .run(id: id, path: parts[(place + 1)...].joined(separator: "/"), root: root) : .proxy(root: root)
  }

  /// Whether it is what servers call their runs.
  static func isRunID(_ id: String) -> Bool {
    id.utf8.count == 32 && id.utf8.allSatisfy { hexadecimal.contains($0) }
  }

  private static let hexadecimal = Set("0123456789abcdef".utf8)

  /// A folder within a location.
  private func below(_ location: ArtifactLocation, _ path: String) throws -> ArtifactLocation {
    var path = path
    while path.hasSuffix("/") { path.removeLast() }
    guard !path.isEmpty else { return location }
    try refuseHostile(path, operation: "looking for artifacts")
    switch location {
    case .run(let id, _, let root): return .run(id: id, path: path, root: root + "/" + path)
    case .loggedModel(_, let root), .proxy(let root): return .proxy(root: root + "/" + path)
    case .unsupported: return location
    }
  }

  func refuseHostile(_ path: String, operation: String) throws {
    guard let reason = ArtifactPath.hostility(of: path) else { return }
    throw RegistryError(
      .hostilePath, operation: operation, url: transport.address.text,
      message: "the path \(path.shown) is refused: \(reason)",
      advice: "Rename the artifact at the source.")
  }
}
