public import HTTPTypes

/// Why a request is not answered, for a person and for a program (RFC 9457).
public struct Problem: Error, Sendable, CustomStringConvertible {
  /// What kind of refusal it is.
  public let status: HTTPResponse.Status
  /// A stable word for programs.
  public let code: String
  /// What, which, why, and what to do.
  public let description: String
  /// The parameter or header that is at fault.
  public let field: String?
  /// The place in what was sent that is at fault, as a JSON Pointer.
  public let pointer: String?
  /// What else stands in the answer's head.
  var headers: HTTPFields

  init(
    _ status: HTTPResponse.Status, _ code: String, _ description: String, field: String? = nil,
    pointer: String? = nil, headers: HTTPFields = [:]
  ) {
    self.status = status
    self.code = code
    self.description = description
    self.field = field
    self.pointer = pointer
    self.headers = headers
  }

  /// `application/problem+json`.
  struct Document: Encodable {
    var type: String
    var title: String
    var status: Int
    var detail: String
    var code: String
    var instance: String
    var errors: [Field]?

    struct Field: Encodable {
      var parameter, pointer: String?
      var detail: String
    }
  }

  func document(instance: String) -> Document {
    Document(
      type: "about:blank", title: status.reasonPhrase, status: status.code, detail: description, code: code,
      instance: instance,
      errors: field != nil || pointer != nil
        ? [.init(parameter: field, pointer: pointer, detail: description)] : nil)
  }
}
