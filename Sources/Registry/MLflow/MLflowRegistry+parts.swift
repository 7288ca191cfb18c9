import NIOCore
import NIOHTTP1
import Synchronization

/// Large files in parts past the proxy of a server whose artifacts lie in a bucket.
extension MLflowRegistry {
  /// A part has at least so many bytes, but for the last.
  static let partBytesMin: Int64 = 8 * 1_048_576
  /// A file has at most so many parts: what S3 takes.
  static let partsMax: Int64 = 10_000
  /// Parts under way at a time, besides the one that is being filled.
  static let partsConcurrent = 2

  static let partsAPI = "/api/2.0/mlflow-artifacts/mpu/"

  private struct Creation: Encodable {
    var path: String
    var num_parts: Int
  }

  private struct Created: Decodable {
    struct Credential: Decodable {
      var url: String
      var part_number: LenientInteger
      var headers: [String: String]?
    }
    var upload_id: String
    var credentials: [Credential]
  }

  private struct Completion: Encodable {
    struct Part: Encodable {
      var part_number: Int
      var etag: String
    }
    var path: String
    var upload_id: String
    var parts: [Part]?
  }

  /// The size of each part but the last.
  static func partBytes(of length: Int64) -> Int64 {
    max(partBytesMin, (length + partsMax - 1) / partsMax)
  }

  /// Writes a file in parts by signed addresses, where the server offers that and the file is large.
  ///
  /// - Returns: whether it did; if not, nothing was written and the proxy is the way.
  func uploadedInParts<Body: AsyncSequence & Sendable>(
    _ whole: String, length: Int64, operation: String, body: @escaping @Sendable () async throws -> Body
  ) async throws -> Bool where Body.Element == [UInt8] {
    guard let signed, length >= transport.policy.rangedBytesMin,
      length < signedPartsBytesMax.load(ordering: .relaxed), try await serverInfo().multipartUploadsEnabled
    else { return false }
    let parts = whole.split(separator: "/")
    guard let name = parts.last, parts.count > 1 else { return false }
    let upload = PartedUpload(
      folder: parts.dropLast().joined(separator: "/"), name: String(name), partBytes: Self.partBytes(of: length),
      operation: operation)
    // Parts are held in memory until they have arrived, for all registries together.
    guard let window = transport.windows.take(Self.partsConcurrent + 1, of: upload.partBytes) else { return false }
    defer { withExtendedLifetime(window) {} }
    guard let (id, addresses) = try await begin(upload, length: length) else { return false }
    do {
      let tags = try await send(
        body, length: length, upload, to: addresses, by: signed, concurrent: window.ranges - 1)
      try await complete(upload, Completion(path: upload.name, upload_id: id, parts: tags), length: length)
      return true
    } catch {
      await abort(upload, id)
      try Task.checkCancellation()
      if error is NoPartArrived {
        signedPartsBytesMax.store(0, ordering: .relaxed)
        return false
      }
      // All addresses are given at the beginning: whatever takes longer than they hold goes another way.
      guard let error = error as? RegistryError, error.code == .notAuthenticated else { throw error }
      signedPartsBytesMax.min(length, ordering: .relaxed)
      return false
    }
  }

  /// Has the parts joined. Where no answer comes, the file itself tells whether it was done.
  private func complete(_ upload: PartedUpload, _ completion: Completion, length: Int64) async throws {
    do {
      _ = try await call("complete", upload, completion)
    } catch let error as RegistryError where error.retriable {
      let listed = try await entries(of: "", below: upload.folder, operation: upload.operation)
      guard listed.contains(where: { $0.path == upload.name && $0.file_size?.value == length }) else { throw error }
    }
  }

  private struct PartedUpload {
    var folder: String
    var name: String
    var partBytes: Int64
    var operation: String
  }

  /// Not even the first part could be put where the server says.
  private struct NoPartArrived: Error {}

  private func call(_ verb: String, _ upload: PartedUpload, _ content: any Encodable & Sendable) async throws -> [UInt8]
  {
    try await transport.answer(to: try httpCall(verb, upload, content))
  }

  private func httpCall(_ verb: String, _ upload: PartedUpload, _ content: any Encodable) throws -> HTTPCall {
    HTTPCall(
      operation: upload.operation, method: .POST,
      path: Self.partsAPI + verb + "/" + PercentEncoding.encode(path: upload.folder), body: try JSON.encode(content),
      idempotent: false, isTransfer: verb == "complete")
  }

  /// An address for each part; `nil` where there are none that may be used. Unless that passes, none is asked for again.
  private func begin(_ upload: PartedUpload, length: Int64) async throws -> (id: String, [SignedAddress])? {
    let count = Int((length + upload.partBytes - 1) / upload.partBytes)
    let created: Created
    do {
      let call = try httpCall("create", upload, Creation(path: upload.name, num_parts: count))
      created = try decode(Created.self, try await transport.answer(to: call), call)
    } catch let error as RegistryError where error.code != .notPermitted && error.code != .notAuthenticated {
      if !error.retriable { signedPartsBytesMax.store(0, ordering: .relaxed) }
      return nil
    }
    let addresses = created.credentials.sorted { $0.part_number.value < $1.part_number.value }
      .map { SignedAddress(url: $0.url, headers: $0.headers ?? [:]) }
    let isWhole = created.credentials.map(\.part_number.value).sorted().elementsEqual(1...Int64(count))
    guard isWhole, addresses.allSatisfy({ signedRule.refusal(of: $0) == nil }) else {
      await abort(upload, created.upload_id)
      signedPartsBytesMax.store(0, ordering: .relaxed)
      return nil
    }
    return (created.upload_id, addresses)
  }

  /// Cuts the body into parts and puts them, few at a time.
  private func send<Body: AsyncSequence & Sendable>(
    _ body: @Sendable () async throws -> Body, length: Int64, _ upload: PartedUpload,
    to addresses: [SignedAddress], by transfer: any SignedTransfer, concurrent: Int
  ) async throws -> [Completion.Part] where Body.Element == [UInt8] {
    let source = UploadSource(base: try await body(), length: length)
    return try await withThrowingTaskGroup(of: Completion.Part.self) { group in
      var sent: [Completion.Part] = []
      var underWay = 0
      func put(_ chunks: [[UInt8]], number: Int) async throws {
        if underWay >= concurrent, let part = try await Self.next(of: &group, isFirst: sent.isEmpty) {
          sent.append(part)
          underWay -= 1
        }
        let address = addresses[number - 1]
        group.addTask {
          Completion.Part(part_number: number, etag: try await transfer.put(part: chunks, to: address))
        }
        underWay += 1
      }
      var part: [[UInt8]] = []
      var partBytes: Int64 = 0
      var number = 1
      for try await buffer in source {
        var rest = Array(buffer: buffer)[...]
        while !rest.isEmpty {
          if partBytes == upload.partBytes {
            try await put(part, number: number)
            (part, partBytes, number) = ([], 0, number + 1)
          }
          let taken = rest.prefix(Int(upload.partBytes - partBytes))
          part.append(Array(taken))
          partBytes += Int64(taken.count)
          rest = rest.dropFirst(taken.count)
        }
      }
      try await put(part, number: number)
      while let part = try await Self.next(of: &group, isFirst: sent.isEmpty) { sent.append(part) }
      return sent.sorted { $0.part_number < $1.part_number }
    }
  }

  private static func next(
    of group: inout ThrowingTaskGroup<Completion.Part, any Error>, isFirst: Bool
  ) async throws -> Completion.Part? {
    do {
      return try await group.next()
    } catch let error as RegistryError
      where isFirst && [.unreachable, .configuration, .notAuthenticated].contains(error.code)
    {
      throw NoPartArrived()
    }
  }

  /// What was put must not stay: the bucket's owner would pay for it. A caller that was cancelled must not keep us.
  private func abort(_ upload: PartedUpload, _ id: String) async {
    guard let call = try? httpCall("abort", upload, Completion(path: upload.name, upload_id: id)) else { return }
    let transport = transport
    await Task.detached { _ = try? await transport.answer(to: call) }.value
  }
}
