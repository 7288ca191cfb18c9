import Crypto
import Hummingbird

/// What pages refer to. Each lies under the digest of its bytes, so that a browser asks once for ever.
struct Assets {
  let path: String
  let type: String
  let bytes: [UInt8]

  static let style = Assets("style", "css", "text/css; charset=utf-8", PackageResources.style_css)
  static let copy = Assets("copy", "js", "text/javascript; charset=utf-8", PackageResources.copy_js)
  static let icon = Assets("icon", "svg", "image/svg+xml", PackageResources.icon_svg)
  static let all = [style, copy, icon]

  private init(_ name: String, _ ending: String, _ type: String, _ bytes: [UInt8]) {
    let digest = SHA256.hash(data: bytes).prefix(6).map { String(UInt16($0) + 0x100, radix: 16).dropFirst() }.joined()
    path = "/assets/\(name)-\(digest).\(ending)"
    self.type = type
    self.bytes = bytes
  }

  var response: Response { Answer.bytes(bytes, type: type, cache: "public, max-age=31536000, immutable") }
}
