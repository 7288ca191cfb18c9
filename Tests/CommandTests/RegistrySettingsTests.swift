import ArgumentParser
import Foundation
import Registry
import TestSupport
import Testing
import Transfer

@testable import marketplace

@Suite("A registry's settings")
struct RegistrySettingsTests {
  private func workspace(_ yaml: String, _ environment: [String: String] = [:]) throws -> ConfiguredSource {
    let file = TestCluster.newDirectory() + ".yaml"
    try Data("workspaces:\n  - \(yaml)\n".utf8).write(to: URL(fileURLWithPath: file))
    defer { try? FileManager.default.removeItem(atPath: file) }
    let settings = try Settings(try PlaceOptions.parse(["--config", file]), environment: environment)
    return try settings.source(try #require(try settings.workspaces(named: []).first))
  }

  @Test(
    "that cannot be used are kept as its trouble, and the registry fails with it",
    arguments: [
      ("token_file: /no/such/file", "its token file /no/such/file cannot be read"),
      ("token_env: UNSET", "the environment variable UNSET for its token is not set"),
      ("username: me, password_env: UNSET", "the environment variable UNSET for its password is not set"),
      ("username: me", "username is set, and neither password_file nor password_env"),
    ])
  func credentials(settings: String, message: String) async throws {
    let found = try workspace("{id: dev01, registry: \"http://127.0.0.1:1\", \(settings)}")
    #expect(found.trouble?.message == message)
    #expect(found.source.connection != nil)
    do {
      _ = try await found.source.registry.registeredModels()
      Issue.record("the registry answered")
    } catch {
      #expect("\(error)".contains(message))
    }
  }

  @Test("with an address that is none are not recorded, since it may hold a password")
  func address() throws {
    for address in ["mlflow", "https://me:hunter2@mlflow.example", "ftp://mlflow.example", "http://a/?token=hunter2"] {
      let found = try workspace("{id: dev01, registry: \"\(address)\"}")
      #expect(found.trouble?.code == .configuration)
      #expect(found.source.connection == nil)
      #expect("\(String(describing: found.trouble))".contains("hunter2") == false)
    }
  }

  @Test("with a relative token file are looked for where a service manager puts credentials")
  func credentialsDirectory() throws {
    let folder = TestCluster.newDirectory()
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try Data("secret\n".utf8).write(to: URL(fileURLWithPath: folder + "/dev01"))
    let yaml = "{id: dev01, registry: \"http://127.0.0.1:1\", token_file: dev01}"
    #expect(try workspace(yaml, ["CREDENTIALS_DIRECTORY": folder]).trouble == nil)
    #expect(try workspace(yaml).trouble?.message == "its token file dev01 cannot be read")
    try Data("\n".utf8).write(to: URL(fileURLWithPath: folder + "/dev01"))
    let empty = try workspace(yaml, ["CREDENTIALS_DIRECTORY": folder])
    #expect(empty.trouble?.message == "its token file \(folder)/dev01 is empty")
  }

  @Test("name buckets of artifacts as 'storage' is written, and hosts that signed addresses may lead to")
  func artifacts() throws {
    let found = try workspace(
      """
      {id: dev01, registry: "http://127.0.0.1:1", artifact_hosts: ["objects.example:9000"], artifacts: [
        {uri: "s3://team/mlflow", endpoint: "https://objects.example", credentials: {profile: team}},
        {uri: "s3://other", region: eu-central-1}]}
      """)
    #expect(found.trouble == nil)
    let registry = try #require(found.source.registry as? MLflowRegistry)
    #expect(registry.storeURIs == ["s3://team/mlflow", "s3://other"])
  }

  @Test(
    "that name no bucket, or a secret, are refused with the place",
    arguments: [
      ("artifacts: [{uri: \"ftp://h/x\"}]", "artifacts"), ("artifacts: [{url: \"s3://team\"}]", "'url'"),
      ("artifacts: [{uri: \"s3://team\", credentials: {secret: x}}]", "'secret'"),
      ("artifacts: [{endpoint: \"https://h\"}]", "uri"), ("artifacts: {uri: \"s3://team\"}", "a list"),
      ("artifact_hosts: objects.example", "a list"),
    ])
  func badArtifacts(settings: String, word: String) throws {
    do {
      _ = try workspace("{id: dev01, registry: \"http://127.0.0.1:1\", \(settings)}")
      Issue.record("\(settings) was taken")
    } catch {
      #expect("\(error)".contains(word), "\(error)")
    }
  }

  @Test("with a bucket that cannot be are that registry's trouble alone")
  func impossibleBucket() throws {
    let found = try workspace("{id: dev01, registry: \"http://127.0.0.1:1\", artifacts: [{uri: \"s3://x\"}]}")
    #expect(found.trouble?.message.contains("names no bucket") == true)
    #expect(found.source.connection != nil)
  }
}
