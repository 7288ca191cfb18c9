public import Marketplace

/// Something about an export that is not as the ledger and its manifest say, or that could not be found out.
public struct ExportFinding: Sendable, Hashable {
  /// What kind of thing.
  public enum Code: String, Sendable, CaseIterable {
    /// There is no manifest.
    case manifestMissing = "manifest_missing"
    /// The manifest is damaged, or another one than the ledger names.
    case manifestChanged = "manifest_changed"
    /// A file that the manifest names is not there.
    case fileMissing = "file_missing"
    /// A file has no bytes, and should have some.
    case fileEmpty = "file_empty"
    /// A file is shorter than the manifest says.
    case fileTruncated = "file_truncated"
    /// A file is longer than the manifest says.
    case fileGrown = "file_grown"
    /// A file has other bytes than the manifest says.
    case fileChanged = "file_changed"
    /// A file has the bytes of another one of the same export.
    case fileSwapped = "file_swapped"
    /// A file that the manifest does not name.
    case fileExtra = "file_extra"
    /// The export lies in another store.
    case exportElsewhere = "export_elsewhere"
    /// More was found in this export than is told of one.
    case moreFound = "more_found"
    /// Storage could not be read.
    case unread = "unread"
  }

  /// What kind of thing.
  public let code: Code
  /// The export's workspace.
  public let workspace: WorkspaceID
  /// What the ledger says of the export.
  public let export: ModelExported
  /// The file's path within the export, where one is meant.
  public let path: String?
  /// What was found, of which file, in words.
  public let message: String

  /// Whether storage holds something else than it should.
  public var isDamage: Bool { code != .unread }

  /// Whether the export is lost as it stands: a file too many takes nothing from it, and what lies in another store or
  /// could not be read may be well.
  public var endsExport: Bool {
    switch code {
    case .manifestMissing, .manifestChanged, .fileMissing, .fileEmpty, .fileTruncated, .fileGrown, .fileChanged,
      .fileSwapped:
      true
    case .fileExtra, .exportElsewhere, .moreFound, .unread: false
    }
  }
}
