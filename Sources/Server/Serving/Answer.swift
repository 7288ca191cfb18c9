import Foundation
import HTTPTypes
import Hummingbird
import Logging
import NIOCore

/// Answers in the forms that the service gives.
enum Answer {
  /// A page.
  static func page(_ html: HTML, status: HTTPResponse.Status = .ok) -> Response {
    text(html.text, type: "text/html; charset=utf-8", status: status)
  }

  /// An object for a program.
  static func json(
    _ value: some Encodable, status: HTTPResponse.Status = .ok, type: String = "application/json"
  ) throws -> Response {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return bytes(try encoder.encode(value), type: type, status: status)
  }

  /// Text of some type.
  static func text(_ text: String, type: String, status: HTTPResponse.Status = .ok) -> Response {
    bytes(Array(text.utf8), type: type, status: status)
  }

  static func bytes(
    _ bytes: some Sequence<UInt8>, type: String, status: HTTPResponse.Status = .ok, cache: String = "no-cache"
  ) -> Response {
    Response(
      status: status, headers: [.contentType: type, .cacheControl: cache],
      body: ResponseBody(contentsOf: pieces(of: ByteBuffer(bytes: bytes))))
  }

  /// Bytes that are handed to a connection at once: whoever reads slowly is seen to read.
  static let pieceBytes = 65_536

  static func pieces(of buffer: ByteBuffer) -> [ByteBuffer] {
    var (rest, pieces) = (buffer, [ByteBuffer]())
    while let piece = rest.readSlice(length: min(pieceBytes, rest.readableBytes)), piece.readableBytes > 0 {
      pieces.append(piece)
    }
    return pieces
  }

  /// To another address of the service.
  static func redirect(to address: Address) -> Response {
    Response(status: .seeOther, headers: [.location: address.text])
  }

  /// Why there is none: a page for a browser, an object for a program.
  static func problem(_ problem: Problem, to request: Request, _ context: ServerContext) -> Response {
    var response: Response
    if wantsPage(request), !request.uri.path.hasPrefix("/v1") {
      let models = (try? PageRequest(request))?.address("/models") ?? Address("/models")
      response = page(ProblemPage(problem, models: models).html, status: problem.status)
    } else {
      let document = problem.document(instance: context.logger[metadataKey: "hb.request.id"].map { "\($0)" } ?? "")
      response =
        (try? json(document, status: problem.status, type: "application/problem+json"))
        ?? Response(status: problem.status)
    }
    for field in problem.headers { response.headers.append(field) }
    return response
  }

  /// Whether a browser asks, rather than a program. Whoever says nothing is a program.
  static func wantsPage(_ request: Request) -> Bool {
    let accepted = (request.headers[.accept] ?? "").split(separator: ",").map { part in
      let pieces = part.split(separator: ";").map { $0.trimmingCharacters(in: .whitespaces).lowercased() }
      let quality = pieces.dropFirst().first { $0.hasPrefix("q=") }.flatMap { Double($0.dropFirst(2)) } ?? 1
      return (type: pieces.first ?? "", quality: quality)
    }
    func quality(of types: Set<String>) -> Double {
      accepted.filter { types.contains($0.type) }.map(\.quality).max() ?? 0
    }
    return quality(of: ["text/html", "application/xhtml+xml"]) > quality(of: ["application/json"])
  }
}
