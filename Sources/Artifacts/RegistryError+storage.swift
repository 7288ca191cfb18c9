import Registry
import Storage

/// Runs a call to a store for a registry, whose errors are of its own kind.
func asRegistry<T>(_ operation: String, _ body: () async throws -> T) async throws -> T {
  do {
    return try await body()
  } catch let error as StorageError {
    throw RegistryError(error, operation: operation)
  }
}

extension RegistryError {
  /// The same in a registry's words. A ``StorageError`` holds no secret, and ends with what to do.
  init(_ error: StorageError, operation: String) {
    let code: Code =
      switch error.code {
      case .notFound: .notFound
      case .illegalKey: .hostilePath
      case .tooLarge: .tooLarge
      case .configuration: .configuration
      case .notPermitted: .notPermitted
      case .notAuthenticated: .notAuthenticated
      case .missingStore: .configuration
      case .unreachable: .unreachable
      case .overloaded: .overloaded
      case .changed: .changed
      default: .server
      }
    self.init(code, operation: operation, message: error.description, retriable: error.retriable)
  }
}
