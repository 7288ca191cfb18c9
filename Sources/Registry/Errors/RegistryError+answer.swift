import Foundation

extension RegistryError {
  private struct ServerError: Decodable {
    var error_code: String?
    var message: String?
  }

  /// What a failing answer means.
  init(answer body: [UInt8], status: Int, operation: String, url: String, mlflowWorkspace: String?) {
    let said = try? JSONDecoder().decode(ServerError.self, from: Data(body))
    let isHTML = body.first { !$0.isASCIIWhitespace } == UInt8(ascii: "<")
    let words = said?.message ?? (isHTML ? "" : String(decoding: body, as: UTF8.self))
    let message = Self.bounded(words)
    let serverCode = said?.error_code.map { Self.bounded($0) }
    let meaning = Meaning(
      status: status, serverCode: serverCode, message: message, mlflowWorkspace: mlflowWorkspace)
    self.init(
      meaning.code, operation: operation, url: url, status: status, serverCode: serverCode,
      message: message.isEmpty ? "the server answered \(status) without a reason" : message,
      advice: meaning.advice, retriable: meaning.retriable)
  }

  /// A server's words without control characters, without the SQL some servers quote, and cut at the bound.
  static func bounded(_ text: String) -> String {
    var text = text
    for marker in ["[SQL:", "(Background on this error"] {
      if let range = text.range(of: marker) { text = String(text[..<range.lowerBound]) }
    }
    var kept = String.UnicodeScalarView()
    var bytes = 0
    for scalar in text.unicodeScalars {
      let shown: Unicode.Scalar = scalar.properties.generalCategory == .control ? " " : scalar
      bytes += shown.utf8.count
      guard bytes <= serverMessageBytesMax else { break }
      kept.append(shown)
    }
    return String(kept).trimmingCharacters(in: .whitespaces)
  }
}

/// What a status and a server's own code mean to us. Pure.
private struct Meaning {
  var code: RegistryError.Code
  var advice = ""
  var retriable = false

  init(status: Int, serverCode: String?, message: String, mlflowWorkspace: String?) {
    switch (status, serverCode) {
    case (_, "FEATURE_DISABLED"):
      code = .configuration
      advice = "Remove the MLflow workspace from this registry's configuration, or enable the feature."
    case (_, "RESOURCE_DOES_NOT_EXIST"):
      // Without this, a workspace that is gone would read as every model in it having been deleted.
      if let mlflowWorkspace, message.hasPrefix("Workspace '\(mlflowWorkspace)' not found") {
        code = .configuration
        advice = "Check the MLflow workspace in this registry's configuration."
      } else {
        code = .notFound
      }
    case (401, _), (_, "UNAUTHENTICATED"):
      code = .notAuthenticated
      advice = "Check the credentials configured for this registry."
    case (403, _), (_, "PERMISSION_DENIED"):
      code = .notPermitted
      advice =
        message.hasPrefix("Invalid Host header")
        ? "Add this host name to the server's --allowed-hosts."
        : "Grant the principal access, or use another."
    case (404, _), (405, _), (501, _):
      code = .unsupported
      advice = "Check the address; this server does not know the call."
    case (413, _):
      code = .tooLarge
    // MLflow answers 400 when it waited in vain for a connection to its own database.
    case (_, _) where message.hasPrefix("QueuePool limit of size"):
      code = .overloaded
      advice =
        "The server has too few database connections for what it is asked at once: lower concurrency.requests, or raise "
        + "MLFLOW_SQLALCHEMYSTORE_POOL_SIZE there."
      retriable = true
    case (429, _):
      code = .rateLimited
      advice = "Try again later, or ask for less at a time."
      retriable = true
    case (500..., _):
      code = .server
      advice = "Look into the server's log."
      retriable = true
    case (300..<400, _):
      code = .invalidResponse
      advice = "Configure the address the redirect leads to."
    default:
      code = .refused
    }
  }
}

extension UInt8 {
  var isASCIIWhitespace: Bool { self == 32 || (9...13).contains(self) }
}
