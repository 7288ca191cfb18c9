import Server

/// Where the service listens.
struct ServeSettings: Decodable {
  var listen: String?
  var publish_seconds: Int?
  var connections_max: Int?
  /// `open` or `closed`.
  var catalog: String?
  var tls: TLS?
  /// Identity providers whose tokens are believed, beside those that the service made.
  var providers: [ProviderSettings]?
  static let keys: Set<String> = ["catalog", "connections_max", "listen", "providers", "publish_seconds", "tls"]

  /// The files that the service shows who it is with.
  struct TLS: Decodable {
    var certificate, key: String
    var client_authorities: String?
    static let keys: Set<String> = ["certificate", "client_authorities", "key"]
  }
}

extension Settings {
  /// Whether the catalog is read without a token.
  ///
  /// - Throws: ``Failure`` for any other word than the two that are known.
  func catalogIsOpen() throws -> Bool {
    switch file.serve?.catalog {
    case nil, "open": return true
    case "closed": return false
    case let other?:
      throw Failure(
        .usage, "serve_catalog",
        "serve: catalog is 'open', for whoever reaches the service, or 'closed', for tokens with scope catalog; not '\(other)'."
      )
    }
  }

  /// Where the service listens, and how much it takes.
  ///
  /// - Parameter listen: the address from the command line.
  /// - Throws: ``Failure`` for an address that is none, or a number that makes no sense.
  func service(listen: String?) throws -> CatalogService.Configuration {
    var service = CatalogService.Configuration()
    if let text = listen ?? file.serve?.listen {
      guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]),
        (0...65_535).contains(port),
        colon > text.startIndex
      else {
        throw Failure(
          .usage, "serve_listen",
          "'\(text)' is nowhere to listen. Write an address and a port, such as 127.0.0.1:8080 or [::1]:8080.")
      }
      service.host = text[..<colon].filter { $0 != "[" && $0 != "]" }
      service.port = port
    }
    if let connections = file.serve?.connections_max {
      guard (1...100_000).contains(connections) else {
        throw Failure(.usage, "serve_connections", "serve: connections_max is a number from 1 to 100000.")
      }
      service.connectionsMax = connections
    }
    service.tls = file.serve?.tls.map {
      ServiceTLS(certificate: $0.certificate, key: $0.key, clientAuthorities: $0.client_authorities)
    }
    guard (1...86_400).contains(file.serve?.publish_seconds ?? 1) else {
      throw Failure(.usage, "serve_publish", "serve: publish_seconds is a number of seconds, from 1 to 86400.")
    }
    return service
  }
}
