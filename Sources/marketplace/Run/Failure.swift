/// An error of the command line: what happened, and what to do about it.
struct Failure: Error, CustomStringConvertible {
  let status: ExitStatus
  /// A stable code for programs.
  let code: String
  let message: String

  init(_ status: ExitStatus, _ code: String, _ message: String) {
    self.status = status
    self.code = code
    self.message = message
  }

  /// Any error, in the form in which it is told.
  init(_ error: any Error) {
    if let failure = error as? Failure {
      self = failure
    } else {
      let status = ExitStatus(of: error)
      self.init(status, status.code, "\(error)")
    }
  }

  var description: String { message }
}
