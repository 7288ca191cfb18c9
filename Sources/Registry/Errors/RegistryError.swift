/// What went wrong with a registry: what was being done, to what, what came back, and what to do next.
///
/// No secret is in it: addresses carry no credentials, and of the server's answer at most
/// ``serverMessageBytesMax`` bytes are kept.
public struct RegistryError: Error, Sendable, Hashable {
  /// What kind of failure it is.
  public struct Code: Sendable, Hashable, CustomStringConvertible {
    /// The code as text, as it may appear in an event or a log line.
    public let description: String

    private init(_ description: String) {
      self.description = description
    }

    /// No connection, or it broke, or nothing came in time.
    public static let unreachable = Self("unreachable")
    /// The server does not know who asks (401).
    public static let notAuthenticated = Self("not-authenticated")
    /// The server knows and refuses (403).
    public static let notPermitted = Self("not-permitted")
    /// What the call is about does not exist.
    public static let notFound = Self("not-found")
    /// The server refused the request itself (400, 409, 422).
    public static let refused = Self("refused")
    /// The answer is not what the protocol promises: HTML, broken JSON, a repeated page token, a redirect.
    public static let invalidResponse = Self("invalid-response")
    /// A listing changed on every attempt to read it.
    public static let unstableListing = Self("unstable-listing")
    /// Too many requests (429).
    public static let rateLimited = Self("rate-limited")
    /// The server has more to do than its own resources allow, and says so in other words than 429.
    public static let overloaded = Self("overloaded")
    /// A bound of ours or the server's was exceeded; the message names it.
    public static let tooLarge = Self("too-large")
    /// This server, or this client, cannot do that.
    public static let unsupported = Self("unsupported")
    /// The server failed (5xx).
    public static let server = Self("server")
    /// A body ended before its stated length.
    public static let incompleteBody = Self("incomplete-body")
    /// A file was replaced while it was read.
    public static let changed = Self("changed")
    /// A path in a listing or a request could leave its place.
    public static let hostilePath = Self("hostile-path")
    /// The registry was configured in a way that cannot work.
    public static let configuration = Self("configuration")
  }

  /// The most of a server's message that is kept, in bytes.
  public static let serverMessageBytesMax = 500

  /// What kind of failure it is.
  public var code: Code
  /// What was being done, such as "listing registered models".
  public var operation: String
  /// The address asked, without credentials; `nil` when nothing was asked.
  public var url: String?
  /// The HTTP status, when an answer came.
  public var status: Int?
  /// The server's own code, such as `RESOURCE_DOES_NOT_EXIST`.
  public var serverCode: String?
  /// What happened, in one sentence; the server's words, bounded, where it said any.
  public var message: String
  /// What a person can do about it.
  public var advice: String
  /// Whether the same call may succeed later without anybody changing anything.
  public var retriable: Bool

  /// A failure.
  public init(
    _ code: Code, operation: String, url: String? = nil, status: Int? = nil, serverCode: String? = nil,
    message: String, advice: String = "", retriable: Bool = false
  ) {
    self.code = code
    self.operation = operation
    self.url = url
    self.status = status
    self.serverCode = serverCode
    self.message = message
    self.advice = advice
    self.retriable = retriable
  }
}

extension RegistryError: CustomStringConvertible {
  /// One line for a person.
  public var description: String {
    var text = "\(operation): \(message)"
    // Which page of which listing it was helps nobody; a query is left out.
    let shown = url.map { String($0.prefix { $0 != "?" }) }
    let facts = [status.map { "HTTP \($0)" }, serverCode, shown].compactMap { $0 }
    while text.hasSuffix(".") { text.removeLast() }
    if !facts.isEmpty { text += " (\(facts.joined(separator: ", ")))" }
    text += advice.isEmpty ? "." : ". \(advice)"
    return text
  }
}
