/// Which paths are safe to list, read and write below a location. Pure.
///
/// A registry's listing is somebody else's word. A path that climbs out in any spelling must reach neither
/// the registry's server, which decodes paths repeatedly, nor a file system or a bucket to which a copy is
/// written.
public enum ArtifactPath {
  /// The longest path, in bytes.
  public static let bytesMax = 1024
  /// The longest component, in bytes.
  public static let componentBytesMax = 255
  /// How often percent escapes are undone while looking for what they hide.
  private static let decodingsMax = 10

  /// Why a relative path is refused, or `nil` when it is safe.
  public static func hostility(of path: String) -> String? {
    let bytes = Array(path.utf8)
    if bytes.isEmpty { return "it is empty" }
    if bytes.count > bytesMax { return "it is longer than \(bytesMax) bytes" }
    for component in bytes.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false) {
      if component.count > componentBytesMax {
        return "a component is longer than \(componentBytesMax) bytes"
      }
      // An empty first component is an absolute path, which is said below in better words.
      if component.isEmpty, bytes.first != UInt8(ascii: "/") { return "a component is empty" }
    }
    var decoded = bytes
    for _ in 0..<decodingsMax {
      if let reason = climbing(decoded) { return reason }
      let next = PercentEncoding.decodeOnce(decoded)
      if next == decoded { return nil }
      decoded = next
    }
    return "it is escaped more than \(decodingsMax) times"
  }

  private static func climbing(_ bytes: [UInt8]) -> String? {
    func isSeparator(_ byte: UInt8) -> Bool { byte == UInt8(ascii: "/") || byte == UInt8(ascii: "\\") }
    if bytes.contains(0) { return "it contains NUL" }
    if let first = bytes.first, isSeparator(first) { return "it is absolute" }
    let components = bytes.split(omittingEmptySubsequences: false, whereSeparator: isSeparator)
    for (index, component) in components.enumerated() {
      if component.elementsEqual("..".utf8) { return "it climbs out with '..'" }
      if component.elementsEqual(".".utf8) { return "a component is '.'" }
      // A path below one of its folders must be as safe, so these count anywhere.
      if component.isEmpty { return "a component is empty" }
      if component.count == 2, component.last == UInt8(ascii: ":"), index + 1 < components.count {
        return "it is absolute, with a drive"
      }
    }
    return nil
  }

  /// Why MLflow's artifact proxy would not carry a path unchanged, or `nil` when it does.
  ///
  /// The proxy refuses `#`, undoes escapes until none is left (so that a file named `a%20b` becomes `a b`),
  /// drops tabs and line breaks, and a `?` or `;` at the very end (mlflow/utils/uri.py, 2.22 and 3.17).
  static func distortion(of path: String) -> String? {
    let bytes = Array(path.utf8)
    if bytes.contains(UInt8(ascii: "#")) { return "the artifact proxy refuses '#' in a path" }
    if PercentEncoding.decodeOnce(bytes) != bytes {
      return "the artifact proxy would decode the '%' escape that is part of the name"
    }
    if bytes.contains(where: { $0 < 32 || $0 == 127 }) {
      return "the artifact proxy changes control characters in a path"
    }
    if bytes.last == UInt8(ascii: "?") || bytes.last == UInt8(ascii: ";") {
      return "the artifact proxy drops '?' and ';' at the end of a path"
    }
    return nil
  }
}
