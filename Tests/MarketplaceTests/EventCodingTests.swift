import Marketplace
import Testing

@Suite("Events as the ledger keeps them")
struct EventCodingTests {
  @Test("are one line of JSON with sorted keys and the field names of their page", arguments: GoldenEvent.all)
  func golden(_ golden: GoldenEvent) throws {
    let json = try golden.event.json()
    #expect(json == golden.json)
  }

  @Test("are read back as the same value", arguments: GoldenEvent.all)
  func readBack(_ golden: GoldenEvent) throws {
    let event = try DomainEvent(type: golden.event.type, json: golden.json)
    #expect(event == golden.event)
  }

  @Test("have a golden line for every type")
  func complete() {
    let tried = Set(GoldenEvent.all.map(\.event.kind))
    #expect(tried == Set(DomainEvent.Kind.allCases))
  }

  @Test("of a type that is not the domain's are nobody's business")
  func foreign() throws {
    let event = try DomainEvent(type: "batch.Scored", json: "{}")
    #expect(event == nil)
  }

  @Test("of a later version are refused, not guessed at")
  func laterVersion() {
    let error = #expect(throws: DomainError.self) {
      try DomainEvent(type: "ModelExported", typeVersion: 2, json: "{}")
    }
    #expect(error?.code == .malformedEvent)
    #expect(error?.message.contains("version 2") == true)
  }

  @Test(
    "without a field that their type promises, or with another form of it, are refused",
    arguments: [
      ("ModelRenamed", #"{"from":"a","model":"m","to":"b"}"#),
      ("ModelRenamed", #"{"from":"a","model":"m","not_after":"1","to":"b"}"#),
      (
        "WorkspaceObserved",
        #"{"changes":0,"models":0,"observed_from":1,"observed_to":2,"outcome":"so so","versions":0}"#
      ),
      ("ModelDescribed", #"{"metrics":{"auc":"much"},"model":"m","name":"n","tags":{}}"#),
      ("WorkspaceConnected", "[]"), ("WorkspaceConnected", ""),
    ])
  func malformed(_ type: String, _ json: String) {
    let error = #expect(throws: DomainError.self) { try DomainEvent(type: type, json: json) }
    #expect(error?.code == .malformedEvent)
  }

  @Test("whose metrics are NaN compare as equal, so that an unchanged snapshot is unchanged")
  func notANumber() {
    #expect(MetricValue(.nan) == MetricValue(.nan))
    #expect(MetricValue(.nan).hashValue == MetricValue(-.nan).hashValue)
    #expect(MetricValue(0).hashValue == MetricValue(-0.0).hashValue)
    #expect(MetricValue(.nan) != MetricValue(.infinity))
  }
}
