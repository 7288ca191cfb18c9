import Foundation

/// The account a server runs under: ours, or `postgres` when we are root, whom PostgreSQL refuses.
struct ServerAccount: Sendable {
  static let rootSubstitute = "postgres"

  let name: String
  let userID: uid_t
  let groupID: gid_t
  /// True when it is not our own account.
  let isOther: Bool

  /// - Throws: ``PostgresError/Code/notInstalled``, ``PostgresError/Code/clusterFailed``.
  static func current() throws -> ServerAccount {
    let userID = geteuid()
    if userID == 0 {
      guard let entry = getpwnam(rootSubstitute) else {
        throw PostgresError(
          .notInstalled,
          "PostgreSQL refuses to run as root, and there is no account \"postgres\" to run it as.",
          hint: "apt-get install postgresql, or run as another user.")
      }
      return ServerAccount(
        name: rootSubstitute, userID: entry.pointee.pw_uid, groupID: entry.pointee.pw_gid, isOther: true)
    }
    guard let entry = getpwuid(userID) else {
      throw PostgresError(
        .clusterFailed, "The user id \(userID) has no entry in /etc/passwd, which PostgreSQL's initdb needs.",
        hint:
          "Add one (useradd --uid \(userID) …), run as a named user, or use a database server that exists.")
    }
    return ServerAccount(
      name: String(cString: entry.pointee.pw_name), userID: userID, groupID: getegid(), isOther: false)
  }

  /// Gives a file or directory to the account.
  func own(_ path: String, mode: mode_t) throws {
    guard chmod(path, mode) == 0, !isOther || lchown(path, userID, groupID) == 0 else {
      let reason = String(cString: strerror(errno))
      throw PostgresError(.dataDirectory, "Cannot give \(path) to the account \(name): \(reason).")
    }
  }

  /// The first directory on the way to `path` that the account may not enter.
  func obstacle(on path: String) -> String? {
    var parts = path.split(separator: "/").map(String.init)
    var way = ""
    parts.insert("", at: 0)
    for part in parts {
      way += part.isEmpty ? "/" : (way.hasSuffix("/") ? part : "/" + part)
      var facts = stat()
      guard stat(way, &facts) == 0 else { return way }
      let bit =
        if facts.st_uid == userID { S_IXUSR } else if facts.st_gid == groupID { S_IXGRP } else { S_IXOTH }
      if facts.st_mode & mode_t(bit) == 0 { return way }
    }
    return nil
  }
}
