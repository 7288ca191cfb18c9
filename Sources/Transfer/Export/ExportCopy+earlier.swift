import Marketplace
import Registry
import Storage

extension ExportCopy {
  /// So many bytes of a file are held and compared with those of an earlier one before it is decided whether the rest is
  /// sent. An upload that was given no more has sent nothing.
  static let comparedBytesMax = Int64(StorageLimits.heldBytes)

  /// What became of a file whose bytes storage may hold.
  enum Reuse: Sendable {
    /// It stands in the folder, and this is what it is.
    case copied(WrittenFile)
    /// It has been sent like any other: it was another file.
    case sent(FinishedUpload)
    /// Nothing was sent, and its bytes have passed: it has to be fetched again.
    case differs
    /// Another size arrived than is listed.
    case resized(Int64)
  }

  /// Fetches a file of which storage may hold the bytes. It is sent if its first bytes are others; if they agree, the
  /// rest is only hashed, and the file is copied within the store once all of it is known to be the same.
  func fetch(_ file: ExportSource.File, suspecting known: EarlierFiles.Known, to key: StorageKey) async throws -> Reuse
  {
    var comparison = Comparison(with: try? await context.storage.read(known.key))
    var digest = StreamDigest()
    let upload = try await context.storage.upload(to: key)
    var isSending = true
    do {
      let arrived = try await workspace.registry.download(file.file, from: file.location) { chunk in
        await digest.take(chunk)
        if comparison.isOpen {
          await comparison.take(chunk)
          // Decided before the upload would send its first part.
          if comparison.agrees, digest.size + Int64(StorageLimits.chunkBytes) > Self.comparedBytesMax {
            comparison.end()
            await upload.abandon()
            isSending = false
          }
        }
        if isSending { try await upload.write(chunk) }
      }
      if let listed = file.file.size, listed != arrived {
        await upload.abandon()
        return .resized(arrived)
      }
      if isSending { return .sent(try await upload.finishUnlessPresent()) }
      let written = digest.finish()
      guard let same = earlier.file(with: written) else { return .differs }
      return try await copy(same, to: key) ? .copied(written) : .differs
    } catch {
      await upload.abandon()
      throw error
    }
  }

  /// Copies a file within the store, its bytes read before anything appears.
  ///
  /// - Returns: whether the file stands there; not when the earlier one has rotted.
  /// - Throws: ``SourceChanged`` when the key is taken by other bytes.
  func copy(_ known: EarlierFiles.Known, to key: StorageKey) async throws -> Bool {
    switch try await context.storage.copy(known.key, of: known.file, unlessPresentAt: key) {
    case .made: return true
    case .differs: return false
    case .taken:
      guard try await digest(key) == known.file else { throw SourceChanged() }
      return true
    }
  }

  /// Makes a file appear whose bytes have all been written to an upload and are still held by it: by a copy, if storage
  /// holds them already.
  ///
  /// - Returns: what stands there; `nil` when the upload is to be finished.
  func copied(insteadOf upload: any StorageUpload, to key: StorageKey) async throws -> WrittenFile? {
    let written = await upload.written()
    guard written.size <= Self.comparedBytesMax, let same = earlier.file(with: written),
      try await copy(same, to: key)
    else { return nil }
    await upload.abandon()
    return written
  }
}

/// The first bytes of what arrives beside those of a stored file.
private struct Comparison {
  private var stored: StorageBody.Iterator?
  private var rest: ArraySlice<UInt8> = []
  private(set) var agrees: Bool
  /// Whether there is anything more to compare.
  private(set) var isOpen: Bool

  init(with body: StorageBody?) {
    stored = body?.makeAsyncIterator()
    agrees = body != nil
    isOpen = body != nil
  }

  mutating func end() {
    stored = nil
    rest = []
    isOpen = false
  }

  /// What cannot be read does not agree.
  mutating func take(_ chunk: [UInt8]) async {
    var place = chunk.startIndex
    while place < chunk.endIndex {
      if rest.isEmpty { rest = ((try? await stored?.next()) ?? [])[...] }
      let count = min(rest.count, chunk.endIndex - place)
      guard count > 0, rest.prefix(count).elementsEqual(chunk[place..<place + count]) else {
        agrees = false
        end()
        return
      }
      rest = rest.dropFirst(count)
      place += count
    }
  }
}
