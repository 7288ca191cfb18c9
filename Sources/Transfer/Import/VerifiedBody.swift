import Storage
import Synchronization

/// A stored file on its way into a registry, checked against the manifest as it passes. The last chunk is handed
/// over only once the whole is known to be right, so that a rotten file never arrives whole.
struct VerifiedBody: AsyncSequence, Sendable {
  let body: StorageBody
  let file: Manifest.File
  let verdict: Verdict

  /// Whether the bytes were found to differ; readable after a transport has wrapped the error.
  final class Verdict: Sendable {
    private let rotten = Mutex(false)
    var isRotten: Bool { rotten.withLock { $0 } }
    func condemn() { rotten.withLock { $0 = true } }
  }

  func makeAsyncIterator() -> Iterator {
    Iterator(body: body.makeAsyncIterator(), file: file, verdict: verdict)
  }

  struct Iterator: AsyncIteratorProtocol {
    var body: StorageBody.Iterator
    let file: Manifest.File
    let verdict: Verdict
    private var digest = StreamDigest()
    private var held: [UInt8]?
    private var isDone = false

    init(body: StorageBody.Iterator, file: Manifest.File, verdict: Verdict) {
      self.body = body
      self.file = file
      self.verdict = verdict
    }

    mutating func next() async throws -> [UInt8]? {
      if held == nil, !isDone { try await advance() }
      guard let chunk = held else { return nil }
      held = nil
      try await advance()
      return chunk
    }

    /// Reads one chunk ahead; at the end, judges.
    private mutating func advance() async throws {
      guard !isDone else { return }
      if let chunk = try await body.next() {
        await digest.take(chunk)
        held = chunk
        return
      }
      isDone = true
      guard digest.finish() == WrittenFile(size: file.size, sha256: file.sha256) else {
        verdict.condemn()
        throw Trouble.rotten(file)
      }
    }
  }
}

extension Trouble {
  /// The code of trouble that ends an export's life.
  static let rottenCode = "export_rotten"

  static func rotten(_ file: Manifest.File) -> Trouble {
    Trouble(
      rottenCode, "\(file.path) does not have the size and SHA-256 that the manifest gives it.", retriable: true)
  }
}
