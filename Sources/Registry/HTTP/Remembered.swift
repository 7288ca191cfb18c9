/// A value that is fetched once, however many ask at the same time; a failure is not remembered.
actor Remembered<Value: Sendable> {
  private var task: Task<Value, any Error>?

  func value(_ fetch: @escaping @Sendable () async throws -> Value) async throws -> Value {
    if let task { return try await task.value }
    let fresh = Task { try await fetch() }
    task = fresh
    do {
      return try await fresh.value
    } catch {
      task = nil
      throw error
    }
  }
}
