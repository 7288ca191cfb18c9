import ArgumentParser
import Foundation
import Storage
import Testing

@testable import marketplace

@Suite("The setting 'storage'")
struct StorageSettingsTests {
  /// What holds with this file, these variables and this flag.
  private func settings(
    _ yaml: String, _ environment: [String: String] = [:], flag: String? = nil
  ) throws -> Settings {
    let path = "/tmp/storage-settings-\(UUID().uuidString).yaml"
    try yaml.write(toFile: path, atomically: true, encoding: .utf8)
    defer { try? FileManager.default.removeItem(atPath: path) }
    var arguments = ["--config", path]
    if let flag { arguments += ["--storage", flag] }
    return try Settings(try GlobalOptions.parse(arguments), environment: environment)
  }

  @Test("is an address, or an address with what else is needed")
  func forms() throws {
    let plain = try settings("storage: s3://models/marketplace").storage()
    #expect(plain.location == "s3://models/marketplace")
    let mapping = try settings("storage: {url: s3://models/a, endpoint: 'https://h', region: r, sse: AES256}")
    #expect(try mapping.storage().location == "s3://models/a")
    #expect(mapping.file.storage?.endpoint == "https://h")
    #expect(try settings("storage: {url: s3://models/a}", flag: "s3://other/b").storage().location == "s3://other/b")
    let variable = try settings("storage: s3://models/a", ["MARKETPLACE_STORAGE": "s3://third"]).storage()
    #expect(variable.location == "s3://third")
  }

  @Test(
    "is refused with a reason when it cannot be meant",
    arguments: [
      "storage: {endpoint: 'https://h'}", "storage: {url: s3://models, sse: rot13}",
      "storage: {url: s3://models, key: x}",
      "storage: {url: s3://models, sse: AES256, sse_kms_key_id: k}", "storage: ftp://h/x", "storage: s3://",
      "storage: {url: s3://models, credentials: {secret: x}}", "storage: {url: s3://models, endpoint: nonsense}",
      "storage: {url: s3://models, ca_file: /nowhere.pem}", "storage: [a]",
    ])
  func refused(_ yaml: String) {
    #expect(throws: (any Error).self) { _ = try settings(yaml).storage() }
  }
}
