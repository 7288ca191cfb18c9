import AsyncHTTPClient

/// A file behind a signed address, which is asked for anew before it ends and whenever it was refused.
actor SignedSource {
  /// MLflow's addresses hold for 300 seconds unless its operator says otherwise; one that is this old is not used for
  /// another call.
  static let ageMax: Double = 200

  private let transfer: any SignedTransfer
  private let now: @Sendable () -> Double
  private let ask: @Sendable () async throws -> SignedAddress
  private var held: (address: SignedAddress, since: Double)?
  private var asking: Task<SignedAddress, any Error>?

  init(
    transfer: any SignedTransfer, now: @escaping @Sendable () -> Double,
    ask: @escaping @Sendable () async throws -> SignedAddress
  ) {
    self.transfer = transfer
    self.now = now
    self.ask = ask
  }

  /// Begins an answer, asked with these headers.
  func open(headers: RangedDownload.Headers) async throws -> HTTPClientResponse {
    let address = try await current()
    do {
      return try await transfer.open(address, headers: headers)
    } catch let error as RegistryError where error.code == .notAuthenticated || error.code == .notPermitted {
      if held?.address == address { held = nil }
      let fresh = try await current()
      guard fresh != address else { throw error }
      return try await transfer.open(fresh, headers: headers)
    }
  }

  private func current() async throws -> SignedAddress {
    if let held, now() - held.since < Self.ageMax { return held.address }
    if let asking { return try await asking.value }
    let task = Task { [ask] in try await ask() }
    asking = task
    defer { asking = nil }
    let address = try await task.value
    held = (address, now())
    return address
  }
}
