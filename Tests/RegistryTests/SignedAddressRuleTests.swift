import Testing

@testable import Registry

@Suite("Signed addresses that a server hands out")
struct SignedAddressRuleTests {
  private func refusal(
    _ url: String, server: String = "https://mlflow.example.org", hosts: [String] = [], headers: [String: String] = [:]
  ) throws -> String? {
    try SignedAddressRule(server: ServerAddress(server), hosts: hosts).refusal(
      of: SignedAddress(url: url, headers: headers))
  }

  @Test(
    "lead to https, to the server's own host, or to where the operator said",
    arguments: [
      "https://bucket.s3.amazonaws.com/k?X-Amz-Signature=1", "https://storage.googleapis.com/b/k",
      "https://mlflow.example.org:9000/k", "http://mlflow.example.org/k", "http://objects.internal:9000/k",
      "https://10.0.0.7/k", "http://127.0.0.2:9000/k",
    ])
  func taken(_ url: String) throws {
    #expect(try refusal(url, hosts: ["objects.internal", "127.0.0.2:9000"]) == nil)
  }

  @Test(
    "lead nowhere else",
    arguments: [
      "http://bucket.s3.amazonaws.com/k", "ftp://mlflow.example.org/k", "file:///etc/passwd", "k", "",
      "https://169.254.169.254/latest/meta-data", "http://169.254.169.254/latest/meta-data",
      "https://[fe80::1]/k", "https://[::1]/k", "https://[::ffff:169.254.169.254]/k", "https://[fd00:ec2::254]/k",
      "https://[64:ff9b::7f00:1]/k", "https://127.0.0.1/k", "https://127.1/k", "https://2130706433/k",
      "https://0x7f000001/k", "https://0177.0.0.1/k", "https://0.0.0.0/k", "https://localhost/k",
      "https://LOCALHOST./k", "https://a.localhost/k", "https://metadata.google.internal/k",
      "https://100.100.100.200/k", "https://224.0.0.1/k", "https://user:word@b.example.org/k",
      "https://b.example.org/k#f", "https:///k", "gopher://b.example.org/k",
    ])
  func refused(_ url: String) throws {
    #expect(try refusal(url) != nil)
  }

  @Test("a server on this machine may name this machine, and nothing else of the kind")
  func loopback() throws {
    #expect(try refusal("http://127.0.0.1:9000/k", server: "http://127.0.0.1:5000") == nil)
    #expect(try refusal("http://[::1]:9000/k", server: "http://[::1]:5000") == nil)
    #expect(try refusal("http://169.254.169.254/k", server: "http://127.0.0.1:5000") != nil)
    #expect(try refusal("http://127.0.0.2/k", server: "http://127.0.0.1:5000") != nil)
  }

  @Test("come with no header that would make another request of it")
  func headers() throws {
    let url = "https://b.example.org/k"
    #expect(try refusal(url, headers: ["x-ms-blob-type": "BlockBlob"]) == nil)
    for name in ["Host", "content-length", "Transfer-Encoding", "cookie", "range", "a b", ""] {
      #expect(try refusal(url, headers: [name: "1"]) != nil, "\(name)")
    }
    #expect(try refusal(url, headers: ["x-a": "1\r\nHost: other"]) != nil)
    let many = Dictionary(uniqueKeysWithValues: (0...SignedAddressRule.headersMax).map { ("x-\($0)", "1") })
    #expect(try refusal(url, headers: many) != nil)
  }

  @Test("show no permission, nor does their refusal")
  func secrets() throws {
    let address = SignedAddress(
      url: "http://169.254.169.254/k?X-Amz-Signature=secret", headers: ["x-token": "secret"])
    #expect(!"\(address)".contains("secret") && !String(reflecting: address).contains("secret"))
    #expect(try refusal(address.url)?.contains("secret") == false)
    var dumped = ""
    dump(address, to: &dumped)
    #expect(!dumped.contains("secret"))
  }
}
