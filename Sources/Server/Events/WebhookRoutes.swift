import Crypto
import Foundation
import HTTPTypes
import Hummingbird
import Postgres

/// What MLflow servers tell when something changed there (webhooks, MLflow 3.3 and later). Whether it is so is asked of the
/// registry: nothing of what is told gets into the log.
struct WebhookRoutes: Sendable {
  /// By how much the time of a delivery may differ from ours, in seconds; a delivery is known for twice as long.
  static let toleranceSeconds: Int64 = 300
  /// Signatures of a delivery that are looked at.
  static let signaturesMax = 5
  /// Deliveries that are remembered; those above are taken again, which costs a look at the registry.
  static let deliveriesMax = 10_000

  /// Bytes of all that are being sent: strangers send them too, and must not take what others need.
  static let budgetBytes = 8_388_608

  let webhooks: ServiceSources.Webhooks
  let now: @Sendable () -> Timestamp
  private let budget = BodyBudget(bytesMax: budgetBytes)
  private let seen = Deliveries()

  init(webhooks: ServiceSources.Webhooks, now: @escaping @Sendable () -> Timestamp) {
    self.webhooks = webhooks
    self.now = now
  }

  func add(to routes: Routes) {
    routes.at(
      "/v1/workspaces/:workspace/webhook", post: (nil, { request, context in try await take(request, context) }))
  }

  private struct Taken: Encodable {
    var schema = "marketplace.webhook/1"
    var workspace: String
    /// Whether it was told before.
    var replayed: Bool
  }

  private func take(_ request: Request, _ context: ServerContext) async throws -> Response {
    let workspace = try context.parameters.require("workspace")
    // Whoever does not know the secret is told nothing: neither which workspaces there are, nor which of them take webhooks.
    let refused = Problem(
      .unauthorized, "bad_signature", "This is not signed as a webhook of that workspace is.",
      headers: [.wwwAuthenticate: "X-MLflow-Signature"])
    guard let delivery = Self.field("X-MLflow-Delivery-Id", request), (1...200).contains(delivery.utf8.count),
      let time = Self.field("X-MLflow-Timestamp", request).flatMap({ Int64($0) }),
      let signatures = Self.field("X-MLflow-Signature", request)
    else { throw refused }
    // What cannot be right is not read.
    let seconds = now().milliseconds / 1_000
    guard (seconds - Self.toleranceSeconds...seconds + Self.toleranceSeconds).contains(time) else { throw refused }
    let share = budget.share()
    defer { withExtendedLifetime(share) {} }
    // What is too large, too slow or too much is told before anything hangs on the workspace.
    let body = try await RequestBody.webhook.read(request, share)
    let secrets = await webhooks.secrets(workspace)
    let message = Data("\(delivery).\(time).".utf8) + Data(body)
    guard secrets.contains(where: { Self.isSigned(message, signatures, by: $0) }) else { throw refused }
    let isNew = await seen.take("\(workspace) \(delivery)", at: time)
    if isNew { await webhooks.hint(workspace) }
    return try Answer.json(Taken(workspace: workspace, replayed: !isNew), status: .accepted)
  }

  private static func field(_ name: String, _ request: Request) -> String? {
    HTTPField.Name(name).flatMap { request.headers[$0] }
  }

  /// `v1,` and HMAC-SHA256 in base64; several, with spaces between them, while a secret is changed.
  private static func isSigned(_ message: Data, _ signatures: String, by secret: String) -> Bool {
    let own = HMAC<SHA256>.authenticationCode(for: message, using: SymmetricKey(data: Data(secret.utf8)))
    return signatures.split(separator: " ").prefix(signaturesMax).contains { one in
      guard one.hasPrefix("v1,"), let code = Data(base64Encoded: String(one.dropFirst(3))) else { return false }
      // In the same time wherever they differ.
      return own == code
    }
  }
}

/// What was delivered lately.
private actor Deliveries {
  private var times: [String: Int64] = [:]

  /// Whether it is new.
  func take(_ delivery: String, at time: Int64) -> Bool {
    guard times[delivery] == nil else { return false }
    if times.count >= WebhookRoutes.deliveriesMax {
      let oldest = (times.values.max() ?? time) - 2 * WebhookRoutes.toleranceSeconds
      times = times.filter { $0.value >= oldest }
      if times.count >= WebhookRoutes.deliveriesMax { times.removeAll() }
    }
    times[delivery] = time
    return true
  }
}
