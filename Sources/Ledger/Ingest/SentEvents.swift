public import Foundation

/// Events as a program sends them: one object, or an object with an array `events` and perhaps a `run`.
///
/// Data is kept byte for byte as it was sent, but for white space around it.
public struct SentEvents: Sendable, Hashable {
  /// Why they are refused.
  public struct Fault: Error, Sendable, Hashable {
    /// The place, as a JSON Pointer (RFC 6901); empty for the whole.
    public var pointer: String
    /// The end of a sentence.
    public var reason: String
    /// Whether it is well formed, but not what can be appended there.
    public var isRule = false
  }

  /// The events, in their order.
  public var events: [NewEvent]
  /// The execution of a job that appends them.
  public var run: UUID?
  /// Whether it was one object, not an array.
  public var isOne: Bool

  /// Levels of a batch above the data of its events.
  private static let levels = 3

  /// Reads them. What they hold is checked when they are appended.
  ///
  /// - Parameters:
  ///   - workspace: where they are to be appended; an event that names another is refused.
  ///   - makeID: the id of an event that brings none, by its place; nil where it has to bring one.
  public init(
    _ bytes: [UInt8], workspace: String, makeID: @escaping @Sendable (Int) -> UUID? = { _ in nil }
  ) throws(Fault) {
    guard String(validating: bytes, as: UTF8.self) != nil else {
      throw Fault(pointer: "", reason: "it is not UTF-8")
    }
    let members = try Self.reading("") { () throws(JSONFault) in
      try JSONCheck.members(of: bytes, levels: Self.levels)
    }
    guard let list = members.first(where: { $0.key == "events" }) else {
      isOne = true
      events = [try Self.event(members, bytes, workspace, makeID, at: 0, "")]
      run = nil
      if let value = members.first(where: { $0.key == "run" })?.value { run = try Self.run(Array(bytes[value])) }
      return
    }
    isOne = false
    for member in members where member.key != "events" && member.key != "run" {
      throw Fault(
        pointer: "/" + Self.escaped(member.key), reason: "a batch has events, and perhaps a run, nothing else")
    }
    run = nil
    if let value = members.first(where: { $0.key == "run" })?.value { run = try Self.run(Array(bytes[value])) }
    let array = Array(bytes[list.value])
    let elements = try Self.reading("/events") { () throws(JSONFault) in
      try JSONCheck.elements(of: array, levels: Self.levels)
    }
    guard (1...EventRules.batchEventsMax).contains(elements.count) else {
      throw Fault(
        pointer: "/events",
        reason: "there are \(elements.count), and 1 to \(EventRules.batchEventsMax) are taken at once")
    }
    events = []
    events.reserveCapacity(elements.count)
    for (index, element) in elements.enumerated() {
      let object = Array(array[element])
      let place = "/events/\(index)"
      let members = try Self.reading(place) { () throws(JSONFault) in
        try JSONCheck.members(of: object, levels: Self.levels)
      }
      events.append(try Self.event(members, object, workspace, makeID, at: index, place))
    }
  }

  private static func event(
    _ members: [(key: String, value: Range<Int>)], _ bytes: [UInt8], _ workspace: String,
    _ makeID: @escaping @Sendable (Int) -> UUID?, at index: Int, _ place: String
  ) throws(Fault) -> NewEvent {
    do throws(LineFault) {
      return try EventForm(workspace: workspace, makeID: { _ in makeID(index) }).event(bytes, members)
    } catch {
      throw Fault(
        pointer: place + (error.field.map { "/" + escaped($0) } ?? ""), reason: error.reason, isRule: error.isRule)
    }
  }

  private static func run(_ value: [UInt8]) throws(Fault) -> UUID? {
    if value == Array("null".utf8) { return nil }
    guard value.first == UInt8(ascii: "\""), let run = UUID(uuidString: EventForm.plain(value)) else {
      throw Fault(pointer: "/run", reason: "it is no UUID")
    }
    return run
  }

  private static func reading<T>(_ pointer: String, _ body: () throws(JSONFault) -> T) throws(Fault) -> T {
    do throws(JSONFault) {
      return try body()
    } catch {
      throw Fault(pointer: pointer, reason: "at byte \(error.byteOffset): \(error.reason)", isRule: error.isRule)
    }
  }

  private static func escaped(_ key: String) -> String {
    String(key.prefix(80)).replacing("~", with: "~0").replacing("/", with: "~1")
  }
}
