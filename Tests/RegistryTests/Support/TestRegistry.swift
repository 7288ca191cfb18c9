import Synchronization

@testable import Registry

/// Swift Testing has tags, too; here they are the registry's.
typealias Tag = Registry.Tag

/// Pauses that take no time and are written down.
final class RecordedPauses: Sendable {
  private let pauses = Mutex<[Duration]>([])

  var all: [Duration] { pauses.withLock { $0 } }

  func effects(now: Double = 0) -> HTTPEffects {
    HTTPEffects(
      sleep: { [self] pause in
        try Task.checkCancellation()
        pauses.withLock { $0.append(pause) }
      }, random: { 1 }, now: { now })
  }
}

extension MLflowRegistry {
  /// A registry at a scripted server, without real pauses.
  static func at(
    _ server: ScriptedServer, pauses: RecordedPauses = RecordedPauses(),
    _ change: (inout Configuration) -> Void = { _ in }
  ) throws -> MLflowRegistry {
    var configuration = Configuration(url: server.url)
    configuration.effects = pauses.effects()
    change(&configuration)
    return try MLflowRegistry(configuration)
  }
}

/// The error of a call, or `nil` when it threw none of ours.
func registryError<T>(_ body: () async throws -> T) async -> RegistryError? {
  do {
    _ = try await body()
    return nil
  } catch {
    return error as? RegistryError
  }
}

/// The bytes of a download.
func bytes(
  of file: ArtifactFile, at location: ArtifactLocation, in registry: MLflowRegistry
) async throws -> [UInt8] {
  var all: [UInt8] = []
  let count = try await registry.download(file, from: location) { all += $0 }
  precondition(count == all.count, "the count is that of the bytes handed over")
  return all
}

/// A body of one or more chunks.
func chunks(_ chunks: [UInt8]...) -> AsyncStream<[UInt8]> {
  AsyncStream { continuation in
    for chunk in chunks { continuation.yield(chunk) }
    continuation.finish()
  }
}
