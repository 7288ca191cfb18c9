import Foundation
import Lakehouse
import Storage

/// Where Delta tables are published, and by which Python.
struct LakehouseSettings: Decodable {
  var folder: String?
  var python: String?
  var retention_hours: Int?
  static let keys: Set<String> = ["folder", "python", "retention_hours"]
}

extension Settings {
  /// The folder of external storage that holds the tables.
  static let lakehouseFolder = "lakehouse"

  /// A publisher over a database.
  ///
  /// - Throws: ``Failure`` for a folder that is none; `StorageError` for credentials that are not to be had.
  func lakehouse(_ place: Workplace) async throws -> LakehousePublisher {
    let folder = file.lakehouse?.folder ?? Self.lakehouseFolder
    guard folder.wholeMatch(of: /[a-z0-9][a-z0-9-]{0,62}/) != nil, !["exports", "log", "segments"].contains(folder)
    else {
      throw Failure(
        .usage, "lakehouse_folder",
        "lakehouse: folder '\(folder)': a folder of external storage, of up to 63 of a-z, 0-9 and -, which holds nothing else."
      )
    }
    guard file.lakehouse?.retention_hours ?? 1 >= 0 else {
      throw Failure(.usage, "lakehouse_retention", "lakehouse: retention_hours is a number of hours, from 0 on.")
    }
    // Finds what is wrong with the address before anything is started.
    _ = try storage()
    let location = storageURL.hasSuffix("/") ? String(storageURL.dropLast()) : storageURL
    let (options, variables) = try await objectStore()
    return LakehousePublisher(
      place.pool, location: "\(location)/\(folder)", options: options, python: file.lakehouse?.python ?? "python3",
      environment: environment.merging(variables) { $1 },
      retentionHours: file.lakehouse?.retention_hours ?? LakehousePublisher.retentionHoursDefault)
  }
}
