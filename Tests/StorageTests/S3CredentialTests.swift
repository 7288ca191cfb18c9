import Foundation
import NIOHTTP1
import Synchronization
import TestSupport
import Testing

@testable import Storage

@Suite("Credentials for S3")
struct S3CredentialTests {
  private let folder = "/tmp/credentials-\(UUID().uuidString)"

  private func file(_ name: String, _ text: String) throws -> String {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let path = "\(folder)/\(name)"
    try text.write(toFile: path, atomically: true, encoding: .utf8)
    return path
  }

  private func remove() { try? FileManager.default.removeItem(atPath: folder) }

  @Test("come from the environment first, with their session token")
  func environment() async throws {
    let found = try await S3CredentialSource.standard(environment: [
      "AWS_ACCESS_KEY_ID": "AK", "AWS_SECRET_ACCESS_KEY": "SK", "AWS_SESSION_TOKEN": "ST", "HOME": "/nowhere",
    ]).credentials()
    #expect(found == S3Credentials(accessKeyID: "AK", secretAccessKey: "SK", sessionToken: "ST"))
  }

  @Test("come from a profile of the shared files otherwise")
  func profiles() async throws {
    defer { remove() }
    let shared = try file(
      "credentials",
      """
      # comment
      [default]
      aws_access_key_id = AK1
      aws_secret_access_key=SK1=with=equals
      [ other ]
      [other]
      aws_access_key_id = AK2
      aws_secret_access_key = SK2
      aws_session_token = ST2
      """)
    let config = try file(
      "config",
      """
      [profile printed]
      credential_process = printf '{"Version":1,"AccessKeyId":"AK3","SecretAccessKey":"SK3","SessionToken":"ST3"}'
      [profile role]
      role_arn = arn:aws:iam::1:role/x
      """)
    let environment = ["AWS_SHARED_CREDENTIALS_FILE": shared, "AWS_CONFIG_FILE": config]
    func found(_ profile: String?) async throws -> S3Credentials {
      try await S3CredentialSource.standard(
        environment: environment.merging(profile.map { ["AWS_PROFILE": $0] } ?? [:]) { first, _ in first }
      ).credentials()
    }
    #expect(try await found(nil) == S3Credentials(accessKeyID: "AK1", secretAccessKey: "SK1=with=equals"))
    #expect(
      try await found("other") == S3Credentials(accessKeyID: "AK2", secretAccessKey: "SK2", sessionToken: "ST2"))
    #expect(try await found("printed").accessKeyID == "AK3")
    for profile in ["role", "missing"] {
      let error = try await storageError { _ = try await found(profile) }
      #expect(error.code == .notAuthenticated)
      #expect(error.message.contains("export-credentials --profile \(profile)"))
    }
    let file = try await S3CredentialSource.file(path: shared, profile: "other").credentials()
    #expect(file.accessKeyID == "AK2")
  }

  @Test(
    "that cannot be had are an error that says why and shows no secret",
    arguments: [
      "printf '{\"Version\":2,\"AccessKeyId\":\"AK\",\"SecretAccessKey\":\"TOPSECRET\"}'",
      "printf 'TOPSECRET'", "echo TOPSECRET; echo 'run: sso login' >&2; exit 3", "exit 0",
      "printf '{\"Version\":1,\"AccessKeyId\":\"AK\",\"SecretAccessKey\":\"TOPSECRET\",\"Expiration\":\"soon\"}'",
      "printf '{\"Version\":1,\"AccessKeyId\":\"AK\",\"SecretAccessKey\":\"TOP\\\\nSECRET\"}'",
      "/nowhere/at/all", "head -c 100000 /dev/zero",
    ])
  func badCommands(_ command: String) async throws {
    let error = try await storageError { _ = try await S3CredentialSource.command(command).credentials() }
    #expect(error.code == .notAuthenticated)
    #expect(!error.message.contains("SECRET"))
    if command.contains("sso") { #expect(error.message.contains("run: sso login")) }
  }

  @Test("are described without their secret")
  func redacted() {
    let credentials = S3Credentials(accessKeyID: "AK", secretAccessKey: "TOPSECRET", sessionToken: "TOPSECRET")
    var dumped = ""
    dump(credentials, to: &dumped)
    for text in ["\(credentials)", String(reflecting: credentials), dumped, "\([credentials])"] {
      #expect(!text.contains("TOPSECRET"))
    }
  }

  /// A clock, and a source that counts how often it was asked.
  private final class World: Sendable {
    let now = Mutex<Double>(0)
    let asked = Atomic<Int>(0)
    let isBroken = Atomic<Bool>(false)

    func cache(lasting seconds: Double?) -> S3CredentialCache {
      S3CredentialCache(now: { self.now.withLock { $0 } }) {
        let number = self.asked.wrappingAdd(1, ordering: .relaxed).newValue
        if self.isBroken.load(ordering: .relaxed) { throw StorageError(.notAuthenticated, key: "", "broken") }
        return S3Credentials(
          accessKeyID: "AK\(number)", secretAccessKey: "S",
          expiration: seconds.map { self.now.withLock { $0 } + $0 })
      }
    }
  }

  @Test("are fetched once for all who ask, and again before they end")
  func refreshed() async throws {
    let world = World()
    let cache = world.cache(lasting: 3_600)
    let names = try await withThrowingTaskGroup(of: String.self) { group in
      for _ in 0..<8 { group.addTask { try await cache.current().accessKeyID } }
      return try await group.reduce(into: Set<String>()) { $0.insert($1) }
    }
    #expect(names == ["AK1"])
    world.now.withLock { $0 = 3_600 - S3CredentialCache.refreshSeconds - 1 }
    #expect(try await cache.current().accessKeyID == "AK1")
    world.now.withLock { $0 = 3_600 - S3CredentialCache.refreshSeconds + 1 }
    #expect(try await cache.current().accessKeyID == "AK2")
  }

  @Test("that cannot be refreshed serve to their end and no longer")
  func refreshFails() async throws {
    let world = World()
    let cache = world.cache(lasting: 3_600)
    _ = try await cache.current()
    world.isBroken.store(true, ordering: .relaxed)
    world.now.withLock { $0 = 3_590 }
    #expect(try await cache.current().accessKeyID == "AK1")
    #expect(try await cache.current().accessKeyID == "AK1")
    #expect(world.asked.load(ordering: .relaxed) == 2)
    world.now.withLock { $0 = 3_601 }
    await #expect(throws: StorageError.self) { _ = try await cache.current() }
  }

  @Test("that the server says have ended are fetched anew, once")
  func ended() async throws {
    let number = S3FaultTests.Counter()
    try await FaultyProxy.with(
      nil,
      { request, _ in
        let isOld = request.headers.first(name: "authorization")?.contains("AK1/") == true
        return isOld
          ? .answer(.badRequest, body: "<Error><Code>ExpiredToken</Code></Error>")
          : .answer(.ok, body: "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>")
      }
    ) { proxy in
      var configuration = S3Configuration(
        url: "s3://bucket",
        credentials: .provider { S3Credentials(accessKeyID: "AK\(number.next())", secretAccessKey: "S") },
        effects: S3Server.hurried)
      configuration.endpoint = proxy.url
      let storage = try S3Storage(configuration)
      #expect(try await storage.files(below: StorageKey(["a"])).isEmpty)
      #expect(proxy.requests.count == 2)
    }
  }
}
