import Transfer

/// What a seed's world is like: how large, how busy, how hostile. Worlds differ much, so that many seeds see more than
/// one long life would.
struct Plan: Sendable {
  /// What is peculiar to a world.
  enum Kind: Sendable {
    /// Nothing.
    case ordinary
    /// Sixty-five workspaces.
    case organisation
    /// Texts, tags and parameters at the bounds of what is kept, and names that nobody can keep.
    case rich
    /// Many models in one workspace.
    case crowd
    /// Large files and long metric histories.
    case long
  }

  let seed: UInt64
  let kind: Kind
  let workspaces: Int
  let models: Int
  let nights: Int
  /// Changes by people between two nights, per workspace.
  let changes: Int
  let marketplaceMajor: Int
  let sourceMajors: [Int]
  let stage: String?
  let alias: String?
  /// People work while a job runs: one change in so many turns, 0 for never.
  let dayShift: Int
  /// A port fails in one of so many calls, 0 for never.
  let failsOnceIn: Int
  /// Such a failure comes after the request was applied, in one of so many cases.
  let answerLostOnceIn: Int
  /// A process dies in one of so many calls.
  let diesOnceIn: Int
  /// Storage loses or changes a byte of a finished export once in so many nights.
  let rotsOnceIn: Int
  /// A lock's session is lost in one of so many calls.
  let lockLostOnceIn: Int
  /// Somebody changes the marketplace by hand, once in so many nights.
  let handOnceIn: Int
  /// The most jobs at once.
  let jobs: Int
  /// From so many models on their versions are listed at once.
  let modelsListedAtOnceMin: Int
  /// Whether sources list the versions of all models at once.
  let listsAllVersions: Bool
  /// Whether the marketplace lists versions of all models by a tag, however many there are.
  let listsByTag: Bool

  /// Whether some of the large files are compared with those of earlier exports before they are sent.
  let hasHugeFiles: Bool

  /// What seeds of worlds begin with, in their first sixteen bits, in which the whole organisation lives for months.
  static let monthsMark: UInt64 = 0x6565

  /// How much there is to live, roughly.
  var size: Int { workspaces * (models + 2) * nights * (changes + jobs) * (kind == .long ? 4 : 1) }

  init(seed: UInt64) {
    var dice = Dice(seed)
    self.seed = seed
    let lastsMonths = seed >> 48 == Self.monthsMark
    // One world in sixteen is the whole organisation.
    let isLarge = dice.once(in: 16) || lastsMonths
    var aside = Dice(seed ^ 0x0dd5_eed5)
    let peculiar: [Int: Kind] = [0: .rich, 1: .rich, 2: .crowd, 3: .long, 4: .long]
    kind = isLarge ? .organisation : peculiar[aside.below(16)] ?? .ordinary
    let several = isLarge ? 0 : dice.below(4)
    workspaces = isLarge ? 65 : kind == .crowd ? 1 : 1 + several
    let few = isLarge ? 0 : dice.below(5)
    models = isLarge ? 2 : kind == .crowd ? 60 : 1 + few
    let long = isLarge ? 0 : dice.below(60)
    let ordinary = kind == .ordinary ? 8 + long : kind == .long ? 8 + long / 2 : 4 + long / 8
    nights = lastsMonths ? 110 : isLarge ? 6 : ordinary
    let busy = isLarge ? 0 : dice.below(8)
    changes = isLarge ? 1 : kind == .crowd ? 80 : 1 + busy
    marketplaceMajor = dice.once(in: 3) ? 2 : 3
    let mixture = dice.below(3)
    sourceMajors = (0..<65).map { mixture == 0 ? 2 : mixture == 1 ? 3 : 2 + ($0 % 2) }
    let promotes = dice.below(4)
    stage = promotes == 3 ? nil : "Production"
    alias = promotes == 2 ? nil : "champion"
    dayShift = dice.once(in: 2) ? 0 : 5 + dice.below(60)
    // A job over all workspaces makes some thousand calls, and has to come to its end now and then.
    failsOnceIn = dice.once(in: 4) ? 0 : [30, 100, 400, 2_000][lastsMonths ? 3 : dice.below(4)]
    answerLostOnceIn = 1 + dice.below(3)
    diesOnceIn = dice.once(in: 4) ? 0 : [40, 150, 600, 3_000][lastsMonths ? 3 : dice.below(4)]
    rotsOnceIn = dice.once(in: 2) ? 0 : 2 + dice.below(10)
    lockLostOnceIn = dice.once(in: 2) ? 0 : [60, 300, 1_500][dice.below(3)]
    handOnceIn = dice.once(in: 3) ? 0 : 1 + dice.below(6)
    jobs = isLarge ? 2 : 1 + dice.below(3)
    modelsListedAtOnceMin = aside.once(in: 3) ? JobOptions().modelsListedAtOnceMin : 1 + aside.below(3)
    listsAllVersions = !aside.once(in: 4)
    hasHugeFiles = kind == .long && aside.once(in: 3)
    listsByTag = !aside.once(in: 4)
  }
}
