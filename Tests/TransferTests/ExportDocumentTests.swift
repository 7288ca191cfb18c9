import Marketplace
import Registry
import Testing

@testable import Transfer

@Suite("The documents of an export")
struct ExportDocumentTests {
  private static let system =
    #""system": {"export_file_version": "2", "mlflow_version": "3", "package_version": "p", "script": "s"}"#

  @Test("of earlier programs, which held less, are read")
  func earlier() throws {
    let model =
      #"{"info": {}, "mlflow": {"model_id": "m-1", "name": "n", "model_type": "", "experiment_id": "1", "#
      + #""creation_timestamp": 5, "params": {"a": "b"}, "tags": {}}, \#(Self.system)}"#
    let logged = try ExportDocument<LoggedModelDocument>.decode(Array(model.utf8))
    #expect(logged.params == ["a": "b"] && logged.metrics == nil && logged.status == nil)
    let run =
      #"{"info": {}, "mlflow": {"info": {"run_id": "r", "experiment_id": "1", "run_name": "", "user_id": "", "#
      + #""status": "FINISHED", "artifact_uri": "", "lifecycle_stage": "active"}, "params": {}, "#
      + #""metrics": {"\u212b": [{"value": 1, "timestamp": 2, "step": 3}], "Å": []}, "#
      + #""marketplace_non_finite_metrics": {}, "tags": {}, "inputs": {"dataset_inputs": []}}, \#(Self.system)}"#
    let document = try ExportDocument<RunDocument>.decode(Array(run.utf8))
    #expect(document.metricHistory == nil)
    #expect(document.metrics["\u{212b}"]?.map(\.value) == [1])
    #expect(document.metrics["\u{c5}"]?.isEmpty == true)
  }

  @Test("tell files apart whose names begin with a combining accent, and folders by their bytes")
  func below() {
    #expect("m-1/artifacts/\u{301}x".below("m-1/artifacts") == "\u{301}x")
    #expect("caf\u{e9}/x".below("cafe\u{301}") == nil)
    #expect("caf\u{e9}/x".below("caf\u{e9}") == "x")
    #expect("artifacts".below("artifacts") == nil)
  }
}
