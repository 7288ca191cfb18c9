extension MLflowRegistry {
  private struct VersionPage: ListingPage {
    var model_versions: [Wire.ModelVersion]?
    var next_page_token: String?
    var items: [ModelVersion] { (model_versions ?? []).map(\.value) }
  }

  struct VersionAnswer: Decodable {
    var model_version: Wire.ModelVersion
  }

  /// Every version of a model, ascending by number.
  ///
  /// A name the filter language cannot say is probed number by number instead, up to the highest that
  /// ``RegisteredModel/latestVersions`` knows. What the server returns for another name is left out: some
  /// databases compare names without regard to case.
  public func modelVersions(of model: String) async throws -> [ModelVersion] {
    guard let name = FilterText.quoted(model) else { return try await probeVersions(of: model) }
    let operation = "listing versions of \(model.shown)"
    let versions: [ModelVersion]
    do {
      versions = try await searchVersions(
        filter: "name = \(name)", orderBy: ["version_number ASC"], operation: operation)
    } catch let error as RegistryError where error.code == .refused && !FilterText.isPlain(model) {
      return try await probeVersions(of: model)
    }
    let found = versions.filter { $0.name.hasSameBytes(as: model) }
    if found.isEmpty, !FilterText.isPlain(model) { return try await probeVersions(of: model) }
    return found
  }

  /// Every version of every model, ascending by name and number. A server that wants a filter refuses, as Databricks does
  /// for Unity Catalog.
  public func modelVersions() async throws -> [ModelVersion] {
    try await searchVersions(
      filter: nil, orderBy: Self.byNameAndNumber, operation: "listing the versions of all models")
  }

  private static let byNameAndNumber = ["name ASC", "version_number ASC"]

  /// Every version that carries a tag of exactly this key and value, ascending by name and number.
  public func modelVersions(tagged tag: Tag) async throws -> [ModelVersion] {
    let operation = "searching versions by tag \(tag.key.shown)"
    let filter = try expressible(FilterText.tagged(tag), operation: operation)
    let versions = try await searchVersions(
      filter: filter, orderBy: Self.byNameAndNumber, operation: operation)
    return versions.filter { $0.tags[tag.key]?.hasSameBytes(as: tag.value) == true }
  }

  func expressible(_ filter: String?, operation: String) throws -> String {
    guard let filter else {
      throw RegistryError(
        .unsupported, operation: operation,
        message: "MLflow's filter language cannot say this key or value",
        advice: "Use keys without backticks and values without quotes or backslashes.")
    }
    return filter
  }

  private func searchVersions(
    filter: String?, orderBy: [String], operation: String
  ) async throws -> [ModelVersion] {
    struct Key: Hashable {
      var name: [UInt8]
      var version: Int
    }
    let base =
      (filter.map { [("filter", $0)] } ?? []) + [("max_results", String(bounds.versionsPerPage))]
      + orderBy.map { ("order_by", $0) }
    let versions = try await wholeListing(
      operation: operation, pageSize: bounds.versionsPerPage,
      key: { (version: ModelVersion) in
        Key(name: Array(version.name.utf8), version: version.version)
      }
    ) { token in
      try await get(
        "model-versions/search", base.paged(token), as: VersionPage.self, operation: operation)
    }
    return versions.sorted { left, right in
      left.name.hasSameBytes(as: right.name)
        ? left.version < right.version : left.name.utf8.lexicographicallyPrecedes(right.name.utf8)
    }
  }

  private func probeVersions(of name: String) async throws -> [ModelVersion] {
    guard let model = try await registeredModel(named: name) else { return [] }
    let highest = model.latestVersions.map(\.version).max() ?? 0
    guard highest <= bounds.probesMax else {
      throw RegistryError(
        .tooLarge, operation: "listing versions of \(name.shown)", url: transport.address.text,
        message: "its name fits no filter, and \(highest) versions are more than the "
          + "\(bounds.probesMax) that are probed one by one",
        advice: "Rename the model, or raise probesMax.")
    }
    var versions: [ModelVersion] = []
    for number in stride(from: 1, through: highest, by: 1) {
      guard var version = try await modelVersion(name: name, version: number) else { continue }
      version.aliases = []
      versions.append(version)
    }
    return versions
  }

  /// One version with its aliases, or `nil` when the registry says that it does not exist.
  public func modelVersion(name: String, version: Int) async throws -> ModelVersion? {
    try await unlessAbsent {
      try await get(
        "model-versions/get", [("name", name), ("version", String(version))], as: VersionAnswer.self,
        operation: "reading version \(version) of \(name.shown)"
      ).model_version.value
    }
  }

  /// Where the registry says the files of a version are, or `nil` when the version does not exist.
  public func downloadURI(name: String, version: Int) async throws -> String? {
    struct Answer: Decodable {
      var artifact_uri: String?
    }
    return try await unlessAbsent {
      try await get(
        "model-versions/get-download-uri", [("name", name), ("version", String(version))],
        as: Answer.self, operation: "asking where version \(version) of \(name.shown) is"
      ).artifact_uri ?? ""
    }
  }
}
