import Foundation
import Ledger
import Testing

@testable import Transfer

@Suite("Bounds of an append")
struct AppendBoundsTests {
  private func event(bytes: Int) -> NewEvent {
    NewEvent(stream: "model/a", id: UUID(), type: "ModelDescribed", data: String(repeating: "x", count: bytes))
  }

  @Test("events are cut into calls by count and by bytes, in their order")
  func cut() throws {
    let few = (0..<7).map { _ in event(bytes: 40) }
    #expect(try History.batches(of: few, bytesMax: 100).map(\.count) == [2, 2, 2, 1])
    #expect(try History.batches(of: few, bytesMax: 100).flatMap(\.self) == few)
    let many = (0..<2_500).map { _ in event(bytes: 2) }
    #expect(try History.batches(of: many).map(\.count) == [1_000, 1_000, 500])
    #expect(try History.batches(of: []).isEmpty)
  }

  @Test("an event that fills a call alone stands alone")
  func large() throws {
    let events = [event(bytes: 10), event(bytes: 120), event(bytes: 10)]
    #expect(try History.batches(of: events, bytesMax: 100).map(\.count) == [1, 1, 1])
  }

  @Test("an event that is larger than the ledger takes is named, and nothing is appended")
  func tooLarge() throws {
    let events = [event(bytes: 10), event(bytes: EventRules.dataBytesMax + 1)]
    let error = #expect(throws: LedgerError.self) { try History.batches(of: events) }
    #expect(error?.message.contains("ModelDescribed of model/a has 1048577 bytes") == true)
  }
}
