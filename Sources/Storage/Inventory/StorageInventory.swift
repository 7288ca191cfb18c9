/// What lies in a store below a key, whoever put it there.
public enum StorageEntry: Sendable, Hashable {
  /// A finished file.
  case file(StoredFile)
  /// What an upload left that was neither finished nor abandoned; perhaps somebody is still at it.
  case unfinished(UnfinishedUpload)
  /// Something that no store of ours writes: a link, a device, a name that is no key. By its path as far as it can be
  /// told.
  case foreign(String)
}

/// The entries of a store below a key, page by page: as they are asked for, so that memory does not grow with them.
///
/// What lies below one folder comes in one go, finished files at least. Beyond that there is no order. An entry that
/// comes or goes meanwhile may be told or not.
public struct StorageInventory: AsyncSequence, Sendable {
  /// A page has about so many entries.
  static let pageEntries = 1_000

  private let open: @Sendable () async throws -> @Sendable () async throws -> [StorageEntry]?

  /// An inventory from a function that begins one and returns what gives the next page, `nil` at the end.
  public init(open: @escaping @Sendable () async throws -> @Sendable () async throws -> [StorageEntry]?) {
    self.open = open
  }

  /// Reads from the beginning.
  public func makeAsyncIterator() -> Iterator { Iterator(open: open) }

  /// One reading.
  public struct Iterator: AsyncIteratorProtocol {
    fileprivate let open: @Sendable () async throws -> @Sendable () async throws -> [StorageEntry]?
    private var next: (@Sendable () async throws -> [StorageEntry]?)?

    fileprivate init(open: @escaping @Sendable () async throws -> @Sendable () async throws -> [StorageEntry]?) {
      self.open = open
    }

    /// The next page, which may be empty; `nil` at the end.
    public mutating func next() async throws -> [StorageEntry]? {
      if let next { return try await next() }
      let opened = try await open()
      next = opened
      return try await opened()
    }
  }
}

extension ExternalStorage {
  /// From the two listings, for a store whose listings are short.
  public func inventory(below key: StorageKey) -> StorageInventory {
    StorageInventory {
      let page = OnePage(
        try await files(below: key).map(StorageEntry.file)
          + unfinishedUploads(below: key).map(StorageEntry.unfinished))
      return { await page.take() }
    }
  }

  /// Nothing, for a store without folders of their own.
  public func removeEmptyFolders(at key: StorageKey) async throws {}
}

/// A page that is given once.
private actor OnePage {
  private var page: [StorageEntry]?

  init(_ page: [StorageEntry]) { self.page = page }

  func take() -> [StorageEntry]? {
    defer { page = nil }
    return page
  }
}
