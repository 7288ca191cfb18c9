import Foundation
import NIOHTTP1
import Synchronization
import Testing

@testable import Registry

/// A registry of names that pages by position, as MLflow does, and that a test changes between pages.
private final class PagedNames: Sendable {
  let names: Mutex<[String]>
  /// Called with the number of each request, before it is answered.
  let change: @Sendable (Int, inout [String]) -> Void

  init(_ names: [String], change: @escaping @Sendable (Int, inout [String]) -> Void = { _, _ in }) {
    self.names = Mutex(names)
    self.change = change
  }

  func answer(_ request: ScriptedRequest, _ number: Int) -> ScriptedAnswer {
    let (names, size) = names.withLock { names in
      change(number, &names)
      return (names, Int(request.item("max_results") ?? "") ?? 0)
    }
    let token = request.item("page_token")?.removingPercentEncoding
    let start = min(token.flatMap { OffsetToken.offset(of: $0) } ?? 0, names.count)
    let end = min(start + size, names.count)
    let items = names[start..<end].map { #"{"name": "\#($0)"}"# }.joined(separator: ",")
    let next = end < names.count ? #", "next_page_token": "\#(OffsetToken.token(offset: start + size))""# : ""
    return .json(#"{"registered_models": [\#(items)]\#(next)}"#)
  }
}

@Suite("Listings are whole or they throw")
struct ListingTests {
  private let names = (0..<25).map { "m\($0 + 10)" }

  @Test("pages of any size give every model once", arguments: [1, 2, 3, 10, 24, 25, 26])
  func pages(size: Int) async throws {
    let paged = PagedNames(names)
    try await ScriptedServer.with {
      paged.answer($0, $1)
    } _: { server in
      let registry = try MLflowRegistry.at(server) { $0.bounds.modelsPerPage = size }
      #expect(try await registry.registeredModels().map(\.name) == names)
    }
  }

  @Test("a thousand models take one request, two thousand take at most three")
  func requests() async throws {
    for (count, most) in [(0, 1), (1000, 1), (1001, 2), (2000, 3)] {
      let paged = PagedNames((0..<count).map { "m\($0 + 10_000)" })
      try await ScriptedServer.with {
        paged.answer($0, $1)
      } _: { server in
        let registry = try MLflowRegistry.at(server)
        #expect(try await registry.registeredModels().count == count)
        #expect(registry.requestCount <= most)
      }
    }
  }

  @Test("a model deleted between two pages hides no other")
  func deletionBetweenPages() async throws {
    let paged = PagedNames(names) { number, names in if number == 2 { names.remove(at: 0) } }
    try await ScriptedServer.with {
      paged.answer($0, $1)
    } _: { server in
      let registry = try MLflowRegistry.at(server) { $0.bounds.modelsPerPage = 10 }
      #expect(try await registry.registeredModels().map(\.name) == Array(names.dropFirst()))
    }
  }

  @Test("a model created between two pages makes no other appear twice")
  func creationBetweenPages() async throws {
    let paged = PagedNames(names) { number, names in if number == 3 { names.insert("a", at: 0) } }
    try await ScriptedServer.with {
      paged.answer($0, $1)
    } _: { server in
      let registry = try MLflowRegistry.at(server) { $0.bounds.modelsPerPage = 10 }
      #expect(try await registry.registeredModels().map(\.name) == ["a"] + names)
    }
  }

  @Test("a listing that never holds still is given up on, and said so")
  func unstable() async throws {
    let paged = PagedNames(names) { number, names in if number % 2 == 0 { names.insert("a\(number)", at: 0) }
    }
    try await ScriptedServer.with {
      paged.answer($0, $1)
    } _: { server in
      let registry = try MLflowRegistry.at(server) {
        $0.bounds.modelsPerPage = 10
        $0.bounds.scansMax = 3
      }
      let error = await registryError { try await registry.registeredModels() }
      #expect(error?.code == .unstableListing)
      #expect(error?.retriable == true)
      #expect(server.requests.count == 6)
    }
  }

  @Test("a page token that comes again is refused")
  func repeatedToken() async throws {
    try await ScriptedServer.with { _, number in
      .json(#"{"registered_models": [{"name": "m\#(number)"}], "next_page_token": "again"}"#)
    } _: { server in
      let error = await registryError { try await MLflowRegistry.at(server).registeredModels() }
      #expect(error?.code == .invalidResponse)
      #expect(server.requests.count == 2)
    }
  }

  @Test("a listing without end is cut off with an error")
  func endless() async throws {
    try await ScriptedServer.with { _, number in
      .json(#"{"registered_models": [{"name": "m\#(number)"}], "next_page_token": "t\#(number)"}"#)
    } _: { server in
      let error = await registryError {
        try await MLflowRegistry.at(server) { $0.bounds.pagesMax = 20 }.registeredModels()
      }
      #expect(error?.code == .tooLarge)
      #expect(server.requests.count == 20)
    }
  }

  @Test("names that Swift takes for equal and MLflow does not stay two")
  func canonicallyEquivalentNames() async throws {
    let paged = PagedNames(["caf\u{e9}", "cafe\u{301}"])
    try await ScriptedServer.with {
      paged.answer($0, $1)
    } _: { server in
      let registry = try MLflowRegistry.at(server)
      #expect(try await registry.registeredModels().count == 2)
    }
  }

  @Test("an empty page with a token is not the end")
  func emptyPage() async throws {
    try await ScriptedServer.with { request, _ in
      request.item("page_token") == nil
        ? .json(#"{"next_page_token": "t"}"#) : .json(#"{"registered_models": [{"name": "m"}]}"#)
    } _: { server in
      let registry = try MLflowRegistry.at(server)
      #expect(try await registry.registeredModels().map(\.name) == ["m"])
    }
  }

  @Test("a name no filter can say is probed number by number")
  func probing() async throws {
    try await ScriptedServer.with { request, _ in
      if request.path.hasSuffix("registered-models/get") {
        return .json(
          #"{"registered_model": {"name": "a'b\"c", "latest_versions": [{"name": "x", "version": "3"}]}}"#)
      }
      return request.item("version") == "2"
        ? .json(#"{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "gone"}"#, status: .notFound)
        : .json(#"{"model_version": {"name": "a'b\"c", "version": "\#(request.item("version") ?? "")"}}"#)
    } _: { server in
      let versions = try await MLflowRegistry.at(server).modelVersions(of: "a'b\"c")
      #expect(versions.map(\.version) == [1, 3])
    }
  }

  @Test("versions of a name that differs only in case are left out")
  func otherNames() async throws {
    try await ScriptedServer.with { _, _ in
      .json(#"{"model_versions": [{"name": "M", "version": "1"}, {"name": "m", "version": "2"}]}"#)
    } _: { server in
      let registry = try MLflowRegistry.at(server)
      #expect(try await registry.modelVersions(of: "m").map(\.version) == [2])
    }
  }
}
