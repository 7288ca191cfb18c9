import Marketplace
import Transfer

/// How a check of storage is told.
struct StorageCheckOutput {
  let report: StorageCheckReport
  let data: DataShare?
  let status: ExitStatus

  struct JSON: Encodable {
    var schema = "marketplace.storage.check/1"
    var exit_code: Int32
    var workspaces: [String]
    var read_data: String?
    var exports: Int
    var files: Int
    var bytes_read: Int64
    var damages: Int
    var unread: Int
    var left: Int
    var findings: [Finding]
    var error: JSONOutput.Problem?

    struct Finding: Encodable {
      var code: String
      var message: String
      var workspace: String
      var model: String
      var version: Int
      var export_id: String
      var uri: String
      var file: String?
    }
  }

  var json: JSON {
    JSON(
      exit_code: status.rawValue, workspaces: report.workspaces.map(\.text), read_data: data?.description,
      exports: report.exports, files: report.files, bytes_read: report.bytesRead, damages: report.damages,
      unread: report.unread, left: report.left,
      findings: report.findings.map {
        .init(
          code: $0.code.rawValue, message: $0.message, workspace: $0.workspace.text, model: $0.export.name,
          version: $0.export.version, export_id: $0.export.exportID, uri: $0.export.uri, file: $0.path)
      },
      error: report.ended.map {
        .init(code: ExitStatus(of: $0).code, message: "\($0)", exit_code: ExitStatus(of: $0).rawValue)
      })
  }

  func printSummary() {
    let depth =
      switch data {
      case nil: "manifests and sizes"
      case DataShare.whole?: "every byte"
      case let share?: "every byte of part \(share)"
      }
    var verdicts: [String] = []
    if report.damages > 0 { verdicts.append("\(report.damages) damaged") }
    if report.unread > 0 { verdicts.append("\(report.unread) NOT read") }
    if report.left > 0 { verdicts.append("\(Sentence.count(report.left, "export")) not looked at") }
    let looked = "\(Sentence.count(report.exports, "export")), \(Sentence.count(report.files, "file"))"
    Console.data(
      "  \(depth) of \(looked), \(Sentence.bytes(report.bytesRead)) read: "
        + (verdicts.isEmpty ? "all is there" : verdicts.joined(separator: ", ")))
    if let error = report.ended { Console.write("Error: \(error)\n") }
  }
}
