import AsyncHTTPClient

/// By which way the bytes of a place are reached.
enum ArtifactWay: Sendable {
  /// Through the tracking server's proxy, at this path below it.
  case proxy(root: String)
  /// In a bucket that the operator named, at this path within it.
  case store(any ArtifactStore, path: String)
  /// By addresses that the tracking server signs, one for each file.
  case signed(SignedOwner)
  /// By addresses that a Databricks workspace signs.
  case databricks(DatabricksPlace, any SignedTransfer)
}

/// Whose files a tracking server signs addresses for.
enum SignedOwner: Sendable, Hashable {
  /// A run, and the folder within its artifacts.
  case run(id: String, folder: String)
  case model(id: String)

  init?(_ location: ArtifactLocation) {
    switch location {
    case .run(let id, let path, _): self = .run(id: id, folder: path)
    case .loggedModel(let id, _): self = .model(id: id)
    case .proxy, .unsupported: return nil
    }
  }
}

extension MLflowRegistry {
  /// The way to a place.
  ///
  /// - Throws: ``RegistryError/Code/unsupported`` where there is none, saying what to configure.
  func way(to location: ArtifactLocation, operation: String) async throws -> ArtifactWay {
    if let way = try await wayIfAny(to: location, operation: operation) { return way }
    if case .unsupported(let uri, let reason) = location {
      throw RegistryError(
        .unsupported, operation: operation, message: "\(uri.shown) cannot be read: \(reason)",
        advice: "Register the version from artifacts the tracking server serves.")
    }
    let uri = location.root ?? ""
    let (reason, advice) = Self.outOfReach(uri)
    throw RegistryError(
      .unsupported, operation: operation, message: "\(uri.shown) cannot be reached: \(reason)", advice: advice)
  }

  /// What is out of reach becomes unsupported, with the reason.
  func readable(_ location: ArtifactLocation) async throws -> ArtifactLocation {
    if case .unsupported = location { return location }
    let uri = location.root ?? ""
    switch try await wayIfAny(to: location, operation: "looking for artifacts") {
    case .proxy, .store, .signed(.run), .databricks: return location
    case .signed(.model), nil:
      let (reason, advice) = Self.outOfReach(uri)
      return .unsupported(uri: uri, reason: "\(reason). \(advice)")
    }
  }

  private func wayIfAny(to location: ArtifactLocation, operation: String) async throws -> ArtifactWay? {
    guard let root = location.root else { return nil }
    if let place = DatabricksPlace(location) {
      guard let signed else { return nil }
      try refuseHostile(String(place.uri.dropFirst("dbfs:/".count)), operation: operation)
      return .databricks(place, signed)
    }
    guard root.after("s3://") != nil else {
      try refuseHostile(root, operation: operation)
      return .proxy(root: root)
    }
    for store in stores {
      guard let path = store.path(of: root) else { continue }
      try refuseHostile(path, operation: operation)
      return .store(store, path: path)
    }
    guard signed != nil, let owner = SignedOwner(location) else { return nil }
    let server = try await serverInfo()
    switch owner {
    case .run: return server.signsRunArtifacts ? .signed(owner) : nil
    case .model: return server.signsModelArtifacts ? .signed(owner) : nil
    }
  }

  /// Why there is no way to a place, and what to do.
  private static func outOfReach(_ uri: String) -> (reason: String, advice: String) {
    if uri.after("dbfs:/") != nil {
      return ("its files lie in a Databricks workspace, and no signed addresses are used here", "")
    }
    let bucket = uri.dropFirst("s3://".count).prefix { $0 != "/" }
    return (
      "its files lie in object storage (s3) that the tracking server does not stand in front of, and no bucket that "
        + "holds them is configured for this registry",
      "If this program is to go there itself, write 'artifacts: [{uri: s3://\(RegistryError.bounded(String(bucket)))}]' "
        + "below this registry, with credentials for it"
    )
  }

  /// A download of what lies outside the server.
  func outside(
    _ operation: String, _ shown: String,
    open: @escaping @Sendable (RangedDownload.Headers) async throws -> HTTPClientResponse
  ) -> RangedDownload {
    RangedDownload(
      operation: operation, url: shown, policy: transport.policy, effects: transport.effects,
      windows: transport.windows, slot: { true }, open: open)
  }
}
