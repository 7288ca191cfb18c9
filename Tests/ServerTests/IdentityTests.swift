import Foundation
import HTTPTypes
import JWTKit
import Postgres
import Synchronization
import Testing

@testable import Access

@Suite("Identity providers")
struct IdentityTests {
  /// An identity provider with keys that can be changed, and how often it was asked for them.
  private final class Provider: Sendable {
    static let issuer = "https://login.example.org/tenant"

    private struct State {
      var keys: [(id: String, key: ES256PrivateKey)] = []
      var algorithm: String?
      var isAway = false
      var asked = 0
      var others = ""
    }

    private let state = Mutex(State())

    func set(_ keys: [(String, ES256PrivateKey)], algorithm: String? = nil, others: String = "") {
      state.withLock { state in
        state.algorithm = algorithm
        state.keys = keys.map { (id: $0.0, key: $0.1) }
        state.others = others
      }
    }

    func leave(_ isAway: Bool) { state.withLock { $0.isAway = isAway } }
    var asked: Int { state.withLock { $0.asked } }

    func document(_ address: String) throws -> Data {
      try state.withLock { state in
        guard !state.isAway else { throw URLError(.cannotConnectToHost) }
        if address == "\(Self.issuer)/.well-known/openid-configuration" {
          return Data(#"{"issuer":"\#(Self.issuer)","jwks_uri":"https://login.example.org/keys"}"#.utf8)
        }
        #expect(address == "https://login.example.org/keys")
        state.asked += 1
        let keys = state.keys.map { id, key in
          let (x, y) = key.publicKey.parameters.map { (url($0.x), url($0.y)) } ?? ("", "")
          let algorithm = state.algorithm.map { #","alg":"\#($0)""# } ?? ""
          return #"{"kty":"EC","use":"sig","crv":"P-256","kid":"\#(id)","x":"\#(x)","y":"\#(y)"\#(algorithm)}"#
        }
        return Data("{\"keys\":[\((keys + [state.others].filter { !$0.isEmpty }).joined(separator: ","))]}".utf8)
      }
    }

    private func url(_ text: String) -> String {
      text.replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    }
  }

  private static let now = Timestamp(milliseconds: 1_782_000_000_000)
  private static let seconds = 1_782_000_000.0
  private static let nightly = Caller(
    principal: "acme_nightly", scopes: [.appendEvents, .readEvents], workspaces: .some(["dev01"]))
  private static let reader = Caller(principal: "kiosk", scopes: [.catalog], workspaces: .some([]))

  /// What a token of the provider says, unless told otherwise.
  private static let standard: [String: Claims.Value] = [
    "iss": .text(Provider.issuer), "aud": .text("marketplace"), "sub": .text("nightly"), "exp": .number(seconds + 300),
    "iat": .number(seconds - 1), "nbf": .number(seconds - 1),
  ]

  private static func token(
    _ key: ES256PrivateKey, _ id: String? = "one", header: [String: JWTHeaderField] = [:],
    changes: [String: Claims.Value?] = [:]
  ) async throws -> String {
    var claims = standard
    for (name, value) in changes { claims[name] = value }
    var fields = JWTHeader(fields: header)
    fields.kid = id
    if id == nil { fields.remove("kid") }
    return try await JWTKeyCollection().add(ecdsa: key).sign(Claims(claims), header: fields)
  }

  private static func providers(
    _ provider: Provider, algorithms: Set<String> = ["ES256"], _ times: ProviderKeys.Times = .init()
  ) -> IdentityProviders {
    let settings = IdentityProvider(
      issuer: Provider.issuer, audiences: ["marketplace", "api://marketplace"], algorithms: algorithms,
      keysAddress: nil,
      callers: [
        .init(claims: ["sub": "nightly"], caller: nightly), .init(claims: ["groups": "readers"], caller: reader),
        .init(claims: ["scope": "catalog.read"], caller: reader),
      ])
    return IdentityProviders([settings], times: times) { try provider.document($0) }
  }

  private static func refusal(_ providers: IdentityProviders, _ token: String) async throws -> AccessRefusal.Code? {
    do {
      _ = try await providers.caller(showing: token, at: now)
      return nil
    } catch let refusal as AccessRefusal {
      return refusal.code
    }
  }

  @Test("whoever a provider vouches for is the first whose claims fit")
  func callers() async throws {
    let (provider, key) = (Provider(), ES256PrivateKey())
    provider.set(
      [("one", key)], others: #"{"kty":"oct","k":"AAAA"},{"kty":"AKP"},{"kty":"EC","use":"enc","kid":"one"}"#)
    let providers = Self.providers(provider)
    func caller(_ changes: [String: Claims.Value?], _ id: String? = "one") async throws -> Caller {
      try await providers.caller(showing: Self.token(key, id, changes: changes), at: Self.now)
    }
    #expect(try await caller([:]) == Self.nightly)
    #expect(try await caller([:], nil) == Self.nightly)
    #expect(try await caller(["aud": .texts(["other", "api://marketplace"])]) == Self.nightly)
    #expect(try await caller(["sub": .text("ann"), "groups": .texts(["staff", "readers"])]) == Self.reader)
    #expect(try await caller(["sub": .text("ann"), "scope": .text("openid catalog.read")]) == Self.reader)
    #expect(try await caller(["sub": .text("nightly"), "groups": .texts(["readers"])]) == Self.nightly)
    #expect(provider.asked == 1)
    for changes: [String: Claims.Value?] in [
      ["sub": .text("ann")], ["sub": .text("nightly ")], ["sub": .texts([])], ["sub": .number(1)], ["sub": nil],
      ["sub": .text("ann"), "groups": .text("the readers")], ["sub": .text("ann"), "groups": .text("staff readers")],
    ] {
      #expect(try await Self.refusal(providers, Self.token(key, changes: changes)) == .unknownCaller, "\(changes)")
    }
  }

  @Test("what a token says of its time, its maker and its readers has to hold")
  func claims() async throws {
    let (provider, key) = (Provider(), ES256PrivateKey())
    provider.set([("one", key)])
    let providers = Self.providers(provider)
    for (changes, code): ([String: Claims.Value?], AccessRefusal.Code) in [
      (["aud": .text("other")], .audience), (["aud": nil], .audience), (["aud": .texts([])], .audience),
      (["exp": .number(Self.seconds - 60)], .expired), (["exp": nil], .invalid),
      (["exp": .text("9999999999")], .invalid),
      (["exp": .number(1e300)], .invalid), (["exp": .number(-1)], .invalid),
      (["nbf": .number(Self.seconds + 61)], .invalid), (["nbf": .text("now")], .invalid),
      (["iat": .number(Self.seconds + 61)], .invalid), (["iss": .text("https://login.example.org/other")], .invalid),
      (["iss": .text("\(Provider.issuer)/")], .invalid), (["iss": nil], .invalid),
      (["iss": .texts([Provider.issuer])], .invalid),
    ] {
      #expect(try await Self.refusal(providers, Self.token(key, changes: changes)) == code, "\(changes)")
    }
    // Clocks may differ by a minute.
    for changes: [String: Claims.Value?] in [
      ["exp": .number(Self.seconds - 59)], ["nbf": .number(Self.seconds + 59)], ["nbf": nil, "iat": nil],
    ] {
      #expect(try await Self.refusal(providers, Self.token(key, changes: changes)) == nil, "\(changes)")
    }
    // What was let in once is so only while it lasts.
    let token = try await Self.token(key)
    #expect(try await providers.caller(showing: token, at: Self.now) == Self.nightly)
    await #expect(throws: AccessRefusal.self) {
      try await providers.caller(showing: token, at: Timestamp(milliseconds: Self.now.milliseconds + 361_000))
    }
  }

  @Test("a signature by another key, another algorithm, or none is no signature")
  func signatures() async throws {
    let (provider, key, other) = (Provider(), ES256PrivateKey(), ES256PrivateKey())
    provider.set([("one", key), ("two", ES256PrivateKey())])
    let providers = Self.providers(provider)
    let good = try await Self.token(key)
    let parts = good.split(separator: ".").map(String.init)
    func encoded(_ text: String) -> String {
      Data(text.utf8).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    }
    let secret = await JWTKeyCollection().add(
      hmac: HMACKey(from: key.publicKey.pemRepresentation), digestAlgorithm: .sha256)
    var confused = JWTHeader()
    confused.kid = "one"
    var bad = [
      try await Self.token(other), try await Self.token(key, "two"), try await Self.token(key, "three"),
      // Which of two keys it would be is not tried out.
      try await Self.token(key, nil),
      try await Self.token(key, header: ["crit": .array([.string("b64")])]),
      try await Self.token(key, header: ["typ": .string("logout+jwt")]),
      try await secret.sign(Claims(Self.standard), header: confused),
      "\(parts[0]).\(parts[1]).", "\(parts[0]).\(parts[1]).\(parts[2].dropLast(4))", "\(good).x", "..", "a.b.c",
      "\(parts[0]).\(encoded(#"{"iss":"\#(Provider.issuer)","sub":"nightly"}"#)).\(parts[2])",
      good + String(repeating: "a", count: IdentityProviders.bytesMax),
    ]
    for name in ["none", "None", "NONE", "HS256", "ES384", "RS256", ""] {
      bad.append("\(encoded(#"{"alg":"\#(name)","kid":"one"}"#)).\(parts[1]).\(parts[2])")
      bad.append("\(encoded(#"{"alg":"\#(name)","kid":"one"}"#)).\(parts[1]).")
    }
    for token in bad { #expect(try await Self.refusal(providers, token) == .invalid, "\(token.prefix(200))") }
    #expect(try await Self.refusal(providers, good) == nil)
    // Whatever is asked for, a key is for what it is for.
    let everything = IdentityProvider.algorithmsKnown
    let broad = Self.providers(provider, algorithms: everything)
    for token in bad { #expect(try await Self.refusal(broad, token) == .invalid, "\(token.prefix(200))") }
    for name in everything.subtracting(["ES256"]) {
      let token = "\(encoded(#"{"alg":"\#(name)","kid":"one"}"#)).\(parts[1]).\(parts[2])"
      #expect(try await Self.refusal(broad, token) == .invalid, "\(name)")
    }
    #expect(try await Self.refusal(broad, good) == nil)
    provider.set([("one", key)], algorithm: "ES384")
    #expect(try await Self.refusal(Self.providers(provider, algorithms: everything), good) == .invalid)
    provider.set([("one", key)], algorithm: "ES256")
    // An algorithm that is not asked for is none, whatever the provider signs with.
    #expect(try await Self.refusal(Self.providers(provider, algorithms: ["RS256"]), good) == .invalid)
  }

  @Test("keys are read anew when a new one is named, seldom when an invented one is, and withdrawn ones are forgotten")
  func rotation() async throws {
    let (provider, old, new) = (Provider(), ES256PrivateKey(), ES256PrivateKey())
    provider.set([("one", old)])
    let at = Self.now
    let eager = Self.providers(provider, .init(pause: .zero))
    #expect(try await eager.caller(showing: Self.token(old), at: at) == Self.nightly)
    provider.set([("one", old), ("two", new)])
    #expect(try await eager.caller(showing: Self.token(new, "two"), at: at) == Self.nightly)
    #expect(try await eager.caller(showing: Self.token(old), at: at) == Self.nightly)
    #expect(provider.asked == 2)

    let patient = Self.providers(provider)
    for number in 0..<50 {
      #expect(try await Self.refusal(patient, Self.token(old, "invented \(number)")) == .invalid)
    }
    #expect(provider.asked == 3)

    // Each token is another, so that none is remembered; whoever shows one while its key is old has the keys read anew.
    let forgetful = Self.providers(provider, .init(pause: .zero, age: .zero))
    var number = 0
    func shown(_ key: ES256PrivateKey, _ id: String, to providers: IdentityProviders) async throws -> AccessRefusal
      .Code?
    {
      number += 1
      return try await Self.refusal(providers, Self.token(key, id, changes: ["jti": .text("\(number)")]))
    }
    #expect(try await shown(old, "one", to: forgetful) == nil)
    provider.set([("two", new)])
    while try await shown(old, "one", to: forgetful) == nil {}
    #expect(try await shown(old, "one", to: forgetful) == .invalid)
    // Where it is away for a while, what it said last holds; not for ever.
    provider.leave(true)
    for _ in 0..<20 { #expect(try await shown(new, "two", to: forgetful) == nil) }
    let lost = Self.providers(provider, .init(pause: .zero))
    await #expect(throws: AccessUnavailable.self) { try await lost.caller(showing: Self.token(new, "two"), at: at) }
    provider.leave(false)
    let brief = Self.providers(provider, .init(pause: .zero, age: .zero, staleAge: .milliseconds(200)))
    #expect(try await Self.refusal(brief, Self.token(new, "two")) == nil)
    provider.leave(true)
    await #expect(throws: AccessUnavailable.self) {
      for number in 0...Int.max {
        let token = try await Self.token(new, "two", changes: ["jti": .text("\(number)")])
        _ = try await brief.caller(showing: token, at: at)
      }
    }
    provider.leave(false)
    #expect(try await Self.refusal(Self.providers(provider), Self.token(new, "two")) == nil)
  }

  @Test("keys that are too short are none, and addresses that anybody can answer for are believed nothing")
  func weak() async throws {
    func isKey(_ modulus: String, _ algorithm: String) async throws -> Bool {
      let provider = Provider()
      provider.set([], others: #"{"kty":"RSA","kid":"one","n":"\#(modulus)","e":"AQAB"}"#)
      let settings = IdentityProvider(
        issuer: Provider.issuer, audiences: [], algorithms: [], keysAddress: nil, callers: [])
      return try await ProviderKeys(of: settings, times: .init()) { try provider.document($0) }
        .verifier("one", algorithm) != nil
    }
    // 1,024 and 2,048 bits.
    let (short, long) = (String(repeating: "xcXF", count: 42) + "xcU", String(repeating: "xcXF", count: 85) + "xQ")
    for algorithm in ["RS256", "PS512"] { #expect(try await isKey(long, algorithm)) }
    for (modulus, algorithm) in [(short, "RS256"), (long, "ES256"), (long, "EdDSA"), (long, "HS256"), (long, "none")] {
      #expect(try await !isKey(modulus, algorithm), "\(modulus.count) \(algorithm)")
    }
    #expect(!IdentityProvider.isTrustworthy("http://login.example.org"))
    #expect(IdentityProvider.isTrustworthy("http://127.0.0.1:9000/x"))
    for address in ["https://", "ftp://a", "https://user@a", "", "login.example.org", "http://127.0.0.1.example.org"] {
      #expect(!IdentityProvider.isTrustworthy(address), "\(address)")
    }
  }

  @Test("over HTTP, each refusal has its status and its word")
  func answers() async throws {
    let (provider, key) = (Provider(), ES256PrivateKey())
    provider.set([("one", key)])
    try await TestService.with(providers: Self.providers(provider, .init(pause: .zero))) { test, get in
      let path = "/v1/workspaces/dev01/events"
      func answer(_ changes: [String: Claims.Value?] = [:], _ path: String = path) async throws -> TestService.Reply {
        let token = try await Self.token(key, changes: changes)
        return try await get.send(.get, path, [.authorization: "Bearer \(token)"])
      }
      #expect(try await answer().status == 200)
      for (changes, status, code): ([String: Claims.Value?], Int, String) in [
        (["sub": .text("ann")], 403, "unknown_caller"), (["aud": .text("other")], 401, "token_audience"),
        (["exp": .number(1)], 401, "token_expired"), (["iss": .text("x")], 401, "token_invalid"),
        (["sub": .text("ann"), "groups": .text("readers")], 403, "insufficient_scope"),
      ] {
        let reply = try await answer(changes)
        #expect(try reply.status == status && reply.json()["code"] as? String == code, "\(reply.text)")
        #expect((reply.headers[.wwwAuthenticate] != nil) == (code != "unknown_caller"))
      }
      #expect(try await answer([:], "/v1/workspaces/dev02/events").status == 403)
      let own = try await test.token([.readEvents])
      #expect(try await get.send(.get, path, own.fields).status == 200)
    }
    provider.leave(true)
    try await TestService.with(providers: Self.providers(provider)) { _, get in
      let token = try await Self.token(key)
      let reply = try await get.send(.get, "/v1/events", [.authorization: "Bearer \(token)"])
      #expect(try reply.status == 503 && reply.json()["code"] as? String == "identity_provider_unavailable")
      #expect(reply.headers[.retryAfter] != nil)
    }
  }
}
