import Foundation

extension PrivateCluster {
  /// The server of a directory, running or not, or `nil` when the directory holds none. Starts and makes nothing.
  ///
  /// - Throws: ``PostgresError`` when PostgreSQL's programs are not installed, or the directory is another's.
  public static func existing(dataDirectory: String) async throws -> PrivateCluster? {
    guard FileManager.default.fileExists(atPath: dataDirectory + "/data/PG_VERSION") else { return nil }
    let account = try ServerAccount.current()
    let directory = try ClusterDirectory.prepare(dataDirectory, for: account)
    let programs = try await ServerPrograms.find(dataPath: directory.path + "/data")
    return PrivateCluster(directory: directory.path, startedNow: false, programs: programs, account: account)
  }
}
