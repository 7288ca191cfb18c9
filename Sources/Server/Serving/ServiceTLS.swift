import Foundation
import NIOSSL

/// Who the service is, and who it talks to, on the wire.
public struct ServiceTLS: Sendable, Hashable {
  /// A file with the certificate and those between it and the authority, in PEM.
  public var certificate: String
  /// A file with the private key, in PEM.
  public var key: String
  /// A file with the authorities whose certificates callers have to show; nil where nobody has to.
  public var clientAuthorities: String?

  /// Files that are read when the service starts.
  public init(certificate: String, key: String, clientAuthorities: String? = nil) {
    self.certificate = certificate
    self.key = key
    self.clientAuthorities = clientAuthorities
  }

  /// TLS 1.2 and later.
  ///
  /// - Throws: ``ServiceError`` naming the file that cannot be used.
  func configuration() throws -> TLSConfiguration {
    func using<T>(_ file: String, _ body: () throws -> T) throws -> T {
      do {
        return try body()
      } catch {
        throw ServiceError("TLS cannot use \(file): \(error). It is PEM, and readable by the service.")
      }
    }
    let chain = try using(certificate) {
      try NIOSSLCertificate.fromPEMFile(certificate).map { NIOSSLCertificateSource.certificate($0) }
    }
    let privateKey = try using(key) { try NIOSSLPrivateKey(file: key, format: .pem) }
    var configuration = TLSConfiguration.makeServerConfiguration(
      certificateChain: chain, privateKey: .privateKey(privateKey))
    configuration.minimumTLSVersion = .tlsv12
    configuration.applicationProtocols = ["http/1.1"]
    if let file = clientAuthorities {
      configuration.trustRoots = .certificates(try using(file) { try NIOSSLCertificate.fromPEMFile(file) })
      configuration.certificateVerification = .noHostnameVerification
    }
    return configuration
  }
}
