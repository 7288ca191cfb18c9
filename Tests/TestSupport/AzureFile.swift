import Foundation
public import NIOHTTP1

/// A file in storage that keeps to Azure's rules for blocks and for appending, as their documentation states them, and that
/// refuses headers which MLflow's own client does not send with a call. It is no Azure: none was at hand.
public struct AzureFile: Sendable {
  /// What lies there; `nil` before anything was joined or created.
  public private(set) var content: String?
  /// What was asked, by the name of each call.
  public private(set) var calls: [String] = []
  private var uncommitted: [String: String] = [:]
  private var appended = ""

  /// Nothing yet.
  public init() {}

  /// Answers a call that is permitted.
  ///
  /// - Parameter items: those of the query, decoded.
  public mutating func answer(
    _ method: HTTPMethod, items: [String: String], headers: HTTPHeaders, body: String
  ) -> Fault {
    let what = items["comp"] ?? items["action"] ?? items["resource"] ?? "\(method)"
    calls.append(what)
    guard method == .GET || what == "block" || !headers.contains(name: "x-ms-blob-type") else {
      return .answer(.badRequest, body: "<Error><Code>UnsupportedHeader</Code></Error>")
    }
    switch (method, what) {
    case (.PUT, "block"):
      uncommitted[items["blockid"] ?? ""] = body
      return .answer(.created)
    case (.PUT, "blocklist"):
      let list = body.replacing("<Uncommitted>", with: "<Latest>")
      let names = list.split(separator: "<Latest>").dropFirst().map { String($0.prefix { $0 != "<" }) }
      guard names.allSatisfy({ uncommitted[$0] != nil }), Set(names.map(\.count)).count <= 1 else {
        return .answer(.badRequest, body: "<Error><Code>InvalidBlockList</Code></Error>")
      }
      content = names.compactMap { uncommitted[$0] }.joined()
      return .answer(.created)
    case (.PUT, "file"):
      appended = ""
      content = ""
      return .answer(.created)
    case (.PATCH, "append"):
      let place = Int(items["position"] ?? "") ?? -1
      guard (0...appended.utf8.count).contains(place) else { return .answer(.badRequest) }
      appended = String(appended.prefix(place)) + body
      if items["flush"] == "true" { content = appended }
      return .answer(.accepted)
    case (.PATCH, "flush"):
      guard Int(items["position"] ?? "") == appended.utf8.count else { return .answer(.badRequest) }
      content = appended
      return .answer(.ok)
    case (.GET, _): return content.map { .answer(.ok, body: $0) } ?? .answer(.notFound)
    default: return .answer(.badRequest)
    }
  }
}

extension FaultyRequest {
  /// The path without the query, decoded.
  public var path: String {
    let path = String(uri.prefix { $0 != "?" })
    return path.removingPercentEncoding ?? path
  }

  /// The items of the query, decoded.
  public var items: [String: String] {
    Dictionary(
      (uri.split(separator: "?", maxSplits: 1).dropFirst().first ?? "").split(separator: "&").map { item in
        let parts = item.split(separator: "=", maxSplits: 1).map { $0.removingPercentEncoding ?? "" }
        return (parts.first ?? "", parts.count > 1 ? parts[1] : "")
      }, uniquingKeysWith: { first, _ in first })
  }
}
