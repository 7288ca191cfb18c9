import Hummingbird

/// The description of what the service answers, from which clients in other languages are made.
enum OpenAPI {
  static var response: Response {
    Answer.bytes(PackageResources.openapi_yaml, type: "application/yaml; charset=utf-8")
  }
}
