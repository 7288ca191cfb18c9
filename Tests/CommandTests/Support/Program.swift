import Foundation
import Testing

/// The built program, called as a user calls it.
struct Program {
  /// A test that waits for it fails after so many seconds.
  static let deadlineSeconds = 120.0

  /// How a call ended.
  struct Outcome: Sendable {
    var status: Int32
    var output: String
    var errors: String

    /// The object printed with `--output json`.
    func json() throws -> [String: Any] {
      try #require(try JSONSerialization.jsonObject(with: Data(output.utf8)) as? [String: Any])
    }
  }

  /// A call under way.
  final class Call: Sendable {
    private let process: Process
    private let files: [URL]
    private let ended: AsyncStream<Int32>

    fileprivate init(_ arguments: [String], environment: [String: String]) throws {
      let folder = FileManager.default.temporaryDirectory
      files = try ["out", "err"].map { name in
        let file = folder.appendingPathComponent("call-\(UUID().uuidString).\(name)")
        try Data().write(to: file)
        return file
      }
      let process = Process()
      process.executableURL = try Program.path()
      process.arguments = arguments
      process.environment = environment
      process.standardInput = FileHandle.nullDevice
      process.standardOutput = try FileHandle(forWritingTo: files[0])
      process.standardError = try FileHandle(forWritingTo: files[1])
      let (stream, continuation) = AsyncStream.makeStream(of: Int32.self)
      process.terminationHandler = { process in
        continuation.yield(process.terminationStatus)
        continuation.finish()
      }
      try process.run()
      self.process = process
      ended = stream
    }

    /// What a test that failed did not wait for is not left running.
    deinit {
      if process.isRunning { process.terminate() }
      for file in files { try? FileManager.default.removeItem(at: file) }
    }

    /// Ctrl-C.
    func interrupt() { process.interrupt() }

    /// Waits until it has written `text` to standard error.
    func says(_ text: String) async throws { try await writes(text, to: files[1]) }

    /// Waits until it has written `text` to standard output so many times.
    func prints(_ text: String, times: Int) async throws { try await writes(text, times: times, to: files[0]) }

    private func writes(_ text: String, times: Int = 1, to file: URL) async throws {
      let end = Date() + Program.deadlineSeconds
      while try String(contentsOf: file, encoding: .utf8).ranges(of: text).count < times {
        try #require(process.isRunning && Date() < end, "it never said '\(text)'")
        await Task.yield()
      }
    }

    func outcome() async throws -> Outcome {
      var status: Int32 = -1
      for await ended in ended { status = ended }
      return Outcome(
        status: status, output: try String(contentsOf: files[0], encoding: .utf8),
        errors: try String(contentsOf: files[1], encoding: .utf8))
    }
  }

  /// Beside the test's own executable, since the package builds both.
  static func path() throws -> URL {
    let own = URL(fileURLWithPath: try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
    return own.deletingLastPathComponent().appendingPathComponent("marketplace")
  }

  static func start(_ arguments: [String], environment: [String: String] = [:]) throws -> Call {
    let kept = ProcessInfo.processInfo.environment.filter { ["HOME", "PATH", "TMPDIR"].contains($0.key) }
    return try Call(arguments, environment: kept.merging(environment) { $1 })
  }

  static func run(_ arguments: String..., environment: [String: String] = [:]) async throws -> Outcome {
    try await start(arguments, environment: environment).outcome()
  }
}
