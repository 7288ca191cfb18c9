public import Foundation

/// The identity of one incarnation of a registered model.
///
/// A model that is deleted and created again under its old name is another incarnation; a renamed one is the
/// same. So the id is made of what was there when it was first seen, and stays with it.
public struct ModelID: Hashable, Sendable, Comparable, CustomStringConvertible {
  /// The id's UUID, in lower case as the ledger writes it.
  public let text: String

  /// The id of the incarnation first seen under `name`.
  ///
  /// - Parameter created: the model's creation time at the source, in milliseconds since 1970.
  public init(workspace: WorkspaceID, name: String, created: Int64) {
    text = NameBasedUUID.make(["model", workspace.text, name, String(created)]).uuidString.lowercased()
  }

  /// An id read back from an event.
  public init(text: String) { self.text = text.lowercased() }

  /// The stream that holds everything that happens to this model.
  public var stream: String { "model/\(text)" }

  /// The id's text.
  public var description: String { text }

  /// By text.
  public static func < (a: Self, b: Self) -> Bool { a.text < b.text }
}

/// The identity of one model version: a number alone is not one, since a re-created model counts from 1 again.
public struct VersionIdentity: Hashable, Sendable {
  /// The workspace whose registry holds the version.
  public var workspace: WorkspaceID
  /// The incarnation it belongs to.
  public var model: ModelID
  /// The version's number at the source.
  public var version: Int
  /// The version's creation time at the source, in milliseconds since 1970.
  public var created: Int64

  /// Puts the parts together.
  public init(workspace: WorkspaceID, model: ModelID, version: Int, created: Int64) {
    self.workspace = workspace
    self.model = model
    self.version = version
    self.created = created
  }

  /// The text that marketplace entities carry as their source key: looked up before anything is created, so
  /// that a retry finds what an earlier attempt made.
  public func sourceKey(generation: Int) -> String {
    "\(workspace.text)/\(model.text)/\(version)/\(created)/\(generation)"
  }

  /// The id of a job's event about this version: the same for everybody who does the same piece of work.
  public func eventID(_ work: String, generation: Int, target: String = "") -> UUID {
    NameBasedUUID.make([
      work, workspace.text, model.text, String(version), String(created), String(generation), target,
    ])
  }
}
