import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1

/// What identity providers publish about themselves, over HTTP.
struct ProviderDocuments: Sendable {
  /// Bytes that a document may have.
  static let bytesMax = 1_048_576
  /// Seconds within which it has to be there.
  static let seconds: Int64 = 10

  /// What keeps a document from being read.
  struct Unreadable: Error, CustomStringConvertible {
    let description: String
  }

  private let client: HTTPClient

  /// Calls `body` with a reader that ends after it.
  static func with<T: Sendable>(_ body: (ProviderDocuments) async throws -> T) async throws -> T {
    // Nobody else says where a provider's keys are.
    let configuration = HTTPClient.Configuration(
      redirectConfiguration: .disallow,
      timeout: .init(connect: .seconds(seconds), read: .seconds(seconds)))
    let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    do {
      let result = try await body(ProviderDocuments(client: client))
      try await client.shutdown()
      return result
    } catch {
      try? await client.shutdown()
      throw error
    }
  }

  /// What is at an address.
  func document(at address: String) async throws -> Data {
    try await withThrowingTaskGroup(of: Data.self) { group in
      group.addTask {
        var request = HTTPClientRequest(url: address)
        request.headers.add(name: "Accept", value: "application/json")
        let response = try await client.execute(request, timeout: .seconds(Self.seconds))
        guard response.status == .ok else {
          throw Unreadable(description: "\(address) answers \(response.status.code)")
        }
        return Data(try await response.body.collect(upTo: Self.bytesMax).readableBytesView)
      }
      // The client's own time ends with the head of the answer.
      group.addTask {
        try await Task.sleep(for: .seconds(Self.seconds))
        throw Unreadable(description: "\(address) takes longer than \(Self.seconds) s")
      }
      defer { group.cancelAll() }
      return try await group.next() ?? Data()
    }
  }
}
