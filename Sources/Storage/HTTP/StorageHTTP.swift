import AsyncHTTPClient
import NIOCore
import NIOSSL

/// How connections to stores are made: kept alive, no redirects, no decompression.
enum StorageHTTP {
  /// A connection that has been idle for so long is let go before the server does it.
  private static let idleConnectionTimeout: TimeAmount = .seconds(4)
  /// Downloads hold connections but no permits, so there may be more connections than permits.
  private static let connectionsMax = 256

  /// - Throws: ``StorageError`` when the file of authorities is none.
  static func settings(
    policy: StoragePolicy, caFile: String?, hostAddresses: [String: String]
  ) throws -> HTTPClient.Configuration {
    var tls = TLSConfiguration.makeClientConfiguration()
    if let file = caFile {
      do {
        tls.trustRoots = .certificates(try NIOSSLCertificate.fromPEMFile(file))
      } catch {
        throw StorageError(.configuration, key: file, "is no PEM file of certificates: \(error)")
      }
    }
    var settings = HTTPClient.Configuration(
      tlsConfiguration: tls, redirectConfiguration: .disallow,
      timeout: .init(
        connect: TimeAmount(policy.connectTimeout), read: TimeAmount(policy.idleTimeout),
        write: TimeAmount(policy.idleTimeout)),
      decompression: .disabled)
    settings.httpVersion = .http1Only
    settings.connectionPool = .init(
      idleTimeout: idleConnectionTimeout, concurrentHTTP1ConnectionsPerHostSoftLimit: connectionsMax)
    // Retries are this policy's business.
    settings.connectionPool.retryConnectionEstablishment = false
    settings.dnsOverride = hostAddresses
    return settings
  }
}
