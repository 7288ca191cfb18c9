import AsyncHTTPClient
import NIOHTTP1

extension HTTPTransport {
  /// Hands the file that a call answers with to `consume`, and returns its size in bytes.
  ///
  /// One slot of the server's capacity is held throughout; ranges side by side take more only while nobody waits for
  /// them.
  func download(
    _ call: HTTPCall, size: Int64?, start: (ArtifactState) async throws -> Int64,
    consume: ([UInt8]) async throws -> Void
  ) async throws -> Int64 {
    let download = RangedDownload(
      operation: call.operation, url: shownURL(call), policy: policy, effects: effects, windows: windows,
      slot: { [capacity] in capacity.slotIfFree() }, open: { [self] in try await open(call, adding: $0) })
    return try await capacity.withSlot {
      try await download.run(size: size, start: start, consume: consume)
    }
  }

  private func open(_ call: HTTPCall, adding headers: RangedDownload.Headers) async throws -> HTTPClientResponse {
    try await repeating { () async throws -> HTTPClientResponse in
      try await self.waitWhereAsked()
      var request = try await self.request(for: call)
      for (name, value) in headers { request.headers.add(name: name, value: value) }
      let response = try await self.send(request, for: call, within: self.policy.callTimeout)
      try await self.check(response, call)
      return response
    }
  }
}
