import Foundation
import Marketplace
import NIOCore
import NIOHTTP1
import Registry
import Synchronization
import TestSupport
import Testing

@testable import Transfer

/// What a source must never be able to do by answering wrongly: delete or withdraw anything.
@Suite("A source that answers wrongly", .enabled(if: MLflowServers.three != nil))
struct UnreadableSourceTests {
  /// A way to answer wrongly, and the code under which a run reports it.
  struct Fault: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var code: String
    var lie: RegistryProxy.Lie
  }

  static let faults: [Fault] = [
    Fault(testDescription: "a web page with status 200", code: "invalid_response") { request in
      request.isModelListing ? .html("<!doctype html><title>Sign in</title>") : nil
    },
    Fault(testDescription: "JSON that is no listing", code: "invalid_response") { request in
      request.isModelListing ? .json("{\"registered_models\": \"none\"}") : nil
    },
    Fault(testDescription: "a listing cut short on the wire", code: "incomplete_body") { request in
      guard request.isModelListing else { return nil }
      var answer = ProxyAnswer.json("{\"registered_models\": [")
      answer.ending = .cutShort
      return answer
    },
    Fault(testDescription: "401 for everything", code: "not_authenticated") { _ in
      .html("You are not authenticated.", status: .unauthorized)
    },
    Fault(testDescription: "403 for everything", code: "not_permitted") { _ in
      .html("Permission denied", status: .forbidden)
    },
    Fault(testDescription: "500 for everything", code: "server") { _ in
      .json("{\"error_code\": \"INTERNAL_ERROR\", \"message\": \"database is locked\"}", status: .internalServerError)
    },
    Fault(testDescription: "a server that is down", code: "unreachable") { _ in .down },
    Fault(testDescription: "an empty listing and 403 for each model", code: "not_permitted") { request in
      if request.isModelListing { return .json("{}") }
      return request.uri.contains("/registered-models/get?")
        ? .html("Permission denied", status: .forbidden) : nil
    },
    Fault(testDescription: "one model missing from the listing and forbidden", code: "not_permitted") { request in
      if request.isModelListing { return .json("{}") }
      return request.uri.contains("name=sepsis") ? .html("Permission denied", status: .forbidden) : nil
    },
    Fault(testDescription: "nothing listed and nothing to be seen", code: "nothing_visible") { request in
      if request.isModelListing { return .json("{}") }
      return .json(
        "{\"error_code\": \"RESOURCE_DOES_NOT_EXIST\", \"message\": \"not found\"}", status: .notFound)
    },
    Fault(testDescription: "a page token that comes again and again", code: "invalid_response") { request in
      request.isModelListing
        ? .json(
          "{\"registered_models\": [{\"name\": \"x\(UInt32.random(in: 0 ... .max))\", \"creation_timestamp\": 1, \"last_updated_timestamp\": 1}],"
            + " \"next_page_token\": \"again\"}") : nil
    },
  ]

  @Test("deletes nothing, withdraws nothing, is named, and stops no other workspace", arguments: faults)
  func lies(_ fault: Fault) async throws {
    try await RegistryProxy.with { proxy in
      var world = try await TestWorld.make("dev02")
      let mlflowWorkspace = try await MLflowServers.freshWorkspace("dev01")
      world.sources["dev01"] = try proxy.registry(mlflowWorkspace)
      let source = try world.source()
      try await source.register("readmission", stage: "Production")
      try await source.register("sepsis", alias: "champion")
      try await source.register("draft")
      try await world.source("dev02").register("other", stage: "Production")
      let first = try await world.sync()
      #expect(first.isClean)
      let before = try await world.events()

      proxy.tell(fault.lie)
      try await world.source("dev02").register("other", stage: "Production")
      let bad = try await world.sync()
      #expect(bad.workspaces.first { $0.workspace.text == "dev01" }?.trouble?.code == fault.code)
      #expect(bad.workspaces.first { $0.workspace.text == "dev01" }?.items.isEmpty == true)
      let outcomes = try await world.observations()
      #expect(outcomes == [.complete, .unreadable])
      #expect(try await world.events() == before)
      #expect(try await world.promotion("dev01.readmission") == .init(staged: [1], alias: 1))
      #expect(try await world.promotion("dev01.sepsis") == .init(staged: [1], alias: 1))
      // J9: the other workspace was served as if nothing had been.
      let other = bad.workspaces.first { $0.workspace.text == "dev02" }
      #expect(other?.trouble == nil)
      #expect(other?.items.map(\.action) == [.exported, .imported, .promoted])
      #expect(try await world.promotion("dev02.other") == .init(staged: [2], alias: 2))
      #expect(try await world.violations().isEmpty)

      proxy.tell(nil)
      let good = try await world.sync()
      #expect(good.isClean)
      #expect(good.items.isEmpty)
      #expect(try await world.events() == before)
      #expect(try await world.observations() == [.complete, .unreadable, .complete])
      #expect(try await world.violations().isEmpty)
    }
  }

  @Test("a listing that silently leaves models out is completed by asking for them")
  func shortListing() async throws {
    try await RegistryProxy.with { proxy in
      var world = try await TestWorld.make()
      world.sources["dev01"] = try proxy.registry(try await MLflowServers.freshWorkspace("dev01"))
      let source = try world.source()
      try await source.register("readmission", stage: "Production")
      try await source.register("sepsis", alias: "champion")
      _ = try await world.sync()
      let before = try await world.events()

      proxy.tell { request in request.isModelListing ? .json("{}") : nil }
      let short = try await world.sync()
      #expect(short.isClean)
      #expect(short.items.isEmpty)
      #expect(try await world.events() == before)
      #expect(try await world.violations().isEmpty)

      proxy.tell(nil)
      let good = try await world.sync()
      #expect(good.isClean)
      #expect(try await world.events() == before)
    }
  }

  @Test("a model's versions that may not be read leave the workspace unreadable, not the model empty")
  func forbiddenVersions() async throws {
    try await RegistryProxy.with { proxy in
      var world = try await TestWorld.make()
      world.sources["dev01"] = try proxy.registry(try await MLflowServers.freshWorkspace("dev01"))
      let source = try world.source()
      try await source.register("readmission", stage: "Production")
      try await source.register("sepsis", stage: "Production")
      _ = try await world.sync()
      let before = try await world.events()

      try await source.promote("sepsis", 1, to: "Archived")
      proxy.tell { request in
        request.uri.contains("/model-versions/search") ? .html("Permission denied", status: .forbidden) : nil
      }
      let bad = try await world.sync()
      #expect(bad.workspaces.first?.trouble?.code == "not_permitted")
      #expect(try await world.events() == before)
      #expect(try await world.promotion("dev01.sepsis") == .init(staged: [1], alias: 1))

      proxy.tell(nil)
      let good = try await world.sync()
      #expect(good.items.map(\.action) == [.withdrawn])
      #expect(try await world.violations().isEmpty)
    }
  }

  @Test("models created and deleted between pages are neither lost nor taken for gone")
  func pagingRace() async throws {
    try await RegistryProxy.with { proxy in
      var world = try await TestWorld.make()
      let mlflowWorkspace = try await MLflowServers.freshWorkspace("dev01")
      let direct = try MLflowRegistry(.init(url: MLflowServers.three ?? "", mlflowWorkspace: mlflowWorkspace))
      world.sources["dev01"] = try proxy.registry(mlflowWorkspace, modelsPerPage: 2)
      for name in ["b", "c", "d", "e", "f"] { try await direct.register(name, stage: "Production") }
      _ = try await direct.createRegisteredModel(named: "a0", description: nil, tags: [])
      _ = try await world.sync()
      let before = try await world.events()

      // Each first sight of a later page meets a listing that has just shifted, back and forth.
      let pages = Mutex(0)
      proxy.tell { request in
        guard request.isModelListing, request.isLaterPage else { return nil }
        let page = pages.withLock { pages in
          pages += 1
          return pages
        }
        if page == 1 { try await direct.delete(model: "a0") }
        if page == 2 { _ = try await direct.createRegisteredModel(named: "a1", description: nil, tags: []) }
        return nil
      }
      let raced = try await world.sync()
      #expect(pages.withLock { $0 } > 4)
      #expect(raced.isClean)
      #expect(raced.items.isEmpty)
      #expect(try await world.events() == before)

      // A listing that never holds still is unreadable.
      let made = Mutex(0)
      proxy.tell { request in
        guard request.isModelListing, request.isLaterPage else { return nil }
        let number = made.withLock { made in
          made += 1
          return made
        }
        // Falling names come before the reader's place, however often it begins again.
        _ = try await direct.createRegisteredModel(named: "a2-\(999 - number)", description: nil, tags: [])
        return nil
      }
      let restless = try await world.sync()
      #expect(restless.workspaces.first?.trouble?.code == "unstable_listing")
      #expect(try await world.events() == before)

      proxy.tell(nil)
      let good = try await world.sync()
      #expect(good.isClean)
      #expect(try await world.events() == before)
      #expect(try await world.violations().isEmpty)
    }
  }
}
