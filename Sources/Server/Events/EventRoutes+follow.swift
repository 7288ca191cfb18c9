import Access
import HTTPTypes
import Hummingbird
import Ledger
import NIOCore

extension EventRoutes {
  /// How events are written while following.
  static func form(_ query: RequestQuery) throws -> EventForms {
    guard let text = query["format"] else { return .plain }
    guard let form = EventForms(rawValue: text) else {
      throw Problem(
        .badRequest, "bad_parameter",
        "format is '\(text.prefix(60))': \(EventForms.allCases.map(\.rawValue).joined(separator: ", ")) are known.",
        field: "format")
    }
    return form
  }

  /// Where somebody who comes again was.
  static func last(_ request: Request) throws -> Int64? {
    guard let text = HTTPField.Name("Last-Event-ID").flatMap({ request.headers[$0] }), !text.isEmpty else { return nil }
    return try EventCursor.number(text, .position, field: "Last-Event-ID")
  }

  /// An id without data moves where a client goes on, and is no event to it.
  private static func beat(_ position: Int64) -> ByteBuffer {
    ByteBuffer(string: "id: \(EventCursor.text(.position, position))\n:\n\n")
  }

  func follow(_ request: Request, after start: Int64, _ wanted: Wanted, _ form: EventForms) throws -> Response {
    guard let seat = seats.take(for: wanted.caller?.principal ?? "") else {
      throw Problem(
        .serviceUnavailable, "too_many_followers", "As many follow already as can, of \(seats.max). Try again later.",
        headers: [.retryAfter: "30"])
    }
    let (feed, guardian) = (feed, guardian)
    return Response(
      status: .ok,
      headers: [
        .contentType: "text/event-stream; charset=utf-8", .cacheControl: "no-store",
        HTTPField.Name("X-Accel-Buffering") ?? .cacheControl: "no",
      ],
      body: ResponseBody { writer in
        let clock = ContinuousClock()
        var (position, wroteAt) = (start, clock.now)
        try await writer.write(ByteBuffer(string: "retry: 2000\nid: \(EventCursor.text(.position, position))\n\n"))
        defer { withExtendedLifetime(seat) {} }
        steps: while true {
          let step = try await feed.step(after: position, as: form)
          // A token that is taken back, or ends, ends this too.
          guard (try? await guardian.admit(request, for: .readEvents)) != nil else { break }
          switch step {
          case .events(let items, let through):
            var piece = ByteBuffer()
            for item in items where wanted.has(item.event) {
              let (event, text) = (item.event, try item.text(as: form))
              piece.writeString(
                "id: \(EventCursor.text(.position, event.position ?? through))\nevent: \(event.type)\ndata: ")
              // Piece by piece: whoever does not read holds the rest as it is kept, not a copy of its own.
              var rest = Substring(text).utf8
              while !rest.isEmpty {
                let part = rest.prefix(max(1, Answer.pieceBytes - piece.readableBytes))
                piece.writeBytes(part)
                rest = rest.dropFirst(part.count)
                guard piece.readableBytes >= Answer.pieceBytes else { continue }
                try await writer.write(piece)
                (piece, wroteAt) = (ByteBuffer(), clock.now)
              }
              piece.writeString("\n\n")
            }
            position = through
            // Where much is passed over, it is told now and then how far.
            if piece.readableBytes == 0, clock.now - wroteAt > .seconds(EventFeed.beatSeconds) {
              piece = Self.beat(position)
            }
            if piece.readableBytes > 0 {
              try await writer.write(piece)
              wroteAt = clock.now
            }
          case .beat:
            try await writer.write(Self.beat(position))
            wroteAt = clock.now
          case .end: break steps
          }
        }
        try await writer.finish(nil)
      })
  }
}
