import Storage

/// A file at the root of the store that says that this is the store. A mount that is gone leaves an empty folder, in
/// which every export would seem rotten and be made again where nobody finds it.
enum StorageMarker {
  private static let name = ".marketplace-storage"

  /// Sees to it that the store holds the marker, which is written when the ledger knows of no export yet.
  ///
  /// - Throws: ``StorageError`` when the ledger names exports and the store has no marker.
  static func prove(_ context: JobContext) async throws {
    guard try await !expect(context), !context.options.isDryRun else { return }
    _ = try await context.storage.putIfAbsent(
      Array("model-marketplace\n".utf8), at: try StorageKey([name]))
  }

  /// Whether the store holds the marker; nothing is written.
  ///
  /// - Throws: ``StorageError`` when the ledger names exports and the store has no marker.
  @discardableResult
  static func expect(_ context: JobContext) async throws -> Bool {
    guard try await context.storage.size(of: try StorageKey([name])) == nil else { return true }
    guard try await !context.memory.hasExports() else {
      throw StorageError(
        .failed, key: context.storage.location,
        "holds no \(name), though the ledger names exports there: it is not mounted, or it is another store. Nothing "
          + "was read, written or concluded. If it is the right one, put an empty file of that name there.")
    }
    return false
  }
}
