import NIOHTTP1

extension MLflowRegistry {
  private struct ModelPage: ListingPage {
    var registered_models: [Wire.RegisteredModel]?
    var next_page_token: String?
    var items: [RegisteredModel] { (registered_models ?? []).map { $0.value() } }
  }

  private struct ModelAnswer: Decodable {
    var registered_model: Wire.RegisteredModel
  }

  /// Every registered model the principal may see, each once, ordered by name.
  ///
  /// One request per ``ListingBounds/modelsPerPage`` models.
  public func registeredModels() async throws -> [RegisteredModel] {
    let operation = "listing registered models"
    let base = [("max_results", String(bounds.modelsPerPage)), ("order_by", "name ASC")]
    return try await wholeListing(
      operation: operation, pageSize: bounds.modelsPerPage,
      key: { (model: RegisteredModel) in
        Array(model.name.utf8)
      }
    ) { token in
      try await get(
        "registered-models/search", base.paged(token), as: ModelPage.self, operation: operation)
    }.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
  }

  /// One registered model, or `nil` when the registry says that it does not exist.
  public func registeredModel(named name: String) async throws -> RegisteredModel? {
    try await unlessAbsent {
      let (answer, body) = try await getWithBody(
        "registered-models/get", [("name", name)], as: ModelAnswer.self,
        operation: "reading registered model \(name.shown)")
      return answer.registered_model.value(body: body)
    }
  }

  /// Creates a registered model, or returns the one that has the name already, unchanged, and whether it was made now.
  public func createRegisteredModel(
    named name: String, description: String?, tags: [Tag]
  ) async throws -> (model: RegisteredModel, isNew: Bool) {
    struct Content: Encodable {
      var name: String
      var description: String?
      var tags: [Tag]
    }
    let operation = "creating registered model \(name.shown)"
    do {
      let answer = try await send(
        .POST, "registered-models/create", Content(name: name, description: description, tags: tags),
        as: ModelAnswer.self, idempotent: true, operation: operation)
      return (answer.registered_model.value(), true)
    } catch let error as RegistryError where error.serverCode == "RESOURCE_ALREADY_EXISTS" {
      guard let model = try await registeredModel(named: name) else { throw error }
      return (model, false)
    }
  }

  /// Sets the description of a registered model.
  public func updateRegisteredModel(named name: String, description: String) async throws {
    struct Content: Encodable {
      var name: String
      var description: String
    }
    _ = try await send(
      .PATCH, "registered-models/update", Content(name: name, description: description),
      as: Wire.Nothing.self, idempotent: true, operation: "describing registered model \(name.shown)")
  }

  /// Sets one tag of a registered model.
  public func setTag(_ tag: Tag, ofModel name: String) async throws {
    struct Content: Encodable {
      var name: String
      var key: String
      var value: String
    }
    _ = try await send(
      .POST, "registered-models/set-tag", Content(name: name, key: tag.key, value: tag.value),
      as: Wire.Nothing.self, idempotent: true, operation: "tagging registered model \(name.shown)")
  }

  /// Points an alias at a version, moving it when it pointed elsewhere.
  public func setAlias(_ alias: String, ofModel name: String, version: Int) async throws {
    struct Content: Encodable {
      var name: String
      var alias: String
      var version: String
    }
    _ = try await send(
      .POST, "registered-models/alias", Content(name: name, alias: alias, version: String(version)),
      as: Wire.Nothing.self, idempotent: true,
      operation: "setting alias \(alias.shown) of \(name.shown) to version \(version)")
  }

  /// Removes an alias; done as well when it was not set.
  public func deleteAlias(_ alias: String, ofModel name: String) async throws {
    struct Content: Encodable {
      var name: String
      var alias: String
    }
    _ = try await unlessAbsent {
      try await send(
        .DELETE, "registered-models/alias", Content(name: name, alias: alias), as: Wire.Nothing.self,
        idempotent: true, operation: "removing alias \(alias.shown) of \(name.shown)")
    }
  }
}

extension String {
  /// Whether both are the same UTF-8; Swift's `==` takes canonically equivalent texts for equal.
  func hasSameBytes(as other: String) -> Bool { utf8.elementsEqual(other.utf8) }

  /// As it may stand in a sentence: quoted, bounded, without control characters.
  var shown: String { "'\(RegistryError.bounded(String(prefix(200))))'" }
}
