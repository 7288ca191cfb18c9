import NIOHTTP1
import Testing

@testable import Registry

@Suite("A version that its registry takes in after the call")
struct RegistrationTests {
  private func registering(
    _ statuses: [String], pauses: RecordedPauses = RecordedPauses()
  ) async throws -> Result<ModelVersion, RegistryError> {
    try await ScriptedServer.with { request, number in
      let status = statuses[min(number, statuses.count) - 1]
      guard status != "gone" else {
        return .json(#"{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "gone"}"#, status: .notFound)
      }
      #expect(request.path.hasSuffix(number == 1 ? "create" : "get"))
      return .json(#"{"model_version": {"name": "m", "version": "3", "status": "\#(status)"}}"#)
    } _: { server in
      let registry = try MLflowRegistry.at(server, pauses: pauses)
      do {
        return .success(try await registry.createModelVersion(NewModelVersion(name: "m", source: "s")))
      } catch let error as RegistryError {
        return .failure(error)
      }
    }
  }

  @Test("is waited for until it is ready, and asked for no more than that")
  func waits() async throws {
    let pauses = RecordedPauses()
    let pending = ModelVersion.pendingStatus
    let made = try await registering([pending, pending, pending, "READY"], pauses: pauses).get()
    #expect(made.version == 3 && made.status == ModelVersion.readyStatus)
    #expect(pauses.all == Array(repeating: MLflowRegistry.registrationPause, count: 3))
    let atOnce = RecordedPauses()
    #expect(try await registering(["READY"], pauses: atOnce).get().status == "READY")
    #expect(atOnce.all.isEmpty)
  }

  @Test("is an error when it fails, goes, or takes for ever")
  func fails() async throws {
    let pauses = RecordedPauses()
    let pending = ModelVersion.pendingStatus
    for (statuses, words) in [
      ([pending, ModelVersion.failedStatus], "could not take in"), ([pending, "gone"], "was removed"),
      ([pending], "still PENDING_REGISTRATION"),
    ] {
      guard case .failure(let error) = try await registering(statuses, pauses: pauses) else {
        Issue.record("\(statuses) is no success")
        continue
      }
      #expect(error.message.contains(words) && error.retriable)
    }
    #expect(pauses.all.count == MLflowRegistry.registrationChecksMax + 2)
  }
}
