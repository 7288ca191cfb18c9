import NIOHTTP1

extension S3Storage {
  /// Every object below a key, ascending. Names that no file of ours has, such as `folder/`, are left out.
  public func files(below key: StorageKey) async throws -> [StoredFile] {
    let prefix = try client.address.objectKey(key) + "/"
    let listing = S3Listing(client, .objects(prefix))
    var files: [StoredFile] = []
    while let page = try await listing.next() {
      for case .file(let file) in objects(of: page, below: prefix) { files.append(file) }
    }
    return files.sorted { $0.key < $1.key }
  }

  /// Uploads in parts that were begun and neither joined nor abandoned.
  public func unfinishedUploads(below key: StorageKey) async throws -> [UnfinishedUpload] {
    let prefix = try client.address.objectKey(key) + "/"
    let listing = S3Listing(client, .uploads(prefix))
    var uploads: [UnfinishedUpload] = []
    while let page = try await listing.next() {
      for case .unfinished(let upload) in self.uploads(of: page, below: prefix) { uploads.append(upload) }
    }
    return uploads.sorted { ($0.key, $0.id) < ($1.key, $1.id) }
  }

  /// Every object below a key, then every upload in parts.
  public func inventory(below key: StorageKey) -> StorageInventory {
    StorageInventory { [self] in
      let prefix = try client.address.objectKey(key) + "/"
      let objects = S3Listing(client, .objects(prefix))
      let uploads = S3Listing(client, .uploads(prefix))
      return { [self] in
        if let page = try await objects.next() { return self.objects(of: page, below: prefix) }
        return try await uploads.next().map { self.uploads(of: $0, below: prefix) }
      }
    }
  }

  private func objects(of page: XMLElement, below prefix: String) -> [StorageEntry] {
    page.all("Contents").compactMap { item in
      guard let name = S3Listing.name(item.text("Key"), in: page), name.utf8.starts(with: prefix.utf8) else {
        return nil
      }
      guard let key = client.address.storageKey(name), let size = item.text("Size").flatMap({ Int64($0) }) else {
        return .foreign(shown(name))
      }
      let modified = Self.milliseconds(item.text("LastModified"))
      guard !UnfinishedName.isOne(key.components.last ?? "") else {
        return .unfinished(UnfinishedUpload(key: key, id: "", modified: modified, bytes: size))
      }
      return .file(StoredFile(key: key, size: size, modified: modified))
    }
  }

  private func uploads(of page: XMLElement, below prefix: String) -> [StorageEntry] {
    page.all("Upload").compactMap { item in
      guard let name = S3Listing.name(item.text("Key"), in: page), name.utf8.starts(with: prefix.utf8) else {
        return nil
      }
      guard let key = client.address.storageKey(name), let id = item.text("UploadId") else {
        return .foreign(shown(name))
      }
      return .unfinished(
        UnfinishedUpload(key: key, id: id, modified: Self.milliseconds(item.text("Initiated"))))
    }
  }

  /// A whole key as one within the store.
  private func shown(_ name: String) -> String {
    String(decoding: name.utf8.dropFirst(client.address.prefix.utf8.count), as: UTF8.self)
  }

  /// Throws away the parts of an unfinished upload, or the note of how far one was.
  public func discard(_ upload: UnfinishedUpload) async throws {
    if UnfinishedName.isOne(upload.key.components.last ?? "") { return try await delete(upload.key) }
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

  private static func milliseconds(_ text: String?) -> Int64? {
    text.flatMap { HTTPDate.seconds(iso: $0) }.map { Int64(($0 * 1_000).rounded()) }
  }
}
