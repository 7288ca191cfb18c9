import Marketplace
import Registry
import Storage

/// The metric histories of a run on their way into an export, in memory that does not grow with them.
///
/// `run.json` holds the last points. Where it cannot hold all, every point stands in a file of our own beside it, and
/// `run.json` names that file: see decision 0015.
struct MetricHistories: Sendable {
  /// `run.json` holds at most so many points, or one of each metric where there are more metrics.
  static let pointsInRunMax = 20_000
  /// A line of the file holds at most so many points of one metric: what one call can log.
  static let pointsPerLineMax = 1_000
  /// The file's name, beside `run.json`.
  static let fileName = "metric_history.jsonl"
  /// A line of the file has at most so many bytes.
  static let lineBytesMax = 4 * 1_048_576

  /// One line of the file.
  struct Line: Codable, Sendable {
    var key: String
    var points: [RunDocument.Point]
  }

  /// The last points of each metric, in the registry's order.
  private(set) var points: [ExactText: [RunDocument.Point]] = [:]
  /// Points read.
  private(set) var count: Int64 = 0

  private let pointsPerMetricMax: Int
  private let open: @Sendable () async throws -> any StorageUpload
  private var upload: (any StorageUpload)?

  /// Whether there is a file that holds all points.
  var hasFile: Bool { upload != nil }

  /// Reads every history of a run.
  ///
  /// - Parameters:
  ///   - open: opens the file, called only when it is needed.
  ///   - finish: makes it appear.
  /// - Returns: the last points, and what was written to the file, if it was needed.
  static func copy(
    of run: Run, in registry: any ModelRegistry, to open: @escaping @Sendable () async throws -> any StorageUpload,
    finish: (any StorageUpload) async throws -> WrittenFile
  ) async throws -> (MetricHistories, WrittenFile?) {
    let keys = Set(run.metrics.map { ExactText($0.key) }).sorted()
    var histories = MetricHistories(metrics: keys.count, open: open)
    do {
      for key in keys {
        histories.points[key] = []
        try await registry.metricHistory(run: run.id, key: key.text) { try await histories.take($0, of: key) }
      }
      guard let upload = histories.upload else { return (histories, nil) }
      return (histories, try await finish(upload))
    } catch {
      await histories.upload?.abandon()
      throw error
    }
  }

  private init(metrics: Int, open: @escaping @Sendable () async throws -> any StorageUpload) {
    self.open = open
    pointsPerMetricMax = max(1, Self.pointsInRunMax / max(1, metrics))
  }

  private mutating func take(_ page: [Metric], of key: ExactText) async throws {
    let fresh = page.map(RunDocument.Point.init)
    count += Int64(fresh.count)
    points[key, default: []] += fresh
    if let upload {
      try await write(fresh, of: key, to: upload)
      trim(key)
    } else if count > Int64(Self.pointsInRunMax) {
      let upload = try await open()
      self.upload = upload
      for (key, points) in points.sorted(by: { $0.key < $1.key }) { try await write(points, of: key, to: upload) }
      for key in points.keys { trim(key) }
    }
  }

  private mutating func trim(_ key: ExactText) {
    guard let all = points[key], all.count > pointsPerMetricMax else { return }
    points[key] = all.suffix(pointsPerMetricMax)
  }

  private func write(_ points: [RunDocument.Point], of key: ExactText, to upload: any StorageUpload) async throws {
    for start in stride(from: 0, to: points.count, by: Self.pointsPerLineMax) {
      let line = Line(key: key.text, points: Array(points[start..<min(start + Self.pointsPerLineMax, points.count)]))
      try await upload.write(try ExactJSON.encode(line) + [UInt8(ascii: "\n")])
    }
  }
}
