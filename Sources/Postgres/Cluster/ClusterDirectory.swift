import Foundation

/// The directory of a private server, ready for it.
enum ClusterDirectory {
  /// Makes the directory if need be and looks whether a server can live there.
  ///
  /// - Returns: its path, absolute and without symbolic links.
  /// - Throws: ``PostgresError/Code/dataDirectory``.
  static func prepare(_ given: String, for account: ServerAccount) throws -> (path: String, isNew: Bool) {
    let files = FileManager.default
    let absolute = URL(fileURLWithPath: given).standardizedFileURL.path
    let isNew = !files.fileExists(atPath: absolute)
    if isNew {
      do {
        try files.createDirectory(atPath: absolute, withIntermediateDirectories: true)
      } catch {
        throw PostgresError(
          .dataDirectory, "Cannot make the directory \(absolute): \(error.localizedDescription)")
      }
    }
    guard let resolved = realpath(absolute, nil) else {
      throw PostgresError(.dataDirectory, "Cannot find \(absolute): \(String(cString: strerror(errno))).")
    }
    defer { free(resolved) }
    let path = String(cString: resolved)
    try checkCharacters(path)
    try checkLength(path)
    try checkContent(path)
    if let obstacle = account.obstacle(on: (path as NSString).deletingLastPathComponent) {
      throw PostgresError(
        .dataDirectory,
        "The account \(account.name), which the server runs under, may not enter \(obstacle).",
        hint: "Choose a directory outside it, such as /var/lib/marketplace, or: chmod o+x \(obstacle)")
    }
    try account.own(path, mode: 0o700)
    return (path, isNew)
  }

  /// pg_ctl hands the path to a shell inside double quotes, and a list of directories splits at commas.
  private static func checkCharacters(_ path: String) throws {
    guard path.contains(where: { "\"'$`\\,".contains($0) || $0.isNewline }) else { return }
    throw PostgresError(
      .dataDirectory,
      "The path \(path) holds a quote, $, `, \\, a comma or a line break, which PostgreSQL cannot take.",
      hint: "Choose a directory with a plainer path.")
  }

  private static func checkLength(_ path: String) throws {
    let socket = "\(path)/.s.PGSQL.\(PrivateCluster.port)"
    let limit = PrivateCluster.socketPathBytesMax
    guard socket.utf8.count > limit else { return }
    throw PostgresError(
      .dataDirectory,
      "The path of the server's socket would be \(socket.utf8.count) bytes long, the system takes \(limit): "
        + socket, hint: "Choose a directory with a shorter path.")
  }

  /// A directory with other things in it is not taken over: its owner would change.
  private static func checkContent(_ path: String) throws {
    let content: [String]
    do {
      content = try FileManager.default.contentsOfDirectory(atPath: path)
    } catch {
      throw PostgresError(
        .dataDirectory, "\(path) cannot be read as a directory: \(error.localizedDescription)")
    }
    guard !content.isEmpty, !content.contains("start.lock") else { return }
    throw PostgresError(
      .dataDirectory, "\(path) is neither empty nor the directory of a private server.",
      hint: "Choose a directory that is empty or does not exist.")
  }
}
