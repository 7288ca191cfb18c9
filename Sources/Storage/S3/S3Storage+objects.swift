public import AsyncHTTPClient
import NIOHTTP1

/// What lies in a bucket that others fill: names as they are, and bytes from anywhere in an object.
extension S3Storage {
  /// An object by its name below some key.
  public struct NamedObject: Sendable, Hashable {
    /// What follows the key and a slash, as the bucket has it; nothing is known of it.
    public let name: String
    /// Size in bytes.
    public let size: Int64
  }

  /// Every object below a key, whatever it is called. A name that ends in a slash and has no bytes is what consoles
  /// make of a folder, and is left out.
  ///
  /// - Throws: ``StorageError`` with `.tooLarge` when there are more than `countMax`.
  public func objects(below key: StorageKey, countMax: Int) async throws -> [NamedObject] {
    let prefix = try client.address.objectKey(key) + "/"
    var objects: [NamedObject] = []
    let listing = S3Listing(client, .objects(prefix))
    while let page = try await listing.next() {
      for item in page.all("Contents") {
        guard let name = S3Listing.name(item.text("Key"), in: page), name.utf8.starts(with: prefix.utf8),
          let size = item.text("Size").flatMap({ Int64($0) }), size >= 0
        else {
          throw StorageError(.failed, key: key.path, "listing: the server names something else than was asked for.")
        }
        let rest = String(decoding: name.utf8.dropFirst(prefix.utf8.count), as: UTF8.self)
        if size == 0, rest.isEmpty || rest.hasSuffix("/") { continue }
        objects.append(NamedObject(name: rest, size: size))
      }
      guard objects.count <= countMax else {
        throw StorageError(.tooLarge, key: key.path, "holds more than \(countMax) files.")
      }
    }
    return objects
  }

  /// Begins an answer with an object's bytes, asked with these headers, such as a `range`.
  ///
  /// - Throws: ``StorageError``, with `.changed` where a condition in the headers does not hold.
  public func open(
    _ key: StorageKey, headers: [(name: String, value: String)]
  ) async throws -> HTTPClientResponse {
    let call = S3Call(
      operation: "reading", method: .GET, object: try client.address.objectKey(key), headers: headers)
    do {
      return try await client.open(call)
    } catch let refusal as S3Refusal where refusal.status == 412 || refusal.status == 416 {
      throw StorageError(.changed, key: client.shown(call), "is another file now than it was. Read it again.")
    } catch let refusal as S3Refusal {
      throw client.error(refusal, call)
    }
  }

  /// Asks for one name of the bucket, for whoever wants to know whether it is there and may be read.
  public func probe() async throws {
    let call = S3Call(
      operation: "looking into the bucket", method: .GET,
      query: [("list-type", "2"), ("max-keys", "1"), ("prefix", client.address.prefix)])
    do {
      _ = try await client.answer(to: call)
    } catch let refusal as S3Refusal {
      throw client.error(refusal, call)
    }
  }
}
