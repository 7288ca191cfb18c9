import Marketplace
import Registry

/// The tags that mark what we make in the marketplace. They are looked up before anything is created, and go into
/// the create call itself, so that a retry after any crash finds what is there.
enum OwnTags {
  static let sourceKey = ModelDescribed.ownTagPrefix + "source_key"
  static let workspace = ModelDescribed.ownTagPrefix + "source.workspace"
  static let model = ModelDescribed.ownTagPrefix + "source.model"
  static let version = ModelDescribed.ownTagPrefix + "source.version"
  static let runID = ModelDescribed.ownTagPrefix + "source.run_id"
  /// The export that a version, a logged model or a run was made from. One that is adopted keeps what it says.
  static let exportID = ModelDescribed.ownTagPrefix + "export_id"
  /// Set last on a run: everything of it has been written.
  static let complete = ModelDescribed.ownTagPrefix + "complete"
  /// On a source version, where the workspace asks for it: its name in the marketplace. Never read.
  static let marketplaceName = ModelDescribed.ownTagPrefix + "name"

  /// Tags that MLflow makes or keeps itself, so that copying them would be wrong.
  static let serverMade: Set<String> = ["mlflow.modelVersions", "mlflow.user.deprecated"]

  /// The source's tags, but for ours and the server's.
  static func copied(_ tags: [Tag]) -> [Tag] {
    tags.filter { !$0.key.hasPrefix(ModelDescribed.ownTagPrefix) && !serverMade.contains($0.key) }
  }

  static func copied(_ tags: [ExactText: String]) -> [Tag] {
    copied(tags.sorted { $0.key < $1.key }.map { Tag($0.key.text, $0.value) })
  }
}
