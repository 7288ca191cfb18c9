import NIOHTTP1
import Synchronization

/// A store in a bucket of S3, or of anything that speaks its protocol.
///
/// A file is an object under the prefix and its key. An ETag is never taken for a hash: digests are computed here as
/// bytes pass, and the server is given SHA-256 checksums to verify what arrived.
public final class S3Storage: ExternalStorage {
  /// Whether the server refuses to replace an object when it is asked to (`If-None-Match: *`).
  public enum ConditionalWrites: Sendable, Hashable {
    /// Nothing has been put yet that would have told.
    case unknown
    /// It does, so of many that put the same file one wins.
    case enforced
    /// It ignores the condition. What lies there is looked at before and after; two that put the same file within
    /// that moment may both believe they have won, and the later one's bytes stay.
    case ignored
  }

  let client: S3Client
  private let writes = Mutex<ConditionalWrites>(.unknown)
  /// Whether the bucket has answered as one that exists. A missing object looks like a missing bucket to `HEAD`.
  private let isBucketKnown = Atomic<Bool>(false)

  /// Opens a store; nothing is sent yet.
  ///
  /// - Throws: ``StorageError`` with `.configuration`.
  public init(_ configuration: S3Configuration) throws {
    client = try S3Client(configuration)
  }

  /// The store's address, `s3://bucket/prefix`. The endpoint is no part of it.
  public var location: String { client.address.location }

  /// What is known of the server's conditional writes.
  public var conditionalWrites: ConditionalWrites { writes.withLock { $0 } }

  /// Calls sent so far, retries included.
  public var callCount: Int { client.callCount }

  /// Begins to write an object.
  public func upload(to key: StorageKey) async throws -> any StorageUpload {
    try upload(to: key, noting: nil)
  }

  /// Begins to write an object, or goes on: parts that arrived are not sent again, since what they hold is noted in an
  /// object beside it.
  public func upload(to key: StorageKey, from origin: UploadOrigin) async throws -> any StorageUpload {
    let upload = try upload(to: key, noting: S3UploadRecords(client, key: key, origin: origin))
    try await upload.resume(sizeMax: origin.size)
    return upload
  }

  private func upload(to key: StorageKey, noting records: S3UploadRecords?) throws -> S3Upload {
    let object = try client.address.objectKey(key)
    return S3Upload(client: client, object: object, records: records) { [self] in
      guard conditionalWrites != .enforced else { return false }
      return try await facts(of: object) != nil
    }
  }

  /// The bytes of an object.
  public func read(_ key: StorageKey) async throws -> StorageBody {
    let object = try client.address.objectKey(key)
    return StorageBody { [client] in
      let download = client.download(object)
      return { try await download.next() }
    }
  }

  /// The size of an object, or `nil`.
  public func size(of key: StorageKey) async throws -> Int64? {
    try await facts(of: client.address.objectKey(key))?.size
  }

  /// Removes an object.
  public func delete(_ key: StorageKey) async throws {
    let call = S3Call(operation: "removing", method: .DELETE, object: try client.address.objectKey(key))
    do {
      _ = try await client.answer(to: call)
    } catch let refusal as S3Refusal where refusal.status == 404 && refusal.code != "NoSuchBucket" {
      return
    } catch let refusal as S3Refusal {
      throw client.error(refusal, call)
    }
  }

  // MARK: Facts

  /// What `HEAD` tells of an object.
  struct Facts: Sendable {
    var size: Int64
    var tag: String?
  }

  func facts(of object: String) async throws -> Facts? {
    let call = S3Call(operation: "looking for it", method: .HEAD, object: object, accepts: [404])
    var isSecond = false
    while true {
      do {
        let answer = try await client.answer(to: call)
        guard answer.status != 404 else {
          try await proveBucket()
          return nil
        }
        isBucketKnown.store(true, ordering: .relaxed)
        guard let size = answer.headers.first(name: "content-length").flatMap({ Int64($0) }) else {
          throw StorageError(.failed, key: client.shown(call), "has no size by the server's answer.")
        }
        return Facts(size: size, tag: answer.headers.first(name: "etag"))
      } catch let refusal as S3Refusal where refusal.code == nil && refusal.status < 500 && !isSecond {
        // An answer to HEAD has no body, and so no reason: a reading of one byte has.
        isSecond = true
        try await explain(object, refusal)
      } catch let refusal as S3Refusal {
        throw client.error(refusal, call)
      }
    }
  }

  private func explain(_ object: String, _ refusal: S3Refusal) async throws {
    let call = S3Call(
      operation: "looking for it", method: .GET, object: object, headers: [("range", "bytes=0-0")],
      accepts: [416])
    do {
      _ = try await client.answer(to: call)
    } catch var found as S3Refusal {
      found.region = found.region ?? refusal.region
      throw client.error(found, call)
    }
  }

  private func proveBucket() async throws {
    guard !isBucketKnown.load(ordering: .relaxed) else { return }
    let call = S3Call(
      operation: "looking for the bucket", method: .GET, query: [("list-type", "2"), ("max-keys", "1")])
    do {
      _ = try await client.answer(to: call)
    } catch let refusal as S3Refusal {
      throw client.error(refusal, call)
    }
    isBucketKnown.store(true, ordering: .relaxed)
  }

  // MARK: Putting

  /// Writes a small object unless its key is taken.
  ///
  /// The server decides where it honours `If-None-Match: *`; whether it does is found out with the first file, by
  /// putting the same bytes again. See ``ConditionalWrites/ignored`` for the others: one of them, rclone, removes what
  /// lies at a key when somebody else's put there fails (its issue 9718), so what is gone when it is read back is put
  /// again, up to the policy's `attemptsMax`.
  public func putIfAbsent(_ bytes: [UInt8], at key: StorageKey) async throws -> Bool {
    let object = try client.address.objectKey(key)
    if conditionalWrites != .enforced, try await facts(of: object) != nil { return false }
    for attempt in 1...max(1, client.policy.attemptsMax) {
      if let isOurs = try await putAndLook(bytes, at: object) { return isOurs }
      let pause = RetryRule.backoff(afterAttempt: attempt, policy: client.policy, random: client.effects.random())
      try await client.effects.sleep(pause)
      if let isOurs = try await holds(bytes, at: object) { return isOurs }
    }
    throw StorageError(
      .failed, key: "\(location)/\(key)",
      "was written \(client.policy.attemptsMax) times and was gone each time it was read back. "
        + "Something else removes it, or the store loses what it has accepted. Run again; if it happens again, let one "
        + "run at a time use this store, or take one that honours If-None-Match.")
  }

  /// Whether the bytes lie there because of this call; `nil` when they were written and are gone.
  private func putAndLook(_ bytes: [UInt8], at object: String) async throws -> Bool? {
    let known = conditionalWrites
    switch try await put(bytes, at: object) {
    case .refused: return false
    case .unsure: return try await holds(bytes, at: object)
    case .written: break
    }
    guard known != .enforced else { return true }
    if known == .unknown {
      let again = try await put(bytes, at: object)
      writes.withLock { $0 = again == .written ? .ignored : .enforced }
      if again != .written { return true }
    }
    return try await holds(bytes, at: object)
  }

  private enum Put {
    case written
    case refused
    /// Refused, but perhaps by an earlier attempt of our own whose answer was lost.
    case unsure
  }

  private func put(_ bytes: [UInt8], at object: String) async throws -> Put {
    var call = S3Call(operation: "writing", method: .PUT, object: object, body: S3Body(bytes))
    call.headers = client.writeHeaders + [("if-none-match", "*")]
    do {
      _ = try await client.answer(to: call)
      isBucketKnown.store(true, ordering: .relaxed)
      return .written
    } catch let refusal as S3Refusal where refusal.status == 412 || refusal.code == "PreconditionFailed" {
      return refusal.mayBeDone ? .unsure : .refused
    } catch let refusal as S3Refusal {
      throw client.error(refusal, call)
    }
  }

  /// Whether these bytes lie there, or others; `nil` when there is no object.
  private func holds(_ bytes: [UInt8], at object: String) async throws -> Bool? {
    let download = client.download(object)
    var place = 0
    do {
      while let chunk = try await download.next() {
        guard bytes.count - place >= chunk.count, bytes[place..<place + chunk.count].elementsEqual(chunk) else {
          return false
        }
        place += chunk.count
      }
    } catch let error as StorageError where error.code == .notFound {
      return nil
    }
    return place == bytes.count
  }
}

extension S3Storage {
  /// Makes the bucket. For tests: a bucket is its owner's business.
  package func createBucket() async throws {
    let call = S3Call(operation: "creating the bucket", method: .PUT)
    do {
      _ = try await client.answer(to: call)
    } catch let refusal as S3Refusal {
      throw client.error(refusal, call)
    }
  }
}
