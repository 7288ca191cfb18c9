/// What went wrong with a store: to which file, what happened, what to do.
public struct StorageError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The kind of trouble. Open: new kinds may come.
  public struct Code: Hashable, Sendable {
    /// The code as programs see it.
    public let text: String
    /// There is no such file.
    public static let notFound = Code(text: "storage_not_found")
    /// The key is not one a store takes.
    public static let illegalKey = Code(text: "storage_illegal_key")
    /// The file is larger than what was to be done with it allows.
    public static let tooLarge = Code(text: "storage_too_large")
    /// The store's address is not understood.
    public static let configuration = Code(text: "storage_configuration")
    /// The store does not let us.
    public static let notPermitted = Code(text: "storage_not_permitted")
    /// The store does not know us: a wrong or ended secret.
    public static let notAuthenticated = Code(text: "storage_not_authenticated")
    /// There is no such store, such as a bucket that does not exist.
    public static let missingStore = Code(text: "storage_missing")
    /// No connection to the store, or it broke again and again, or nothing came in time.
    public static let unreachable = Code(text: "storage_unreachable")
    /// The store asks to be called less.
    public static let overloaded = Code(text: "storage_overloaded")
    /// The key has a file already, and was to be written only without one.
    public static let taken = Code(text: "storage_taken")
    /// A file changed while it was read.
    public static let changed = Code(text: "storage_changed")
    /// No room is left.
    public static let full = Code(text: "storage_full")
    /// Anything else the store said.
    public static let failed = Code(text: "storage_failed")
  }

  /// The kind of trouble.
  public let code: Code
  /// The file, or the store's address.
  public let key: String
  /// What happened and what to do.
  public let message: String

  /// An error about a file.
  public init(_ code: Code, key: String, _ message: String) {
    self.code = code
    self.key = key
    self.message = message
  }

  /// Whether trying again unchanged can help, now or once the store is mended; the file itself is not to blame.
  public var retriable: Bool {
    [.failed, .full, .notAuthenticated, .missingStore, .unreachable, .overloaded, .changed].contains(code)
  }

  /// One sentence.
  public var description: String { "\(key) \(message)" }
}
