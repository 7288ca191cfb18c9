import NIOHTTP1

extension S3Storage {
  /// A listing has at most so many pages; a server that never ends one is not followed for ever.
  static let pagesMax = 100_000

  /// Every object below a key, ascending. Names that no file of ours has, such as `folder/`, are left out.
  public func files(below key: StorageKey) async throws -> [StoredFile] {
    let prefix = try client.address.objectKey(key) + "/"
    var files: [StoredFile] = []
    let query = [("list-type", "2"), ("prefix", prefix), ("encoding-type", "url")]
    try await pages(query, counted: "max-keys", operation: "listing") { page in
      for item in page.all("Contents") {
        guard let name = Self.name(item.text("Key"), in: page), name.utf8.starts(with: prefix.utf8),
          let key = client.address.storageKey(name), let size = item.text("Size").flatMap({ Int64($0) })
        else { continue }
        files.append(StoredFile(key: key, size: size, modified: Self.milliseconds(item.text("LastModified"))))
      }
      guard page.text("IsTruncated") == "true" else { return nil }
      return page.text("NextContinuationToken").map { [("continuation-token", $0)] } ?? []
    }
    return files.sorted { $0.key < $1.key }
  }

  /// Uploads in parts that were begun and neither joined nor abandoned.
  public func unfinishedUploads(below key: StorageKey) async throws -> [UnfinishedUpload] {
    let prefix = try client.address.objectKey(key) + "/"
    var uploads: [UnfinishedUpload] = []
    let query = [("uploads", ""), ("prefix", prefix), ("encoding-type", "url")]
    try await pages(query, counted: "max-uploads", operation: "listing unfinished uploads") { page in
      for item in page.all("Upload") {
        guard let name = Self.name(item.text("Key"), in: page), name.utf8.starts(with: prefix.utf8),
          let key = client.address.storageKey(name), let id = item.text("UploadId")
        else { continue }
        uploads.append(UnfinishedUpload(key: key, id: id, modified: Self.milliseconds(item.text("Initiated"))))
      }
      guard page.text("IsTruncated") == "true" else { return nil }
      guard let key = Self.name(page.text("NextKeyMarker"), in: page), let id = page.text("NextUploadIdMarker") else {
        return []
      }
      return [("key-marker", key), ("upload-id-marker", id)]
    }
    return uploads.sorted { ($0.key, $0.id) < ($1.key, $1.id) }
  }

  /// Throws away the parts of an unfinished upload.
  public func discard(_ upload: UnfinishedUpload) async throws {
    let call = S3Call(
      operation: "removing an unfinished upload", method: .DELETE, object: try client.address.objectKey(upload.key),
      query: [("uploadId", upload.id)])
    do {
      _ = try await client.answer(to: call)
    } catch let refusal as S3Refusal where refusal.status == 404 && refusal.code != "NoSuchBucket" {
      return
    } catch let refusal as S3Refusal {
      throw client.error(refusal, call)
    }
  }

  /// Reads page after page. `take` returns what the next page is asked with, or `nil` after the last.
  private func pages(
    _ query: [(String, String)], counted: String, operation: String,
    _ take: (XMLElement) throws -> [(String, String)]?
  ) async throws {
    var next: [(String, String)] = []
    for _ in 0..<Self.pagesMax {
      var call = S3Call(operation: operation, method: .GET, query: query + next)
      if let count = client.configuration.keysPerPage { call.query.append((counted, String(count))) }
      let page: XMLElement
      do {
        page = try XMLReader.read(try await client.answer(to: call).body)
      } catch let refusal as S3Refusal where refusal.code == "NoSuchUpload" {
        // What rclone answers when there is none at all.
        return
      } catch let refusal as S3Refusal {
        throw client.error(refusal, call)
      } catch let malformed as XMLReader.Malformed {
        throw StorageError(.failed, key: location, "\(operation): the answer is no XML of S3: \(malformed).")
      }
      guard page.name.hasPrefix("List") else {
        throw StorageError(.failed, key: location, "\(operation): the answer is '\(page.name.prefix(40))', no listing.")
      }
      guard let following = try take(page) else { return }
      guard !following.isEmpty, !following.elementsEqual(next, by: { $0 == $1 }) else {
        throw StorageError(
          .failed, key: location, "\(operation): the server says that there is more and not how to get it.")
      }
      next = following
    }
    throw StorageError(
      .failed, key: location, "\(operation): the listing has not ended after \(Self.pagesMax) pages.")
  }

  /// A key as it is: escaped only when the page says so.
  private static func name(_ text: String?, in page: XMLElement) -> String? {
    guard let text else { return nil }
    return page.text("EncodingType")?.lowercased() == "url" ? PercentEncoding.decodeForm(text) : text
  }

  private static func milliseconds(_ text: String?) -> Int64? {
    text.flatMap { HTTPDate.seconds(iso: $0) }.map { Int64(($0 * 1_000).rounded()) }
  }
}
