/// How a run's metrics, parameters and tags are split into calls of `runs/log-batch`. Pure.
///
/// Limits of MLflow 2 and 3: 1000 metrics, 100 parameters, 100 tags, 1000 of all, and 1,000,000 bytes a call.
enum LogBatches {
  static let metricsMax = 1000
  static let paramsMax = 100
  static let tagsMax = 100
  static let entitiesMax = 1000
  static let bodyBytesMax = 1_000_000

  /// What goes into one call.
  struct Batch {
    var metrics: [Metric] = []
    var params: [Param] = []
    var tags: [Tag] = []
    fileprivate var encodedMetrics: [[UInt8]] = []
    fileprivate var encodedParams: [[UInt8]] = []
    fileprivate var encodedTags: [[UInt8]] = []
    fileprivate var bytes = 0

    var count: Int { metrics.count + params.count + tags.count }

    /// The call's body.
    func body(run id: String) throws -> [UInt8] {
      func list(_ name: String, _ items: [[UInt8]]) -> [UInt8] {
        guard !items.isEmpty else { return [] }
        return Array(",\"\(name)\":[".utf8) + Array(items.joined(separator: [UInt8(ascii: ",")]))
          + [UInt8(ascii: "]")]
      }
      return Array("{\"run_id\":".utf8) + (try JSON.encode(id)) + list("metrics", encodedMetrics)
        + list("params", encodedParams) + list("tags", encodedTags) + [UInt8(ascii: "}")]
    }
  }

  private struct WireMetric: Encodable {
    var key: String
    var value: Double
    var timestamp: Int64
    var step: Int64
  }

  /// The calls, in order: parameters, then metrics, then tags, so that a tag may say that all of it was logged. None
  /// when there is nothing to log.
  static func batches(
    run id: String, metrics: [Metric], params: [Param], tags: [Tag], operation: String
  ) throws -> [Batch] {
    // Room for the run's identifier, the names of the lists and the brackets around them.
    let room = bodyBytesMax - (try JSON.encode(id)).count - 64
    var done: [Batch] = []
    var current = Batch()

    func makeRoom(for item: [UInt8], _ count: KeyPath<Batch, Int>, _ countMax: Int, _ what: String) throws {
      guard item.count < room else {
        throw RegistryError(
          .tooLarge, operation: operation,
          message: "one \(what) takes \(item.count) bytes, and a call holds \(bodyBytesMax)",
          advice: "Shorten it at the source.")
      }
      if current[keyPath: count] >= countMax || current.count >= entitiesMax
        || current.bytes + item.count + 1 > room
      {
        done.append(current)
        current = Batch()
      }
      current.bytes += item.count + 1
    }

    for param in params {
      let item = try JSON.encode(param)
      try makeRoom(for: item, \.params.count, paramsMax, "parameter")
      current.params.append(param)
      current.encodedParams.append(item)
    }
    for metric in metrics {
      let item = try JSON.encode(
        WireMetric(key: metric.key, value: metric.value, timestamp: metric.timestamp, step: metric.step))
      try makeRoom(for: item, \.metrics.count, metricsMax, "metric")
      current.metrics.append(metric)
      current.encodedMetrics.append(item)
    }
    for tag in tags {
      let item = try JSON.encode(tag)
      try makeRoom(for: item, \.tags.count, tagsMax, "tag")
      current.tags.append(tag)
      current.encodedTags.append(item)
    }
    if current.count > 0 { done.append(current) }
    return done
  }

  /// What a metric's value is once MLflow keeps it: infinities become the largest finite numbers. NaN equals
  /// NaN here.
  struct Stored: Hashable {
    var bits: UInt64
    var timestamp: Int64
    var step: Int64

    init(_ metric: Metric) {
      let value =
        metric.value.isInfinite
        ? (metric.value > 0 ? Double.greatestFiniteMagnitude : -Double.greatestFiniteMagnitude) : metric.value
      bits = value.isNaN ? Double.nan.bitPattern : (value == 0 ? 0 : value.bitPattern)
      timestamp = metric.timestamp
      step = metric.step
    }
  }
}
