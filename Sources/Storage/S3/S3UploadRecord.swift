import Foundation
import NIOHTTP1

/// How far an upload in parts has come, kept in an object beside its place, so that another process can go on.
///
/// The parts themselves are listed by the server. They cannot be read before they are joined, so the digest of what
/// they hold is kept here.
struct S3UploadRecord: Codable, Sendable, Hashable {
  static let schemaNow = "marketplace.upload/1"
  /// No record is larger.
  static let bytesMax = 4_096

  var schema = schemaNow
  /// The server's name for the upload.
  var uploadID: String
  /// The size that the first part has; it says how large the others are.
  var partBytes: Int
  /// Parts that the server has.
  var parts: Int
  /// SHA-256 of their tags, one to a line: a part that was replaced since has another.
  var tags: String
  /// The digest up to the end of the last of them.
  var digest: StreamDigest.State

  /// What stands for the tags of parts.
  static func tags(of parts: [S3Part]) -> String {
    StreamDigest.of(parts.map { $0.tag.filter { $0 != "\"" } }.joined(separator: "\n").utf8).sha256
  }
}

/// A part that the server has.
struct S3Part: Sendable, Hashable {
  var number: Int
  var tag: String
  /// Base64 SHA-256 as the server wants it named when parts are joined; `nil` where it keeps none.
  var checksum: String?
}

/// The record of one upload in the store: found by the file's place and its source's state.
struct S3UploadRecords: Sendable {
  let client: S3Client
  let object: String

  /// The record of what is made from `origin` at a key.
  init(_ client: S3Client, key: StorageKey, origin: UploadOrigin) throws {
    self.client = client
    let name = UnfinishedName.of(UnfinishedName.id([key.path, origin.tag, String(origin.size)]))
    object = try client.address.objectKey(StorageKey(key.components.dropLast() + [name]))
  }

  /// What an earlier process left, with the parts that the server has; `nil` when there is nothing to go on from, or when
  /// that cannot be found out: a principal may not be allowed to list parts, and a server not know how to.
  func read(for uploaded: String, partBytes: Int, sizeMax: Int64) async throws -> (S3UploadRecord, [S3Part])? {
    do {
      return try await found(for: uploaded, partBytes: partBytes, sizeMax: sizeMax)
    } catch is StorageError {
      return nil
    }
  }

  private func found(for uploaded: String, partBytes: Int, sizeMax: Int64) async throws -> (S3UploadRecord, [S3Part])? {
    var bytes: [UInt8] = []
    let download = client.download(object)
    while let chunk = try await download.next() {
      bytes += chunk
      guard bytes.count <= S3UploadRecord.bytesMax else { return nil }
    }
    guard let record = try? JSONDecoder().decode(S3UploadRecord.self, from: Data(bytes)),
      record.schema == S3UploadRecord.schemaNow, record.partBytes == partBytes,
      (1...S3Upload.partsMax).contains(record.parts), record.digest.size <= sizeMax
    else { return nil }
    guard let parts = try await parts(of: record, at: uploaded, sizeMax: sizeMax),
      S3UploadRecord.tags(of: parts) == record.tags
    else {
      return nil
    }
    return (record, parts)
  }

  /// The parts of a record, `nil` unless all are there with the sizes they must have: only that which ends the file may
  /// be a short one.
  private func parts(of record: S3UploadRecord, at uploaded: String, sizeMax: Int64) async throws -> [S3Part]? {
    var parts: [S3Part] = []
    var bytes: Int64 = 0
    let listing = S3Listing(client, .parts(of: uploaded, uploadID: record.uploadID))
    while let page = try await listing.next() {
      for item in page.all("Part") {
        guard let number = item.text("PartNumber").flatMap({ Int($0) }), number <= record.parts else { continue }
        let full = Int64(S3Upload.partBytes(first: record.partBytes, sent: number - 1))
        let size = number == record.parts && record.digest.size == sizeMax ? min(full, sizeMax - bytes) : full
        guard number == parts.count + 1, let tag = item.text("ETag"), item.text("Size") == String(size) else {
          return nil
        }
        parts.append(S3Part(number: number, tag: tag, checksum: item.text("ChecksumSHA256")))
        bytes += size
      }
    }
    return parts.count == record.parts && bytes == record.digest.size ? parts : nil
  }

  /// Keeps a record. One that cannot be kept costs a later process the parts since the one before, and nobody else
  /// anything, so errors are not told.
  func save(_ record: S3UploadRecord) async {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    guard let text = try? encoder.encode(record) else { return }
    let call = S3Call(
      operation: "noting how far an upload is", method: .PUT, object: object, headers: client.writeHeaders,
      body: S3Body(Array(text)))
    _ = try? await client.answer(to: call)
  }

  /// Removes it; what stays is collected as any unfinished upload is.
  func remove() async {
    _ = try? await client.answer(
      to: S3Call(operation: "removing the note of an upload", method: .DELETE, object: object))
  }
}
