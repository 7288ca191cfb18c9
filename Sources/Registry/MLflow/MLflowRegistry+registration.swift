extension MLflowRegistry {
  /// How often the status of a new version is asked for. MLflow's own client waits 300 seconds, too.
  static let registrationChecksMax = 100
  /// The pause before each.
  static let registrationPause: Duration = .seconds(3)

  /// A new version when its registry has taken it in. Open-source MLflow says so in the answer that creates it; a
  /// Databricks workspace copies the files first.
  ///
  /// - Throws: when the registry gives up on it, or takes longer than is waited for. In either case the version is there.
  func registered(_ made: ModelVersion, operation: String) async throws -> ModelVersion {
    var version = made
    for _ in 0..<Self.registrationChecksMax where version.status == ModelVersion.pendingStatus {
      try await transport.effects.sleep(Self.registrationPause)
      guard let now = try await modelVersion(name: made.name, version: made.version) else {
        throw RegistryError(
          .notFound, operation: operation, url: transport.address.text,
          message: "version \(made.version) was removed before it was registered", retriable: true)
      }
      version = now
    }
    switch version.status {
    case ModelVersion.pendingStatus:
      throw RegistryError(
        .server, operation: operation, url: transport.address.text,
        message: "version \(made.version) is still \(version.status) after \(Self.registrationChecksMax) looks, "
          + "\(Self.registrationPause) apart",
        advice: "The next run looks again.", retriable: true)
    case ModelVersion.failedStatus:
      throw RegistryError(
        .server, operation: operation, url: transport.address.text,
        message: "the registry could not take in the files of version \(made.version)",
        advice: "The registry's page of the version says why. The next run makes another.", retriable: true)
    default: return version
    }
  }
}
