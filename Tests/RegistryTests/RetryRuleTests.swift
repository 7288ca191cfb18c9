import Testing

@testable import Registry

@Suite("Retries and batches")
struct RetryRuleTests {
  @Test("pauses double up to their bound and are never nothing")
  func backoff() {
    let policy = HTTPPolicy()
    let pauses = (1...9).map { RetryRule.backoff(afterAttempt: $0, policy: policy, random: 1) }
    #expect(pauses.prefix(3) == [.milliseconds(200), .milliseconds(400), .milliseconds(800)])
    #expect(pauses.last == policy.backoffMax)
    #expect(RetryRule.backoff(afterAttempt: 1, policy: policy, random: 0) == .milliseconds(20))
  }

  @Test("Retry-After is seconds or a date")
  func retryAfter() {
    #expect(RetryRule.retryAfter("120", now: 0) == .seconds(120))
    #expect(RetryRule.retryAfter("Thu, 01 Jan 1970 00:01:40 GMT", now: 40) == .seconds(60.0))
    #expect(RetryRule.retryAfter("Thu, 01 Jan 1970 00:01:40 GMT", now: 400) == .zero)
    for nonsense in [nil, "", "soon", "-1", "99999999999999"] as [String?] {
      #expect(RetryRule.retryAfter(nonsense, now: 0) == nil)
    }
  }

  private func batches(metrics: Int = 0, params: [Param] = [], tags: Int = 0) throws -> [LogBatches.Batch] {
    try LogBatches.batches(
      run: "r", metrics: (0..<metrics).map { Metric(key: "m", value: 1, timestamp: Int64($0)) },
      params: params,
      tags: (0..<tags).map { Tag("t\($0)", "") }, operation: "logging")
  }

  @Test("batches keep every limit and every value")
  func batchLimits() throws {
    #expect(try batches().isEmpty)
    let params = (0..<201).map { Param("p\($0)", String(repeating: "x", count: 6000)) }
    let all = try batches(metrics: 2001, params: params, tags: 101)
    for batch in all {
      #expect(batch.metrics.count <= 1000 && batch.params.count <= 100 && batch.tags.count <= 100)
      #expect(batch.count <= 1000)
      let body = try batch.body(run: "r")
      #expect(body.count < 1_000_000)
      _ = try JSON.decode(Wire.Nothing.self, body)
    }
    #expect(all.flatMap(\.metrics).map(\.timestamp) == (0..<2001).map { Int64($0) })
    #expect(all.flatMap(\.params) == params)
    #expect(all.flatMap(\.tags).count == 101)
  }

  @Test("batches are split by size before the server's bound is met")
  func batchBytes() throws {
    let params = (0..<90).map { Param("p\($0)", String(repeating: "é", count: 10_000)) }
    let all = try batches(params: params)
    #expect(all.count == 2)
    for batch in all { #expect(try batch.body(run: "r").count <= LogBatches.bodyBytesMax) }
    let error = #expect(throws: RegistryError.self) {
      try batches(params: [Param("p", String(repeating: "x", count: 1_000_000))])
    }
    #expect(error?.code == .tooLarge)
  }

  @Test("NaN and infinities are written as words")
  func nonFinite() throws {
    let batch = try LogBatches.batches(
      run: "r", metrics: [Metric(key: "k", value: -.infinity, timestamp: 1)], params: [], tags: [],
      operation: "logging"
    ).first
    let body = try #require(try batch?.body(run: "r"))
    #expect(String(decoding: body, as: UTF8.self).contains(#""value":"-Infinity""#))
  }

  @Test("filters hold what they can and say when they cannot")
  func filters() {
    #expect(FilterText.quoted("it's") == "\"it's\"")
    #expect(FilterText.quoted("say \"hi\"") == "'say \"hi\"'")
    #expect(FilterText.quoted("both ' and \"") == nil)
    #expect(FilterText.quoted("back\\slash") == nil)
    #expect(FilterText.tagged(Tag("a.b", "v")) == "tags.`a.b` = 'v'")
    #expect(FilterText.tagged(Tag("a`b", "v")) == nil)
  }
}
