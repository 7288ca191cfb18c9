import NIOCore
import NIOHTTP1

extension S3Storage {
  /// Parts copied by the server at a time.
  private static let partsConcurrent = 4

  /// Has the server copy an object: no byte of it passes through here.
  public func copy(_ source: StorageKey, to key: StorageKey) async throws -> Int64 {
    let from = try client.address.objectKey(source)
    let object = try client.address.objectKey(key)
    guard let facts = try await facts(of: from) else {
      throw StorageError(.notFound, key: client.address.location + "/" + source.path, "does not exist.")
    }
    if facts.size <= client.configuration.copyBytesMax {
      _ = try await copyWhole(from, to: object, facts)
      return facts.size
    }
    do {
      try await copyParts(from, to: object, facts)
    } catch is PartsAreNotCopied {
      return try await copyBytes(of: source, to: key)
    }
    return facts.size
  }

  /// Reads the object, and has the server copy the very one that was read. What the copy holds is taken from the
  /// server's SHA-256 of it, or read back where the server tells none.
  public func copy(
    _ source: StorageKey, of file: WrittenFile, unlessPresentAt key: StorageKey
  ) async throws -> VerifiedCopy {
    let from = try client.address.objectKey(source)
    let object = try client.address.objectKey(key)
    guard let facts = try await facts(of: from), facts.size == file.size else { return .differs }
    // A server that ignores the condition of the copy is asked first, which leaves the moment in between.
    guard try await self.facts(of: object) == nil else { return .taken }
    do {
      guard try await digest(of: source) == file else { return .differs }
      var checksum: String?
      if facts.size <= client.configuration.copyBytesMax {
        checksum = try await copyWhole(from, to: object, facts, isVerified: true)
      } else {
        try await copyParts(from, to: object, facts, under: Self.unlessPresent)
      }
      if checksum == S3Upload.base64(hex: file.sha256) { return .made }
      guard try await digest(of: key) == file else {
        try await delete(key)
        throw StorageError(
          .failed, key: client.address.location + "/" + key.path,
          "was copied by the server, and the copy has other bytes. It was removed. Look into the server's log.")
      }
      return .made
    } catch is PartsAreNotCopied {
      return try await copyBytes(of: source, expecting: file, unlessPresentAt: key)
    } catch let error as StorageError where error.code == .taken {
      return .taken
    } catch let error as StorageError where error.code == .notFound {
      return .differs
    }
  }

  private static let unlessPresent: [(name: String, value: String)] = [("if-none-match", "*")]

  /// A server took the call for an upload of an empty part, as rclone does: its answer is empty.
  private struct PartsAreNotCopied: Error {}

  /// Names the source, and that it be still the one that was looked at.
  private func sourceHeaders(_ from: String, _ facts: Facts) -> [(name: String, value: String)] {
    let source = (name: "x-amz-copy-source", value: client.address.copySource(from))
    guard let tag = facts.tag, !tag.hasPrefix("W/") else { return [source] }
    return [source, ("x-amz-copy-source-if-match", tag)]
  }

  /// - Parameter isVerified: whether it is a copy that replaces nothing and whose SHA-256 the server is to tell.
  /// - Returns: the SHA-256 of the copy in base 64, where the server tells one of the whole.
  private func copyWhole(
    _ from: String, to object: String, _ facts: Facts, isVerified: Bool = false
  ) async throws -> String? {
    var call = S3Call(operation: "copying", method: .PUT, object: object, isTransfer: true)
    call.headers = client.writeHeaders.filter { $0.name != "content-type" } + sourceHeaders(from, facts)
    if isVerified {
      call.headers += Self.unlessPresent
      if client.configuration.checksums { call.headers.append(("x-amz-checksum-algorithm", "SHA256")) }
    }
    do {
      let answer = try await client.answer(to: call)
      guard let root = try? XMLReader.read(answer.body), root.name == "CopyObjectResult" else {
        throw StorageError(.failed, key: client.shown(call), "copying: the answer does not say that it was copied.")
      }
      return root.text("ChecksumSHA256")
    } catch let refusal as S3Refusal {
      guard isVerified else { throw copyError(refusal, call) }
      // Either condition may have failed. What lies there tells which, also where an answer was lost.
      guard refusal.status == 412, try await self.facts(of: object) != nil else { throw copyError(refusal, call) }
      throw StorageError(.taken, key: client.shown(call), "copying: something lies there already, and stays.")
    }
  }

  private func copyError(_ refusal: S3Refusal, _ call: S3Call) -> StorageError {
    guard refusal.status == 412 else { return client.error(refusal, call) }
    return StorageError(.changed, key: client.shown(call), "copying: its source was replaced meanwhile. Copy it again.")
  }

  private func copyParts(
    _ from: String, to object: String, _ facts: Facts, under condition: [(name: String, value: String)] = []
  ) async throws {
    var begin = S3Call(operation: "beginning a copy", method: .POST, object: object, query: [("uploads", "")])
    begin.headers = client.writeHeaders
    let uploadID = try await client.uploadID(begin)
    do {
      let parts = try await copiedParts(from, to: object, uploadID: uploadID, facts)
      try await client.complete(object: object, uploadID: uploadID, items: parts, under: condition)
    } catch {
      let client = client
      await Task.detached {
        _ = try? await client.answer(
          to: S3Call(
            operation: "abandoning a copy", method: .DELETE, object: object, query: [("uploadId", uploadID)]))
      }.value
      guard let refusal = error as? S3Refusal else { throw error }
      guard !condition.isEmpty, refusal.status == 412, try await self.facts(of: object) != nil else {
        throw copyError(refusal, begin)
      }
      throw StorageError(.taken, key: client.shown(begin), "copying: something lies there already, and stays.")
    }
  }

  /// The parts in order, each copied by a call of its own.
  private func copiedParts(
    _ from: String, to object: String, uploadID: String, _ facts: Facts
  ) async throws -> [String] {
    let step = client.configuration.copyBytesMax
    let headers = sourceHeaders(from, facts)
    return try await withThrowingTaskGroup(of: (Int, String).self) { group in
      var items: [Int: String] = [:]
      for (index, start) in stride(from: Int64(0), to: facts.size, by: Int64.Stride(step)).enumerated() {
        if index >= Self.partsConcurrent, let (number, item) = try await group.next() { items[number] = item }
        let range = "bytes=\(start)-\(min(start + step, facts.size) - 1)"
        var call = S3Call(
          operation: "copying part \(index + 1)", method: .PUT, object: object,
          query: [("partNumber", String(index + 1)), ("uploadId", uploadID)], isTransfer: true)
        call.headers = headers + [("x-amz-copy-source-range", range)]
        group.addTask { [client, call] in
          let answer = try await client.answer(to: call)
          guard let tag = try? XMLReader.read(answer.body).text("ETag") else { throw PartsAreNotCopied() }
          return (
            index + 1, "<Part><PartNumber>\(index + 1)</PartNumber><ETag>\(XMLText.escaped(tag))</ETag></Part>"
          )
        }
      }
      for try await (number, item) in group { items[number] = item }
      return items.sorted { $0.key < $1.key }.map(\.value)
    }
  }
}
