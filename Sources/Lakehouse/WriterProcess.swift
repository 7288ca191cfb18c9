import Foundation
import TableWriter

/// The writer in Python, at work as a child. Every call blocks.
final class WriterProcess {
  /// Rows are sent in pieces of about so many bytes.
  private static let frameBytes = 1 << 20

  private let process = Process()
  private let input = Pipe()
  private let output = Pipe()
  private let errors: FileHandle
  private var answers: [UInt8] = []
  private var frame: [UInt8] = []

  /// - Throws: ``LakehouseError`` with `.writerMissing` when there is no such Python.
  init(python: String, environment: [String: String]) throws {
    // A writer that is gone is told by an error, not by a signal.
    signal(SIGPIPE, SIG_IGN)
    let file = FileManager.default.temporaryDirectory.appending(path: "marketplace-publish-\(UUID().uuidString)")
    _ = FileManager.default.createFile(atPath: file.path, contents: nil, attributes: [.posixPermissions: 0o600])
    errors = try FileHandle(forReadingFrom: file)
    process.standardError = try FileHandle(forWritingTo: file)
    // Nobody else needs it, and who is killed leaves nothing behind.
    try FileManager.default.removeItem(at: file)
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    // Isolated: nothing from the working directory or the environment takes a package's place.
    process.arguments = [python, "-I", "-c", String(decoding: TableWriter.text, as: UTF8.self)]
    process.environment = environment
    process.standardInput = input
    process.standardOutput = output
    do {
      try process.run()
    } catch {
      throw LakehouseError(.writerMissing, "The writer cannot be started: \(error.localizedDescription)")
    }
  }

  /// Sends a request and gives its answer.
  func ask<Answer: Decodable>(_ request: some Encodable, as type: Answer.Type) throws -> Answer {
    try send(Array(try JSONEncoder().encode(request)) + [0x0a])
    return try answer(type)
  }

  /// Sends a request that rows follow, the rows, and gives its answer.
  func ask<Answer: Decodable>(
    _ request: some Encodable, as type: Answer.Type, rows: (_ write: ([UInt8]) throws -> Void) throws -> Void
  ) throws -> Answer {
    try send(Array(try JSONEncoder().encode(request)) + [0x0a])
    frame = []
    try rows { row in
      frame += row
      if frame.count >= Self.frameBytes { try sendFrame() }
    }
    if !frame.isEmpty { try sendFrame() }
    try send(Array("0\n".utf8))
    return try answer(type)
  }

  private func sendFrame() throws {
    try send(Array("\(frame.count)\n".utf8) + frame)
    frame = []
  }

  private func send(_ bytes: [UInt8]) throws {
    do {
      try input.fileHandleForWriting.write(contentsOf: bytes)
    } catch {
      throw failure()
    }
  }

  private func answer<Answer: Decodable>(_ type: Answer.Type) throws -> Answer {
    while true {
      if let end = answers.firstIndex(of: 0x0a) {
        let line = Array(answers[..<end])
        answers.removeSubrange(...end)
        guard let answer = try? JSONDecoder().decode(type, from: Data(line)) else { throw failure() }
        return answer
      }
      // As much as there is: reading up to a count waits for all of it.
      let more = output.fileHandleForReading.availableData
      guard !more.isEmpty else { throw failure() }
      answers += more
    }
  }

  /// Why it ended: its own last words.
  private func failure() -> LakehouseError {
    try? input.fileHandleForWriting.close()
    process.waitUntilExit()
    let said = String(decoding: (try? errors.readToEnd()) ?? Data(), as: UTF8.self)
    let last = said.split(separator: "\n").last.map(String.init) ?? "it said nothing"
    if said.contains("ModuleNotFoundError") || process.terminationStatus == 127 {
      return LakehouseError(
        .writerMissing,
        "The writer of Delta tables needs Python with the packages deltalake and pyarrow: \(last). Install them (pip install "
          + "deltalake pyarrow), and name that Python in the configuration, as lakehouse: python.")
    }
    return LakehouseError(
      .writerFailed, "The writer of Delta tables ended with \(process.terminationStatus): \(last.prefix(1_000))")
  }

  /// Ends it.
  func end() {
    try? input.fileHandleForWriting.close()
    process.waitUntilExit()
  }
}
