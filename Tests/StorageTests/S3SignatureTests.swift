import Testing

@testable import Storage

/// The examples of the Amazon S3 API reference, "Signature Calculations for the Authorization Header" and
/// "Authenticating Requests: Using Query Parameters".
@Suite("Signatures of S3 calls")
struct S3SignatureTests {
  private let signature = S3Signature(
    credentials: S3Credentials(
      accessKeyID: "AKIAIOSFODNN7EXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
    region: "us-east-1", time: 1_369_353_600)

  private func signed(
    _ method: String, _ path: String, query: String = "", headers: [(name: String, value: String)] = [],
    payload: String = S3Client.emptySHA256
  ) -> String {
    let all = signature.headers(
      .init(
        method: method, path: path, query: query, headers: [("host", "examplebucket.s3.amazonaws.com")] + headers,
        payload: payload))
    let authorization = all.first { $0.name == "authorization" }?.value ?? ""
    return authorization.split(separator: "Signature=").last.map(String.init) ?? ""
  }

  @Test("of a GET of a range")
  func get() {
    let found = signed("GET", "/test.txt", headers: [("range", "bytes=0-9")])
    #expect(found == "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41")
  }

  @Test("of a PUT with an escaped name")
  func put() {
    let found = signed(
      "PUT", "/" + PercentEncoding.encode("test$file.text", keepingSlash: true),
      headers: [("date", "Fri, 24 May 2013 00:00:00 GMT"), ("x-amz-storage-class", "REDUCED_REDUNDANCY")],
      payload: "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072")
    #expect(found == "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd")
  }

  @Test("of a query without a value")
  func lifecycle() {
    let found = signed("GET", "/", query: PercentEncoding.query([("lifecycle", "")]))
    #expect(found == "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543")
  }

  @Test("of a listing")
  func listing() {
    let found = signed("GET", "/", query: PercentEncoding.query([("prefix", "J"), ("max-keys", "2")]))
    #expect(found == "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7")
  }

  @Test("of a URL that is handed out")
  func presigned() {
    let query = signature.query(
      .init(
        method: "GET", path: "/test.txt", query: "", headers: [("host", "examplebucket.s3.amazonaws.com")],
        payload: ""), seconds: 86_400)
    #expect(query.hasSuffix("&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"))
    #expect(query.contains("X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"))
  }

  @Test("order headers by name, also where one name begins another")
  func order() {
    let headers = [("x-amz-copy-source-if-match", "2"), ("x-amz-copy-source", "1")]
    #expect(signed("PUT", "/a", headers: headers) == signed("PUT", "/a", headers: headers.reversed()))
    // Computed with botocore's S3SigV4Auth.
    #expect(signed("PUT", "/a", headers: headers) == "c24aeaa352c9f82f06ee4f546738ff3d6b22a572576232fd274973b35cb2d76c")
  }

  @Test("carry a session token among what is signed")
  func sessionToken() {
    let signature = S3Signature(
      credentials: S3Credentials(accessKeyID: "A", secretAccessKey: "S", sessionToken: "T"), region: "eu-west-1",
      time: 0)
    let all = signature.headers(
      .init(method: "GET", path: "/", query: "", headers: [("host", "h")], payload: S3Client.emptySHA256))
    #expect(all.contains { $0.name == "x-amz-security-token" && $0.value == "T" })
    #expect(
      all.last?.value.contains("SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token,") == true)
    #expect(all.contains { $0.name == "x-amz-date" && $0.value == "19700101T000000Z" })
  }

  @Test(
    "carry the time of any day",
    arguments: [
      (1_369_353_600, "20130524T000000Z"), (951_782_399, "20000228T235959Z"), (951_782_400, "20000229T000000Z"),
      (4_102_444_799, "20991231T235959Z"), (-1, "19691231T235959Z"), (1_709_251_199, "20240229T235959Z"),
    ] as [(Double, String)])
  func times(_ seconds: Double, _ text: String) {
    #expect(HTTPDate.compact(seconds) == text)
    let date = "\(text.prefix(4))-\(text.dropFirst(4).prefix(2))-\(text.dropFirst(6).prefix(2))"
    let clock = "\(text.dropFirst(9).prefix(2)):\(text.dropFirst(11).prefix(2)):\(text.dropFirst(13).prefix(2))"
    #expect(HTTPDate.seconds(iso: "\(date)T\(clock).000Z") == seconds)
  }

  @Test("read the date of an answer")
  func httpDate() {
    #expect(HTTPDate.seconds("Sun, 06 Nov 1994 08:49:37 GMT") == 784_111_777)
    #expect(HTTPDate.seconds("yesterday") == nil)
  }
}
