import Catalog
import Foundation
import Postgres
import Synchronization
import TestSupport
import Testing

@testable import Server

@Suite("What bounds requests")
struct BoundTests {
  @Test("so many follow and no more, and a seat that is given back is taken again")
  func seats() {
    let seats = FollowerSeats(max: 2)
    var taken = [seats.take(for: "a"), seats.take(for: "a")]
    #expect(taken.allSatisfy { $0 != nil } && seats.take(for: "b") == nil)
    taken.removeLast()
    taken.append(seats.take(for: "b"))
    #expect(taken.allSatisfy { $0 != nil } && seats.take(for: "a") == nil)
    // One alone leaves some to those who have fewer.
    let many = FollowerSeats(max: 40)
    taken = (0..<36).map { _ in many.take(for: "greedy") }
    #expect(taken.allSatisfy { $0 != nil } && many.take(for: "greedy") == nil)
    taken += (0..<4).map { _ in many.take(for: "kiosk") }
    #expect(taken.allSatisfy { $0 != nil } && many.take(for: "other") == nil)
    taken.removeFirst(5)
    #expect(many.take(for: "greedy") != nil)
    var configuration = CatalogService.Configuration()
    #expect(configuration.followersMax == configuration.connectionsMax - 64)
    configuration.connectionsMax = 8
    #expect(configuration.followersMax == 6)
  }

  /// Who was let through.
  private final class Inside: Sendable {
    let numbers = Mutex<[Int]>([])
  }

  @Test("others wait for their turn, and whoever gives up keeps nobody waiting")
  func turns() async throws {
    let turnstile = Turnstile(max: 1)
    let (entered, enter) = AsyncStream<Void>.makeStream()
    let (left, leave) = AsyncStream<Void>.makeStream()
    let inside = Inside()
    let first = Task {
      try await turnstile.pass {
        enter.yield()
        for await _ in left { break }
        inside.numbers.withLock { $0.append(1) }
      }
    }
    for await _ in entered { break }
    let second = Task { try await turnstile.pass { inside.numbers.withLock { $0.append(2) } } }
    let third = Task { try await turnstile.pass { inside.numbers.withLock { $0.append(3) } } }
    second.cancel()
    await #expect(throws: CancellationError.self) { try await second.value }
    leave.yield()
    try await first.value
    try await third.value
    #expect(inside.numbers.withLock { $0 } == [1, 3])
    #expect(try await turnstile.pass { 4 } == 4)
  }

  @Test("parts of what changed, of versions and of a history make up the whole")
  func parts() async throws {
    let sample = try await SampleHistory.append()
    defer { Task { await sample.pool.close() } }
    let catalog = Catalog(sample.pool)
    let last = try #require(sample.seals.last)
    let all = try await catalog.changes(from: 0, to: last)
    var found: [CatalogChange] = []
    for place in all.indices {
      let part = try await catalog.changes(from: 0, to: last, models: place..<place + 1, linesMax: 1)
      #expect(part.count == all.count)
      found += part.changes
    }
    #expect(found.map(\.model) == all.map(\.model) && found.map(\.fields) == all.map(\.fields) && all.count > 1)
    #expect(found.map { $0.events.last } == all.map { $0.events.last } && found.allSatisfy { $0.events.count <= 1 })

    for earlier in [0, last / 2, last - 1] {
      let lately = try await catalog.recent(after: earlier, limit: Int(last))
      let wanted = try await catalog.recent(after: earlier, through: last)
      let (ours, theirs) = (Set(lately.map(\.line)), Set(wanted.map(\.line)))
      #expect(ours == theirs, "\(ours.subtracting(theirs).prefix(3)) \(theirs.subtracting(ours).prefix(3))")
      #expect(lately.map(\.line.sequence) == wanted.map(\.line.sequence), "\(earlier)")
      #expect(!wanted.isEmpty)
    }

    let risk = try #require(try await catalog.models(named: "dev01.readmission-risk", asOf: .now).first)
    let history = try await catalog.history(of: risk.model, in: risk.workspace)
    let whole = try await catalog.lately(of: risk.model, in: risk.workspace, rowsMax: 10_000)
    #expect(whole.lines == history && whole.areAll)
    for rowsMax in 2...12 {
      let some = try await catalog.lately(of: risk.model, in: risk.workspace, rowsMax: rowsMax)
      #expect(some.lines == history.suffix(some.lines.count) && !some.lines.isEmpty && !some.areAll, "\(rowsMax)")
    }
    let versions = try await catalog.versions(of: risk.model, in: risk.workspace)
    #expect(try await catalog.versionsCount(of: risk.model, in: risk.workspace) == versions.count)
    let newest = try #require(versions.last)
    #expect(
      try await catalog.versions(of: risk.model, in: risk.workspace, newest: 1)
        == versions.filter { $0.version == newest.version })
    #expect(try await catalog.version(newest.version, of: risk.model, in: risk.workspace) == newest)
    #expect(try await catalog.version(newest.version + 1, of: risk.model, in: risk.workspace) == nil)
  }
}
