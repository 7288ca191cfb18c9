import Foundation
import NIOCore
import NIOHTTP1
import Synchronization

/// The four kinds of storage to which a Databricks workspace signs addresses, in one server: each takes what it is given in
/// its own form alone, by an address that was signed for this file and purpose. Files are ASCII.
public final class SignedStorage: Sendable {
  /// A kind, by the name that credentials have for it.
  public enum Kind: String, CaseIterable, Sendable {
    /// S3.
    case amazon = "AWS_PRESIGNED_URL"
    /// Google Cloud Storage.
    case google = "GCP_SIGNED_URL"
    /// Azure Blob storage.
    case blobs = "AZURE_SAS_URI"
    /// Azure Data Lake Storage Gen2.
    case lake = "AZURE_ADLS_GEN2_SAS_URI"

    fileprivate var isAzure: Bool { self == .blobs || self == .lake }
    fileprivate var signatureItem: String {
      switch self {
      case .amazon: "X-Amz-Signature"
      case .google: "X-Goog-Signature"
      case .blobs, .lake: "sig"
      }
    }
  }

  /// What was signed.
  public struct Signed: Sendable {
    /// Path and query.
    public var uri: String
    /// What has to be sent along.
    public var headers: [String: String]
  }

  private struct Permission {
    var path: String
    var writes: Bool
    var uses = 0
  }

  private struct State {
    var files: [String: String] = [:]
    var azure: [String: AzureFile] = [:]
    var permissions: [String: Permission] = [:]
    var calls: [String] = []
  }

  /// Which kind it is.
  public let kind: Kind
  private let usesMax: Int
  private let state = Mutex(State())

  /// Storage of one kind.
  ///
  /// - Parameter usesMax: after so many calls an address has ended.
  public init(_ kind: Kind, usesMax: Int = .max) {
    self.kind = kind
    self.usesMax = usesMax
  }

  /// What came that was permitted, by method and, with Azure, the name of the call.
  public var calls: [String] { state.withLock { $0.calls } }
  /// How many addresses were signed.
  public var signed: Int { state.withLock { $0.permissions.count } }
  /// Every file by its path.
  public var files: [String: String] { state.withLock { $0.files } }

  /// Puts a file there.
  public func place(_ content: String, at path: String) {
    state.withLock { $0.files[path] = content }
  }

  /// Signs an address.
  public func sign(_ path: String, writes: Bool) -> Signed {
    let signature = state.withLock { state in
      let signature = "s3cr+t/\(state.permissions.count)=signature"
      state.permissions[signature] = Permission(path: path, writes: writes)
      return signature
    }
    let escaped =
      path.addingPercentEncoding(withAllowedCharacters: .alphanumerics.union(.init(charactersIn: "/-._"))) ?? ""
    let value = signature.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
    var headers: [String: String] = [:]
    if writes { headers = kind.isAzure ? ["x-ms-blob-type": "BlockBlob"] : ["x-signed-with": "this-very-header"] }
    return Signed(uri: "/storage/\(escaped)?v=1&\(kind.signatureItem)=\(value)", headers: headers)
  }

  /// Answers a call.
  public func answer(_ request: FaultyRequest) -> Fault {
    let items = request.items
    let signature = items[kind.signatureItem] ?? ""
    let path = String(request.path.dropFirst("/storage/".count))
    guard !request.headers.contains(name: "authorization") else { return .answer(.badRequest, body: "two permissions") }
    return state.withLock { state in
      guard let permission = state.permissions[signature], permission.path == path,
        permission.writes == (request.method != .GET)
      else { return Self.refusal(.forbidden, "AccessDenied", "not signed: \(signature)") }
      guard permission.uses < usesMax else {
        return kind.isAzure
          ? Self.refusal(.forbidden, "AuthenticationFailed", "Signature not valid in the time frame: \(signature)")
          : Self.refusal(.badRequest, "ExpiredToken", "The provided token has expired: \(signature)")
      }
      state.permissions[signature]?.uses += 1
      state.calls.append(items["comp"] ?? items["action"] ?? items["resource"] ?? "\(request.method)")
      if request.method == .GET { return Self.read(state.files[path], request.headers) }
      let body = String(buffer: request.body)
      guard kind.isAzure else {
        guard request.method == .PUT, request.headers.first(name: "x-signed-with") == "this-very-header" else {
          return Self.refusal(.forbidden, "SignatureDoesNotMatch", signature)
        }
        state.files[path] = body
        return .answer(.ok, headers: [("etag", "\"1\"")])
      }
      let isForm = kind == .blobs ? items["comp"] != nil : items["action"] != nil || items["resource"] != nil
      guard isForm else { return Self.refusal(.badRequest, "InvalidQueryParameterValue", "") }
      let answer = state.azure[path, default: AzureFile()].answer(
        request.method, items: items, headers: request.headers, body: body)
      if let content = state.azure[path]?.content { state.files[path] = content }
      return answer
    }
  }

  private static func refusal(_ status: HTTPResponseStatus, _ code: String, _ message: String) -> Fault {
    .answer(status, body: "<Error><Code>\(code)</Code><Message>\(message)</Message></Error>")
  }

  private static func read(_ content: String?, _ headers: HTTPHeaders) -> Fault {
    guard let content else { return .answer(.notFound, body: "<Error><Code>NoSuchKey</Code></Error>") }
    let tag = "\"\(content.hashValue)\""
    let size = content.utf8.count
    if let wanted = headers.first(name: "if-match"), wanted != tag { return .answer(.preconditionFailed) }
    let bounds = headers.first(name: "range")?.dropFirst("bytes=".count).split(separator: "-").compactMap { Int($0) }
    guard let bounds, bounds.count == 2 else { return .answer(.ok, headers: [("etag", tag)], body: content) }
    guard bounds[0] < size, bounds[0] <= bounds[1] else { return .answer(.rangeNotSatisfiable) }
    let last = min(bounds[1], size - 1)
    let part = String(decoding: content.utf8.dropFirst(bounds[0]).prefix(last - bounds[0] + 1), as: UTF8.self)
    return .answer(
      .partialContent, headers: [("etag", tag), ("content-range", "bytes \(bounds[0])-\(last)/\(size)")], body: part)
  }
}
