import Foundation
import NIOHTTP1
import Synchronization
import TestSupport
import Testing

@testable import Storage

@Suite("What an S3 store says when it is refused")
struct S3RefusalTests {
  /// A store whose server answers everything with one error.
  private func told(
    _ status: HTTPResponseStatus, _ xml: String, headers: [(String, String)] = [],
    _ body: (S3Storage) async throws -> Void
  ) async throws {
    try await FaultyProxy.with(nil, { _, _ in .answer(status, headers: headers, body: xml) }) { proxy in
      var configuration = S3Configuration(
        url: "s3://bucket/prefix",
        credentials: .fixed(S3Credentials(accessKeyID: "AKID", secretAccessKey: "very-secret", sessionToken: "token")),
        effects: S3Server.hurried)
      configuration.endpoint = proxy.url
      try await body(try S3Storage(configuration))
    }
  }

  @Test(
    "a wrong secret and an unknown key are told apart from a missing permission",
    .enabled(if: S3Server.rclone.url != nil))
  func credentials() async throws {
    var configuration = S3Server.rclone.configuration(bucket: "nowhere")
    let right = S3Server.credentials.accessKeyID
    configuration.credentials = .fixed(S3Credentials(accessKeyID: right, secretAccessKey: "wrong-secret"))
    let storage = try S3Storage(configuration)
    for error in [
      try await storageError { _ = try await storage.size(of: StorageKey(["a"])) },
      try await storageError { _ = try await storage.bytes(of: StorageKey(["a"])) },
      try await storageError { _ = try await storage.files(below: StorageKey(["a"])) },
      try await storageError { _ = try await storage.write([1], at: StorageKey(["a"])) },
      try await storageError { _ = try await storage.putIfAbsent([1], at: StorageKey(["a"])) },
      try await storageError { try await storage.delete(StorageKey(["a"])) },
    ] {
      #expect(error.code == .notAuthenticated)
      #expect(error.description.contains("secret access key"))
      #expect(!error.description.contains("wrong-secret"))
    }
    configuration.credentials = .fixed(S3Credentials(accessKeyID: "nobody-knows", secretAccessKey: "x"))
    let unknown = try await storageError {
      _ = try await S3Storage(configuration).size(of: StorageKey(["a"]))
    }
    #expect(unknown.code == .notAuthenticated)
    #expect(unknown.message.contains("does not know this access key"))
  }

  @Test("a missing bucket is told apart from a missing file", arguments: S3Server.available)
  func missingBucket(_ server: S3Server) async throws {
    let storage = try S3Storage(server.configuration(bucket: "there-is-no-such-bucket"))
    for error in [
      try await storageError { _ = try await storage.size(of: StorageKey(["a"])) },
      try await storageError { _ = try await storage.bytes(of: StorageKey(["a"])) },
      try await storageError { _ = try await storage.files(below: StorageKey(["a"])) },
      try await storageError { _ = try await storage.write([1], at: StorageKey(["a"])) },
      try await storageError { _ = try await storage.putIfAbsent([1], at: StorageKey(["a"])) },
    ] {
      #expect(error.code == .missingStore, "\(error)")
      #expect(error.message.contains("there-is-no-such-bucket"))
    }
    #expect(try await server.storage().size(of: StorageKey(["a"])) == nil)
  }

  @Test("no permission names what to grant")
  func notPermitted() async throws {
    try await told(.forbidden, "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>") { storage in
      let error = try await storageError { _ = try await storage.size(of: StorageKey(["a"])) }
      #expect(error.code == .notPermitted)
      #expect(error.message.contains("s3:ListBucket"))
      #expect(error.message.contains("HTTP 403, AccessDenied"))
      #expect(!error.description.contains("very-secret"))
    }
  }

  @Test("a bucket in another region says which, and no redirect is followed")
  func otherRegion() async throws {
    try await told(
      .movedPermanently, "<Error><Code>PermanentRedirect</Code><Message>elsewhere</Message></Error>",
      headers: [("x-amz-bucket-region", "eu-central-1"), ("location", "http://169.254.169.254/")]
    ) { storage in
      for error in [
        try await storageError { _ = try await storage.size(of: StorageKey(["a"])) },
        try await storageError { _ = try await storage.write([1], at: StorageKey(["a"])) },
      ] {
        #expect(error.code == .configuration)
        #expect(error.message.contains("region: eu-central-1"), "\(error)")
      }
    }
  }

  @Test("an answer that is no XML, or has a document type, is an error with a reason")
  func notXML() async throws {
    let bomb = "<!DOCTYPE x [<!ENTITY a \"aaaa\">]><ListBucketResult>&a;</ListBucketResult>"
    for body in ["<html><body>Welcome<br></html>", bomb, "", "{}", "<Other/>"] {
      try await told(.ok, body) { storage in
        let error = try await storageError { _ = try await storage.files(below: StorageKey(["a"])) }
        #expect(error.code == .failed)
      }
    }
  }

  @Test("a listing that never ends, or does not say how to go on, is an error")
  func endless() async throws {
    for token in ["<NextContinuationToken>same</NextContinuationToken>", ""] {
      let page = "<ListBucketResult><IsTruncated>true</IsTruncated>\(token)</ListBucketResult>"
      try await told(.ok, page) { storage in
        let error = try await storageError { _ = try await storage.files(below: StorageKey(["a"])) }
        #expect(error.message.contains("not how to get it"))
      }
    }
  }

  @Test("names in a listing that could leave their place, or are no file's, are left out")
  func hostileListing() async throws {
    let names = [
      "prefix/a/../../x", "prefix/a//x", "prefix/a/", "other/a/x", "prefix/ab", "/etc/passwd", "prefix/a/ok",
    ]
    let items = names.map { "<Contents><Key>\($0)</Key><Size>1</Size></Contents>" }.joined()
    try await told(.ok, "<ListBucketResult><IsTruncated>false</IsTruncated>\(items)</ListBucketResult>") { storage in
      let listed = try await storage.files(below: StorageKey(["a"]))
      #expect(listed.map(\.key.path) == ["a/ok"])
    }
  }

  @Test("a key that is too long with the prefix is refused before anything is sent")
  func longKey() async throws {
    let prefix = String(repeating: "p", count: 200)
    let part = String(repeating: "k", count: 250)
    var configuration = S3Configuration(
      url: "s3://bucket/\(prefix)", credentials: .fixed(S3Credentials(accessKeyID: "a", secretAccessKey: "b")),
      effects: S3Server.hurried)
    configuration.endpoint = "http://127.0.0.1:1"
    let storage = try S3Storage(configuration)
    let key = try StorageKey([part, part, part, part])
    let error = try await storageError { _ = try await storage.upload(to: key) }
    #expect(error.code == .illegalKey)
    #expect(error.message.contains("1003 bytes and 201 more"))
    #expect(storage.callCount == 0)
  }

  @Test("a clock that is wrong is corrected once by the server's", .enabled(if: S3Server.rclone.url != nil))
  func skewedClock() async throws {
    for offset in [-86_400.0, 7_200] {
      let storage = try await S3Server.rclone.storage { configuration in
        configuration.effects.now = { Date().timeIntervalSince1970 + offset }
      }
      let key = try StorageKey(["a"])
      try await storage.write([1, 2, 3], at: key)
      #expect(try await storage.size(of: key) == 3)
      #expect(storage.callCount <= 4)
    }
    try await told(
      .forbidden, "<Error><Code>RequestTimeTooSkewed</Code></Error>",
      headers: [("date", "Sun, 06 Nov 1994 08:49:37 GMT")]
    ) { storage in
      let error = try await storageError { _ = try await storage.files(below: StorageKey(["a"])) }
      #expect(error.message.contains("set this machine's clock"))
      #expect(storage.callCount == 2)
    }
  }

  @Test("a server that is not there is named, with what to check")
  func unreachable() async throws {
    var configuration = S3Configuration(
      url: "s3://bucket", credentials: .fixed(S3Credentials(accessKeyID: "a", secretAccessKey: "b")),
      effects: S3Server.hurried)
    configuration.endpoint = "http://127.0.0.1:1"
    let storage = try S3Storage(configuration)
    let error = try await storageError { _ = try await storage.size(of: StorageKey(["a"])) }
    #expect(error.code == .unreachable)
    #expect(error.message.contains("127.0.0.1:1"))
    #expect(storage.callCount == StoragePolicy().attemptsMax)
  }

  @Test(
    "addresses that are none are refused",
    arguments: [
      "s3://", "s3://ab", "s3:///x", "s3://bucket/a//b", "s3://bucket/../x", "http://bucket", "s3://bucket?region=x",
      "s3://user:password@bucket/x",
    ])
  func addresses(_ url: String) throws {
    let configuration = S3Configuration(
      url: url, credentials: .fixed(S3Credentials(accessKeyID: "a", secretAccessKey: "b")), effects: S3Server.hurried)
    #expect(throws: StorageError.self) { try S3Storage(configuration) }
  }

  @Test("a bucket stands in the host at AWS and in the path elsewhere, unless it is told otherwise")
  func styles() throws {
    func address(_ url: String, _ endpoint: String?, _ style: Bool?) throws -> String {
      let address = try S3Address(url: url, endpoint: endpoint, region: "eu-west-1", pathStyle: style)
      return address.url(path: address.path("a b"), query: "")
    }
    #expect(try address("s3://bucket/p", nil, nil) == "https://bucket.s3.eu-west-1.amazonaws.com/a%20b")
    #expect(try address("s3://bucket", nil, true) == "https://s3.eu-west-1.amazonaws.com/bucket/a%20b")
    #expect(try address("s3://with.dots", nil, nil) == "https://s3.eu-west-1.amazonaws.com/with.dots/a%20b")
    #expect(try address("s3://bucket", "http://h:9000/base/", nil) == "http://h:9000/base/bucket/a%20b")
    #expect(try address("s3://bucket", "https://h:443", false) == "https://bucket.h/a%20b")
  }
}
