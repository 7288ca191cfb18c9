import Marketplace
import Registry
import Storage

extension ExportContents {
  /// The run's whole metric histories, page by page; at least one page, which may be empty.
  ///
  /// They stand in `run.json`, which is at hand, or in a file of their own (see ``MetricHistories``), of which a page
  /// at a time is in memory: first the file is hashed, then read.
  ///
  /// - Throws: ``Trouble`` with ``Trouble/rottenCode`` when the file is not the one that the manifest names.
  func metricPages(of document: RunDocument, page: ([Metric]) async throws -> Void) async throws {
    guard let history = document.metricHistory else { return try await page(document.points) }
    let file = try listed("\(document.info.runID)/\(history.file)")
    try await verify(file)
    var pending: [Metric] = []
    var isFirst = true
    try await eachLine(of: file) { line in
      pending += line.points.map { $0.metric(line.key) }
      while pending.count >= MetricHistories.pointsPerLineMax {
        try await page(Array(pending.prefix(MetricHistories.pointsPerLineMax)))
        pending.removeFirst(MetricHistories.pointsPerLineMax)
        isFirst = false
      }
    }
    if isFirst || !pending.isEmpty { try await page(pending) }
  }

  private func verify(_ file: Manifest.File) async throws {
    var digest = StreamDigest()
    try await eachChunk(of: file) { await digest.take($0) }
    guard digest.finish() == WrittenFile(size: file.size, sha256: file.sha256) else { throw Trouble.rotten(file) }
  }

  private func eachLine(of file: Manifest.File, _ body: (MetricHistories.Line) async throws -> Void) async throws {
    var digest = StreamDigest()
    var rest: [UInt8] = []
    try await eachChunk(of: file) { chunk in
      await digest.take(chunk)
      rest += chunk
      var start = 0
      while let end = rest[start...].firstIndex(of: UInt8(ascii: "\n")) {
        guard let line = try? ExactJSON.decode(MetricHistories.Line.self, Array(rest[start..<end])) else {
          throw Trouble.rotten(file)
        }
        try await body(line)
        start = end + 1
      }
      rest.removeFirst(start)
      guard rest.count <= MetricHistories.lineBytesMax else { throw Trouble.rotten(file) }
    }
    // It may have been damaged between the two readings.
    guard rest.isEmpty, digest.finish() == WrittenFile(size: file.size, sha256: file.sha256) else {
      throw Trouble.rotten(file)
    }
  }

  private func eachChunk(of file: Manifest.File, _ body: ([UInt8]) async throws -> Void) async throws {
    do {
      for try await chunk in try await storage.read(try folder.file(file.path)) { try await body(chunk) }
    } catch let error as StorageError where error.code == .notFound {
      throw Trouble.rotten(file)
    }
  }
}

extension RunDocument {
  /// The points that the document itself holds.
  fileprivate var points: [Metric] {
    let all = [metrics, nonFiniteMetrics].flatMap { histories in
      histories.flatMap { key, points in points.map { (key, $0.metric(key.text)) } }
    }
    return all.sorted { ($0.0, $0.1.step, $0.1.timestamp) < ($1.0, $1.1.step, $1.1.timestamp) }.map(\.1)
  }
}
