import Access
import ArgumentParser
import Foundation
import Ledger
import Marketplace
import Postgres

/// `marketplace token`
struct TokenCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "token", abstract: "Tokens of the service: make, list and revoke them; each is an event.",
    discussion:
      "For example: marketplace token create 'nightly evaluation' --principal acme_nightly --scope events:append",
    subcommands: [Create.self, List.self, Revoke.self], defaultSubcommand: List.self)

  /// One token, for a program.
  private struct Entry: Encodable {
    var id, name, principal: String
    var scopes, workspaces: [String]
    var created, created_by, expires: String
    var revoked, revoked_by, reason: String?
    var valid: Bool

    init(_ record: TokenRecord, at now: Timestamp) {
      id = record.created.token
      name = record.created.name
      principal = record.created.principal
      scopes = record.created.scopes
      workspaces = record.created.workspaces
      created = record.createdAt.rfc3339
      created_by = record.createdBy
      expires = record.expires.rfc3339
      revoked = record.revokedAt?.rfc3339
      revoked_by = record.revokedBy
      reason = record.reason
      valid = record.isValid(at: now)
    }
  }

  /// `marketplace token create`
  struct Create: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "create", abstract: "Make a token and print it, this once.",
      discussion: """
        Whoever shows the token is the principal that it names: events appended with it are by that one, and what may be \
        appended is what 'ledger.grant_append' gave to it. Only its hash is kept. It goes to standard output, everything else \
        to standard error, so that it can be written into a file. For example:
          marketplace token create 'nightly evaluation' --principal acme_nightly --scope events:append --workspace dev01
          marketplace token create 'reads the catalog' --principal kiosk --scope catalog --days 365
        """)
    @OptionGroup var options: GlobalOptions
    @Argument(help: "What it is for.") var name: String
    @Option(help: "Whom the service acts for.") var principal: String
    @Option(help: "What may be done: catalog, events:read, events:append; may stand several times.")
    var scope: [String] = []
    @Option(help: "A workspace whose events it reaches; may stand several times, '*' for all.")
    var workspace: [String] = []
    @Option(help: "Days that it is valid.") var days: Int = 90

    /// Bytes of a name or a principal.
    static let nameBytesMax = 200

    func validate() throws {
      guard (1...TokenBook.daysMax).contains(days) else {
        throw ValidationError("--days is a number from 1 to \(TokenBook.daysMax).")
      }
      guard !scope.isEmpty else {
        throw ValidationError("--scope is missing: \(Scope.allCases.map(\.rawValue).joined(separator: ", ")).")
      }
      for text in scope where Scope(rawValue: text) == nil {
        throw ValidationError(
          "There is no scope '\(text)': \(Scope.allCases.map(\.rawValue).joined(separator: ", ")).")
      }
      for (text, what) in [(name, "The name"), (principal, "--principal")] {
        guard (1...Self.nameBytesMax).contains(text.utf8.count),
          !text.unicodeScalars.contains(where: { $0.value < 0x20 })
        else { throw ValidationError("\(what) has 1 to \(Self.nameBytesMax) bytes, without control characters.") }
      }
      for text in workspace where text != "*" { _ = try WorkspaceID(text) }
      let reachesEvents = scope.contains { $0 != Scope.catalog.rawValue }
      if reachesEvents, workspace.isEmpty {
        throw ValidationError("--workspace is missing: whose events the token reaches, or '*' for all.")
      }
    }

    private struct JSON: Encodable {
      var schema = "marketplace.token.create/1"
      var id, token, expires: String
    }

    func run() async throws {
      let expires = Timestamp(Date().addingTimeInterval(Double(days) * 86_400))
      let wish = TokenBook.Wish(
        name: name, principal: principal, scopes: Set(scope.compactMap(Scope.init)), workspaces: Array(Set(workspace)),
        expires: expires)
      let token = try await Workplace.use(try Settings(options), options: options) { place in
        try await TokenBook(place.ledger).create(wish)
      }
      switch options.output {
      case .json: try JSONOutput.print(JSON(id: token.id, token: token.text, expires: expires.rfc3339))
      case .table:
        Console.data(token.text)
        if !options.quiet {
          Console.remark(
            "  token \(token.id) for \(principal), valid until \(Sentence.time(expires)); it is not shown again")
        }
      }
    }
  }

  /// `marketplace token list`
  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "list", abstract: "Every token that was made, and whether it is valid.",
      discussion: "For example: marketplace token list --output json")
    @OptionGroup var options: GlobalOptions

    private struct JSON: Encodable {
      var schema = "marketplace.token.list/1"
      var tokens: [Entry]
    }

    func run() async throws {
      let records = try await Workplace.use(try Settings(options), options: options) { place in
        try await TokenBook(place.ledger).all()
      }
      let now = Timestamp.now()
      switch options.output {
      case .json: try JSONOutput.print(JSON(tokens: records.map { Entry($0, at: now) }))
      case .table:
        var table = Table(["TOKEN", "NAME", "PRINCIPAL", "SCOPES", "WORKSPACES", "STATE"])
        for record in records {
          let state =
            record.revokedAt.map { "revoked \(Sentence.time($0))" }
            ?? "\(record.isValid(at: now) ? "valid until" : "expired") \(Sentence.time(record.expires))"
          table.add([
            record.created.token, record.created.name, record.created.principal,
            record.created.scopes.joined(separator: " "), record.created.workspaces.joined(separator: " "), state,
          ])
        }
        table.print()
        if records.isEmpty { Console.remark("  no token was made yet; 'marketplace token create' makes one") }
      }
    }
  }

  /// `marketplace token revoke`
  struct Revoke: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "revoke", abstract: "Take a token back: within a second nobody is let in with it.",
      discussion: "For example: marketplace token revoke k3v9q2m1x7aa --reason 'left in a notebook'")
    @OptionGroup var options: GlobalOptions
    @Argument(help: "The token's id, the part between its first two underscores; or the token itself.") var id: String
    @Option(help: "Why, for the record.") var reason: String?

    private struct JSON: Encodable {
      var schema = "marketplace.token.revoke/1"
      var token: Entry
    }

    func run() async throws {
      let id = AccessToken(id)?.id ?? id
      let record = try await Workplace.use(try Settings(options), options: options) { place in
        try await TokenBook(place.ledger).revoke(id, reason: reason)
      }
      guard let record else {
        throw Failure(
          .usage, "unknown_token", "There is no token '\(id)'. 'marketplace token list' shows what there is.")
      }
      switch options.output {
      case .json: try JSONOutput.print(JSON(token: Entry(record, at: .now())))
      case .table:
        Console.data("  token \(id) is revoked\(record.revokedAt.map { " (\(Sentence.time($0)))" } ?? "")")
      }
    }
  }
}
