/// What one process was seen to do from outside.
struct Conduct {
  /// What its observation of a workspace came to by the log.
  struct Observed {
    var models: Int
    var changes: Int
    var promotions: Int
  }

  /// The events that it appended.
  var facts: [Fact] = []
  /// By workspace.
  var observed: [String: Observed] = [:]
  /// Requests by registry and what was asked.
  var requests: [String: [String: Int]] = [:]
  /// Whether any call of it went wrong, or was its last.
  var isBroken = false
  /// Requests that failed, by registry.
  var failed: [String: Int] = [:]
  /// Registries that did not show it everything, or had nothing to show.
  var hidden: Set<String> = []
  /// Calls of what all workspaces share, and not of a registry, that failed.
  var failedShared = 0
  /// Workspaces that it said it was reading.
  var told: Set<String> = []
  /// Models that it took out of promotion by workspace, and the least and the most that were available there since it
  /// began.
  var withdrawn: [String: Int] = [:]
  var available: [String: ClosedRange<Int>] = [:]
  /// Large files that arrived in a registry, and those that it noted.
  var sentLarge = 0
  var notedLarge = 0
  /// Files of models and runs that it finished in storage and in registries, and those that it told of.
  var stored = 0
  var sent = 0
  var toldStored = 0
  var toldSent = 0
  /// Folders of exports that it gave up, since the source had changed or they were damaged.
  var replaced = 0
  /// Uploads to storage that it has neither finished nor abandoned.
  var open = 0
  /// How often it received less of a file than there was.
  var cut: [String: Int] = [:]
  /// What it saw in the marketplace of what requests made that arrived late.
  var late: Set<String> = []
  /// Locks that others held.
  var refused: Set<Int64> = []
  /// How long it waited for locks that others held, one after the other.
  var pauses: [Duration] = []
  /// How often it read which names are given.
  var nameReadings = 0
  /// Exports that nobody knew of when it claimed one for the same version.
  var forgotten: [MemoryState.ClaimKey: String] = [:]
  /// What it found in the marketplace when it no longer held the lock of its model, made from exports that it knew to be
  /// damaged.
  var unguarded: Set<String> = []
  /// Whether a stored file ended early for it, and nothing said so.
  var hasReadShort = false
}
