import Testing

@testable import Registry

@Suite("Paths and sources")
struct ArtifactPathTests {
  @Test(
    "paths that could leave their place are refused in every spelling",
    arguments: [
      "", "/", "/etc/passwd", "..", "../x", "a/../b", "a/..", "./a", "a/./b", "a//b", "a/", "\\x", "a\\..\\b",
      "..\\x",
      "%2e%2e/x", "a/%2E%2e", "%252e%252e/x", "%25252e./x", "a%2f..%2fb", "a%5c..%5cb", "%2fetc", "%00",
      "a\u{0}b",
      "C:\\x", "C:/x", "model/C:\\x", "model\\C:/x", "model/\\x", "a\\", "model%2fC%3a%5cx", ".%2e/x", "a%2f%2e%2e",
    ])
  func hostile(path: String) {
    #expect(ArtifactPath.hostility(of: path) != nil)
  }

  @Test(
    "paths with odd but harmless names pass",
    arguments: [
      "a", "a b", "a/b/c", "...", "a..b", "..a", "a\\b", "100%", "%zz", "ünï", "a:b", "c:", "model/c:x", ".hidden", "#",
      "~",
    ])
  func harmless(path: String) {
    #expect(ArtifactPath.hostility(of: path) == nil)
  }

  @Test("paths are bounded")
  func bounds() {
    #expect(ArtifactPath.hostility(of: String(repeating: "a", count: 255)) == nil)
    #expect(ArtifactPath.hostility(of: String(repeating: "a", count: 256)) != nil)
    let deep = Array(repeating: "abc", count: 256).joined(separator: "/")
    #expect(ArtifactPath.hostility(of: deep) == nil)
    #expect(ArtifactPath.hostility(of: deep + "/a") != nil)
    #expect(ArtifactPath.hostility(of: "%" + String(repeating: "25", count: 30)) != nil)
  }

  @Test("names the proxy would change are known", arguments: ["a#b", "a%20b", "a\tb", "a?", "a;", "x\u{7f}"])
  func distorted(path: String) {
    #expect(ArtifactPath.distortion(of: path) != nil)
  }

  @Test("sources are taken apart")
  func sources() {
    #expect(ArtifactSource("models:/m-1a2b") == .loggedModel(id: "m-1a2b", path: ""))
    #expect(ArtifactSource("models:/m-1a2b/sub/dir") == .loggedModel(id: "m-1a2b", path: "sub/dir"))
    #expect(ArtifactSource("models:/m-name/3") == .version(name: "m-name", number: 3))
    #expect(
      ArtifactSource("models:/ed_wait.time model/12") == .version(name: "ed_wait.time model", number: 12))
    #expect(ArtifactSource("runs:/abc/my model") == .run(id: "abc", path: "my model"))
    #expect(ArtifactSource("runs:/abc") == .run(id: "abc", path: ""))
    #expect(
      ArtifactSource("mlflow-artifacts:/1/r/artifacts") == .proxy(authority: nil, path: "1/r/artifacts"))
    #expect(ArtifactSource("mlflow-artifacts://h:5/1/r") == .proxy(authority: "h:5", path: "1/r"))
    #expect(ArtifactSource("mlflow-artifacts:///1/r") == .proxy(authority: nil, path: "1/r"))
  }

  @Test(
    "what is out of reach says why",
    arguments: [
      "", "s3://", "gs://b/k", "dbfs:/x", "dbfs:/databricks/mlflow-registry/1/models/m", "/tmp/x", "file:///x",
      "models:/m@champion", "models:/m/Production",
      "runs:/", "abfss://c@a/x", "models:/", "weird:x",
    ])
  func others(source: String) {
    guard case .other(let reason) = ArtifactSource(source) else {
      Issue.record("\(source) is not read")
      return
    }
    #expect(!reason.isEmpty)
  }

  @Test("a bucket's address is taken as it is, but for slashes at its end")
  func buckets() {
    #expect(ArtifactSource("s3://b/k/") == .bucket(uri: "s3://b/k"))
    #expect(ArtifactSource("S3://b") == .bucket(uri: "s3://b"))
  }

  @Test("an address below a run or logged model of a Databricks workspace names its owner and the folder")
  func databricks() {
    let run = String(repeating: "a1", count: 16)
    let root = "dbfs:/databricks/mlflow-tracking/42/\(run)/artifacts"
    for text in [root, root + "/", root.replacing("dbfs:/", with: "dbfs:///")] {
      #expect(DatabricksPlace(text)?.location == .run(id: run, path: "", root: root))
    }
    #expect(DatabricksPlace("\(root)/a/b")?.location == .run(id: run, path: "a/b", root: "\(root)/a/b"))
    let models = "dbfs:/databricks/mlflow-tracking/42/logged_models/m-1/artifacts"
    #expect(DatabricksPlace(models)?.location == .loggedModel(id: "m-1", root: models))
    let data = DatabricksPlace("\(models)/data")
    #expect(data?.location == .proxy(root: "\(models)/data"))
    #expect(data?.owner == .model(id: "m-1") && data?.path("f") == "data/f")
  }

  @Test(
    "another address of Databricks' file system is out of reach",
    arguments: [
      "dbfs:/databricks/mlflow-tracking/42", "dbfs:/databricks/mlflow-tracking/42/a/artifacts",
      "dbfs:/databricks/mlflow-tracking/42/tr-1/artifacts",
      "dbfs:/databricks/mlflow-tracking/42/logged_models/x/artifacts",
      "dbfs:/databricks/mlflow-tracking/42/logged_models/m-1", "dbfs://p@databricks/databricks/mlflow-tracking/42",
      "dbfs:/databricks/mlflow-tracking/42/a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1/other", "dbfs:/Volumes/a/b/c", "dbfs:",
    ])
  func otherDatabricks(_ text: String) {
    #expect(DatabricksPlace(text) == nil)
    guard case .other(let reason) = ArtifactSource(text) else {
      Issue.record("\(text) is not read")
      return
    }
    #expect(reason.contains("Databricks"))
  }

  @Test("the owner of a path below the proxy is recognised")
  func owners() {
    let run = String(repeating: "a1", count: 16)
    #expect(
      MLflowRegistry.owner(ofRoot: "workspaces/w/1/\(run)/artifacts/model")
        == .run(id: run, path: "model", root: "workspaces/w/1/\(run)/artifacts/model"))
    #expect(
      MLflowRegistry.owner(ofRoot: "1/models/m-1/artifacts")
        == .loggedModel(id: "m-1", root: "1/models/m-1/artifacts"))
    #expect(MLflowRegistry.owner(ofRoot: "1/x/artifacts") == .proxy(root: "1/x/artifacts"))
  }

  @Test("another server's files are out of reach")
  func otherServer() throws {
    let registry = try MLflowRegistry(MLflowRegistry.Configuration(url: "http://h:5000/mlflow/"))
    let here = Run(id: "r", experimentID: "1", artifactURI: "mlflow-artifacts://h:5000/1/r/artifacts")
    #expect(try registry.artifactLocation(of: here) == .run(id: "r", path: "", root: "1/r/artifacts"))
    let there = Run(id: "r", experimentID: "1", artifactURI: "mlflow-artifacts://other/1/r/artifacts")
    guard case .unsupported = try registry.artifactLocation(of: there) else {
      Issue.record("another server is not asked")
      return
    }
    let climbing = Run(id: "r", experimentID: "1", artifactURI: "mlflow-artifacts:/1/../../x")
    let error = #expect(throws: RegistryError.self) { try registry.artifactLocation(of: climbing) }
    #expect(error?.code == .hostilePath)
  }
}
