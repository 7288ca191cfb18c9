import Foundation
import NIOHTTP1

/// An object on its way to the store: small ones in one call, larger ones in parts, of which few are held in memory.
actor S3Upload: StorageUpload {
  /// S3 takes at most so many parts.
  static let partsMax = 10_000
  /// After so many parts they become twice as large, so that 10,000 hold whatever S3 takes: 8 MiB at first make 8 TiB.
  static let partsPerSize = 1_000
  /// Parts on their way at a time, besides the one that is being filled.
  private static let partsConcurrent = 2

  private let executor = BlockingQueue()
  nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

  private let client: S3Client
  private let object: String
  /// Whether the key is known to be taken, where the server is not known to see to that itself.
  private let isTaken: @Sendable () async throws -> Bool
  private var digest = StreamDigest()
  private var buffer = S3Body()
  private var reservation: Reservation?
  private var uploadID: String?
  private var partCount = 0
  private var parts: [S3Part] = []
  private var underway: [(task: Task<S3Part, any Error>, digest: StreamDigest.State?)] = []
  private var isOpen = true
  /// Where it is noted how far this upload is, for one that can be gone on with.
  private let records: S3UploadRecords?
  private var unsaved: S3UploadRecord?
  private var saving: Task<Void, Never>?
  private var hasRecord = false
  private(set) var resumedBytes: Int64 = 0

  init(
    client: S3Client, object: String, records: S3UploadRecords? = nil,
    isTaken: @escaping @Sendable () async throws -> Bool
  ) {
    self.client = client
    self.object = object
    self.records = records
    self.isTaken = isTaken
  }

  /// Goes on with what an earlier upload from the same source left, if there is something.
  func resume(sizeMax: Int64) async throws {
    let first = client.configuration.partBytesFirst
    guard let records, sizeMax > Int64(first),
      let (record, found) = try await records.read(for: object, partBytes: first, sizeMax: sizeMax),
      let digest = StreamDigest(resuming: record.digest)
    else { return }
    self.digest = digest
    uploadID = record.uploadID
    parts = found
    partCount = found.count
    resumedBytes = digest.size
    hasRecord = true
  }

  /// The size of the next part.
  static func partBytes(first: Int, sent: Int) -> Int { first << (sent / partsPerSize) }

  private var partBytes: Int { Self.partBytes(first: client.configuration.partBytesFirst, sent: partCount) }

  func write(_ chunk: [UInt8]) async throws {
    guard isOpen else { throw closed() }
    var rest = chunk[...]
    while !rest.isEmpty {
      // A full part goes only when more follows, so that a file of just one part's size is one call.
      if buffer.count == partBytes { try await sendPart() }
      if reservation == nil { try await reserve() }
      let taken = rest.prefix(partBytes - buffer.count)
      // By parts, so that the digest is known at the end of each.
      digest.update(taken)
      buffer.append(taken)
      rest = rest.dropFirst(taken.count)
    }
  }

  func written() -> WrittenFile { digest.finish() }

  func finish() async throws -> WrittenFile {
    try await finish(under: [])
  }

  /// A server that ignores the condition is asked first, which leaves the moment in between.
  func finishUnlessPresent() async throws -> FinishedUpload {
    guard isOpen else { throw closed() }
    let written = digest.finish()
    if try await isTaken() {
      await abandon()
      return FinishedUpload(file: written, isNew: false)
    }
    do {
      return FinishedUpload(file: try await finish(under: [("if-none-match", "*")]), isNew: true)
    } catch let error as StorageError where error.code == .taken {
      // By somebody else, or by an earlier attempt of this call whose answer was lost.
      await abandon()
      return FinishedUpload(file: written, isNew: false)
    }
  }

  private func finish(under condition: [(name: String, value: String)]) async throws -> WrittenFile {
    guard isOpen else { throw closed() }
    let written = digest.finish()
    if uploadID == nil {
      var call = S3Call(operation: "writing", method: .PUT, object: object)
      call.headers = client.writeHeaders + checksumHeaders(written.sha256) + condition
      call.body = buffer
      call.bodySHA256 = written.sha256
      call.isTransfer = true
      _ = try await answer(call)
    } else {
      if buffer.count > 0 { try await sendPart() }
      while !underway.isEmpty { try await takeFirst() }
      try await complete(written, under: condition)
    }
    isOpen = false
    release()
    await forget()
    return written
  }

  func abandon() async {
    guard isOpen else { return }
    isOpen = false
    for (task, _) in underway { task.cancel() }
    for (task, _) in underway { _ = await task.result }
    underway = []
    release()
    await forget()
    guard let uploadID else { return }
    self.uploadID = nil
    // The caller may have been cancelled; that must not keep us from tidying up.
    let client = client
    let object = object
    await Task.detached {
      _ = try? await client.answer(
        to: S3Call(
          operation: "abandoning an upload", method: .DELETE, object: object, query: [("uploadId", uploadID)]))
    }.value
  }

  /// Lets the parts under way arrive and leaves them to the next upload from the same source.
  func suspend() async {
    guard isOpen else { return }
    while records != nil, !underway.isEmpty {
      do { try await takeFirst() } catch { break }
    }
    guard records != nil, !parts.isEmpty else { return await abandon() }
    isOpen = false
    for (task, _) in underway { task.cancel() }
    underway = []
    release()
    await saving?.value
  }

  private func release() {
    reservation = nil
    buffer = S3Body()
  }

  private func closed() -> StorageError {
    StorageError(.failed, key: object, "was finished or abandoned; nothing can be added to it.")
  }

  private func answer(_ call: S3Call) async throws -> S3Answer {
    do {
      return try await client.answer(to: call)
    } catch let refusal as S3Refusal {
      throw client.error(refusal, call)
    }
  }

  private func checksumHeaders(_ sha256: String) -> [(name: String, value: String)] {
    guard client.configuration.checksums else { return [] }
    return [("x-amz-sdk-checksum-algorithm", "SHA256"), ("x-amz-checksum-sha256", Self.base64(hex: sha256))]
  }

  static func base64(hex: String) -> String {
    var bytes: [UInt8] = []
    var rest = hex[...]
    while let byte = UInt8(rest.prefix(2), radix: 16), rest.count >= 2 {
      bytes.append(byte)
      rest = rest.dropFirst(2)
    }
    return Data(bytes).base64EncodedString()
  }

  // MARK: Memory

  /// Room for one more part: at once if there is some, else when a part of ours has gone, else in turn. It is only
  /// waited for while nothing is held, so uploads cannot wait for each other in a circle.
  private func reserve() async throws {
    let bytes = partBytes
    while true {
      if let granted = Reservation.now(bytes, of: client.buffers) {
        reservation = granted
        return
      }
      guard !underway.isEmpty else { break }
      try await takeFirst()
    }
    reservation = try await Reservation.waiting(bytes, of: client.buffers)
  }

  // MARK: Parts

  private func sendPart() async throws {
    if uploadID == nil { uploadID = try await begin() }
    while underway.count >= Self.partsConcurrent { try await takeFirst() }
    partCount += 1
    guard partCount <= Self.partsMax, let uploadID else {
      throw StorageError(
        .tooLarge, key: object, "has more than \(digest.size) bytes; S3 takes no more than \(Self.partsMax) parts.")
    }
    let call = S3Call(
      operation: "writing part \(partCount)", method: .PUT, object: object,
      query: [("partNumber", String(partCount)), ("uploadId", uploadID)], body: buffer, isTransfer: true)
    let held = reservation
    buffer = S3Body()
    reservation = nil
    let task = Task { [client, partCount] in
      defer { withExtendedLifetime(held) {} }
      return try await Self.send(call, number: partCount, over: client)
    }
    underway.append((task, digest.state))
  }

  private static func send(_ call: S3Call, number: Int, over client: S3Client) async throws -> S3Part {
    var call = call
    let sha256 = await Hashing.sha256(call.body ?? S3Body())
    call.bodySHA256 = sha256
    let checksum = base64(hex: sha256)
    if client.configuration.checksums { call.headers.append(("x-amz-checksum-sha256", checksum)) }
    do {
      let answer = try await client.answer(to: call)
      return S3Part(number: number, tag: answer.headers.first(name: "etag") ?? "", checksum: checksum)
    } catch let refusal as S3Refusal {
      throw client.error(refusal, call)
    }
  }

  /// Waits for the oldest part under way.
  private func takeFirst() async throws {
    guard let (task, digest) = underway.first else { return }
    let part = try await withTaskCancellationHandler {
      try await task.value
    } onCancel: {
      task.cancel()
    }
    underway.removeFirst()
    parts.append(part)
    if let digest { note(digest) }
  }

  /// Notes that the parts so far have arrived. While a note is on its way only the newest of the next ones is kept, so
  /// that sending parts never waits for it.
  private func note(_ digest: StreamDigest.State) {
    guard let records, let uploadID else { return }
    unsaved = S3UploadRecord(
      uploadID: uploadID, partBytes: client.configuration.partBytesFirst, parts: parts.count,
      tags: S3UploadRecord.tags(of: parts), digest: digest)
    hasRecord = true
    guard saving == nil else { return }
    saving = Task {
      while let record = unsaved {
        unsaved = nil
        await records.save(record)
      }
      saving = nil
    }
  }

  /// Removes the note, once no more can come.
  private func forget() async {
    unsaved = nil
    await saving?.value
    guard hasRecord, let records else { return }
    hasRecord = false
    await Task.detached { await records.remove() }.value
  }

  private func begin() async throws -> String {
    var call = S3Call(operation: "beginning an upload", method: .POST, object: object, query: [("uploads", "")])
    call.headers = client.writeHeaders
    if client.configuration.checksums { call.headers.append(("x-amz-checksum-algorithm", "SHA256")) }
    return try await client.uploadID(call)
  }

  private func complete(_ written: WrittenFile, under condition: [(name: String, value: String)]) async throws {
    let items = parts.map { part in
      let named = client.configuration.checksums ? part.checksum : nil
      let checksum = named.map { "<ChecksumSHA256>\(XMLText.escaped($0))</ChecksumSHA256>" } ?? ""
      return "<Part><PartNumber>\(part.number)</PartNumber><ETag>\(XMLText.escaped(part.tag))</ETag>\(checksum)</Part>"
    }
    do {
      try await client.complete(object: object, uploadID: uploadID ?? "", items: items, under: condition)
    } catch let refusal as S3Refusal where refusal.code == "NoSuchUpload" && refusal.mayBeDone {
      // The answer to an earlier attempt was lost. Whether the file is there, only its bytes tell.
      var found = StreamDigest()
      let download = client.download(object)
      while let chunk = try await download.next() { found.update(chunk) }
      guard found.finish() == written else {
        throw StorageError(
          .failed, key: object, "was joined from its parts, and now holds something else. Write it again.")
      }
    } catch let refusal as S3Refusal {
      throw client.error(refusal, S3Call(operation: "joining parts", method: .POST, object: object))
    }
  }
}

extension S3Client {
  /// The headers of every call that makes an object.
  var writeHeaders: [(name: String, value: String)] {
    var headers: [(name: String, value: String)] = [("content-type", "application/octet-stream")]
    switch configuration.encryption {
    case nil: break
    case .server: headers.append(("x-amz-server-side-encryption", "AES256"))
    case .keyService(let keyID):
      headers.append(("x-amz-server-side-encryption", "aws:kms"))
      if let keyID { headers.append(("x-amz-server-side-encryption-aws-kms-key-id", keyID)) }
    }
    return headers
  }

  /// Begins an upload in parts.
  func uploadID(_ call: S3Call) async throws -> String {
    do {
      let answer = try await answer(to: call)
      guard let id = try? XMLReader.read(answer.body).text("UploadId"), !id.isEmpty else {
        throw StorageError(
          .failed, key: shown(call), "\(call.operation): the answer names no upload; does the endpoint speak S3?")
      }
      return id
    } catch let refusal as S3Refusal {
      throw error(refusal, call)
    }
  }

  /// Joins parts; the answer may begin well and yet end in an error, which is thrown.
  func complete(
    object: String, uploadID: String, items: [String], under condition: [(name: String, value: String)] = []
  ) async throws {
    let text =
      "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\(items.joined())"
      + "</CompleteMultipartUpload>"
    var call = S3Call(
      operation: "joining parts", method: .POST, object: object, query: [("uploadId", uploadID)],
      headers: [("content-type", "application/xml")] + condition, body: S3Body(text), isTransfer: true)
    call.bodySHA256 = StreamDigest.of(text.utf8).sha256
    let answer = try await answer(to: call)
    // The reference says …Result; moto, for one, says …Response.
    guard let root = try? XMLReader.read(answer.body), root.name.hasPrefix("CompleteMultipartUpload") else {
      throw StorageError(
        .failed, key: shown(call), "joining parts: the answer does not say that they were joined. Write it again.")
    }
  }
}
