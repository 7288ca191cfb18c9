import Foundation
import TestSupport
import Testing

@testable import Storage

/// A kind of store that every expectation of the protocol is held against.
enum StoreKind: String, Sendable, CaseIterable, CustomTestStringConvertible {
  case file
  case rclone
  case moto

  var testDescription: String { rawValue }

  static var available: [StoreKind] {
    [.file] + S3Server.available.map { $0 == .rclone ? .rclone : .moto }
  }

  /// The object store behind it, if it is one.
  var server: S3Server? {
    switch self {
    case .file: nil
    case .rclone: .rclone
    case .moto: .moto
    }
  }

  /// Runs `body` with an empty store of its own. The first parts of an upload to S3 have 5 MiB, the least it takes.
  func with<T>(
    prefix: String = "", _ body: (any ExternalStorage) async throws -> T
  ) async throws -> T {
    guard let server else {
      let store = try TestStore()
      defer { withExtendedLifetime(store) {} }
      return try await body(store.storage)
    }
    return try await body(
      try await server.storage(prefix: prefix) { configuration in
        configuration.partBytesFirst = 5 * 1_048_576
        configuration.keysPerPage = 7
      })
  }
}

extension ExternalStorage {
  /// Writes a file whole.
  @discardableResult
  func write(_ bytes: [UInt8], at key: StorageKey) async throws -> WrittenFile {
    let upload = try await upload(to: key)
    try await upload.write(bytes)
    return try await upload.finish()
  }

  /// Size and digest of what is read back.
  func readBack(_ key: StorageKey) async throws -> WrittenFile {
    var digest = StreamDigest()
    for try await chunk in try await read(key) { digest.update(chunk) }
    return digest.finish()
  }
}
