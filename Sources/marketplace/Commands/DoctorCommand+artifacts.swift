import Foundation
import Storage

extension DoctorCommand {
  /// Looks into every bucket in which a registry keeps artifacts outside its server; where imports go, a small file is
  /// written and removed again.
  func buckets(
    _ written: [ArtifactSettings]?, of owner: String, isWritten: Bool, _ settings: Settings
  ) async -> [Finding] {
    var findings: [Finding] = []
    for bucket in written ?? [] {
      let what = "artifacts of \(owner)"
      do {
        for storage in try settings.buckets([bucket], place: owner) {
          try await storage.probe()
          if isWritten { try await write(to: storage) }
        }
        findings.append(
          Finding(
            what: what, level: .ok, message: "\(bucket.uri) may be read" + (isWritten ? " and written" : "")))
      } catch {
        findings.append(
          Finding(
            what: what, level: .problem, message: "\(error)",
            fix: "check this entry of 'artifacts', its credentials and what they permit"))
      }
    }
    return findings
  }

  private func write(to storage: S3Storage) async throws {
    let key = try StorageKey([".doctor-\(UUID().uuidString.lowercased())"])
    let upload = try await storage.upload(to: key)
    try await upload.write(Array("marketplace".utf8))
    _ = try await upload.finish()
    try await storage.delete(key)
  }
}
