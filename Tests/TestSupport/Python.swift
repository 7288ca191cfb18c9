import Foundation

/// A script in Python, called as a user calls it.
public enum Python {
  /// The verifier of `ops/audit`.
  public static let verifier =
    URL(fileURLWithPath: #filePath).appending(path: "../../../ops/audit/verify.py").standardized.path

  /// Runs a script to its end: the status that it ends with, and everything that it says.
  public static func run(_ arguments: [String]) throws -> (status: Int32, said: String) {
    try call(["python3", "-B"] + arguments)
  }

  /// The same for a script that has an interpreter of its own.
  public static func call(
    _ arguments: [String], environment: [String: String] = [:]
  ) throws -> (status: Int32, said: String) {
    let process = Process()
    let output = Pipe()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = arguments
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    process.standardOutput = output
    process.standardError = output
    try process.run()
    let said = try output.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    return (process.terminationStatus, String(decoding: said, as: UTF8.self))
  }
}
