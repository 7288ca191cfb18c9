import Foundation

/// Where a bucket is and where in it the store lies: `s3://bucket/prefix` and an endpoint. Pure.
struct S3Address: Sendable {
  /// Where AWS answers when no endpoint is configured.
  static func awsEndpoint(region: String) -> String {
    region.hasPrefix("cn-")
      ? "https://s3.\(region).amazonaws.com.cn" : "https://s3.\(region).amazonaws.com"
  }

  /// `s3://bucket/prefix`, as events name the store.
  let location: String
  let bucket: String
  /// In front of every key, with a slash at its end; or empty.
  let prefix: String
  /// `https://host:port` of the bucket, and the path that leads to it.
  private let origin: String
  private let basePath: String
  /// The `Host` header.
  let host: String

  init(url: String, endpoint: String?, region: String, pathStyle: Bool?) throws {
    func refuse(_ why: String) -> StorageError { StorageError(.configuration, key: url, why) }
    guard url.hasPrefix("s3://") else { throw refuse("is not a bucket: write s3://bucket/prefix.") }
    let parts = url.dropFirst(5).split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    bucket = parts[0]
    guard (3...63).contains(bucket.utf8.count), bucket.utf8.allSatisfy(Self.isBucketByte) else {
      throw refuse("names no bucket: it has 3 to 63 letters, digits, '.', '-' or '_'. Write s3://bucket/prefix.")
    }
    var components = parts.dropFirst()
    while components.last == "" { components.removeLast() }
    guard !url.contains("?"), !url.contains("#") else {
      throw refuse("has a '?' or '#': write the endpoint and other settings as keys of their own below 'storage'.")
    }
    prefix = components.isEmpty ? "" : try StorageKey(Array(components)).path + "/"
    location = prefix.isEmpty ? "s3://\(bucket)" : "s3://\(bucket)/\(prefix.dropLast())"

    let text = endpoint ?? Self.awsEndpoint(region: region)
    guard let server = URLComponents(string: text), let scheme = server.scheme?.lowercased(),
      scheme == "https" || scheme == "http", let name = server.percentEncodedHost, !name.isEmpty, server.user == nil,
      server.query == nil, server.fragment == nil
    else {
      throw StorageError(
        .configuration, key: text,
        "is no endpoint: write https://host[:port][/path], and credentials in a place of their own.")
    }
    // A certificate for *.host does not hold for a bucket with dots, and names that are not a host's need the path.
    let isHostName =
      bucket.utf8.allSatisfy { Self.isBucketByte($0) && $0 != UInt8(ascii: ".") }
      && bucket == bucket.lowercased() && !bucket.contains("_")
    let usesPath = pathStyle ?? (endpoint != nil || !isHostName)
    let authority = usesPath ? name : "\(bucket).\(name)"
    let isStandardPort = server.port == nil || server.port == (scheme == "https" ? 443 : 80)
    host = isStandardPort ? authority : "\(authority):\(server.port ?? 0)"
    origin = "\(scheme)://\(host)"
    var base = server.percentEncodedPath
    while base.hasSuffix("/") { base.removeLast() }
    basePath = usesPath ? "\(base)/\(bucket)" : base
  }

  private static func isBucketByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"):
      true
    default: false
    }
  }

  /// The whole key of an object.
  ///
  /// - Throws: ``StorageError`` with `.illegalKey` when prefix and key together are longer than S3 takes.
  func objectKey(_ key: StorageKey) throws -> String {
    let whole = prefix + key.path
    guard whole.utf8.count <= StorageLimits.keyBytesMax else {
      throw StorageError(
        .illegalKey, key: String(key.path.prefix(200)),
        "has \(key.path.utf8.count) bytes and \(prefix.utf8.count) more with the store's prefix; S3 takes "
          + "\(StorageLimits.keyBytesMax) in all. Shorten the prefix of 'storage'.")
    }
    return whole
  }

  /// The escaped path of an object, or of the bucket.
  func path(_ objectKey: String?) -> String {
    guard let objectKey else { return basePath.isEmpty ? "/" : basePath }
    return "\(basePath)/\(PercentEncoding.encode(objectKey, keepingSlash: true))"
  }

  /// What a copy names as its source, escaped.
  func copySource(_ objectKey: String) -> String {
    "/\(bucket)/\(PercentEncoding.encode(objectKey, keepingSlash: true))"
  }

  func url(path: String, query: String) -> String { "\(origin)\(path)\(query.isEmpty ? "" : "?\(query)")" }

  /// The key within the store of a whole key; `nil` for what is no file of ours.
  func storageKey(_ objectKey: String) -> StorageKey? {
    guard objectKey.utf8.starts(with: prefix.utf8) else { return nil }
    let rest = String(decoding: objectKey.utf8.dropFirst(prefix.utf8.count), as: UTF8.self)
    return try? StorageKey(rest.split(separator: "/", omittingEmptySubsequences: false).map(String.init))
  }
}
