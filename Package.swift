// swift-tools-version:6.2
import PackageDescription

let strict: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .treatAllWarnings(as: .error),
]

// Arrows point down only: a target may depend on what stands above it in this list, never the other way.
let package = Package(
  name: "model-marketplace",
  platforms: [.macOS(.v15)],
  products: [.executable(name: "marketplace", targets: ["marketplace"])],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
    .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
    .package(url: "https://github.com/apple/swift-nio-extras", from: "1.35.2"),
    .package(url: "https://github.com/apple/swift-nio-ssl.git", from: "2.37.6"),
    .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
    .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1", traits: []),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
    .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.2"),
    .package(url: "https://github.com/vapor/jwt-kit", from: "5.7.1"),
  ],
  targets: [
    .systemLibrary(name: "CLibPQ", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
    .systemLibrary(name: "CLibCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
    .target(
      name: "Postgres",
      dependencies: [
        "CLibPQ", .product(name: "Subprocess", package: "swift-subprocess"),
        .product(name: "SystemPackage", package: "swift-system"),
      ],
      swiftSettings: strict),
    .target(name: "EmbeddedMigrations", path: "migrations/embedded"),
    .target(
      name: "Migrations", dependencies: ["EmbeddedMigrations"], path: "migrations", exclude: ["embedded", "sql"],
      swiftSettings: strict),
    .target(name: "Ledger", dependencies: ["Postgres", "Migrations"], swiftSettings: strict),
    .target(
      name: "Transparency", dependencies: ["CLibCrypto", .product(name: "Crypto", package: "swift-crypto")],
      swiftSettings: strict),
    .target(
      name: "Marketplace", dependencies: [.product(name: "Crypto", package: "swift-crypto")],
      swiftSettings: strict),
    .target(
      name: "Registry",
      dependencies: [
        .product(name: "AsyncHTTPClient", package: "async-http-client"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
      ],
      swiftSettings: strict),
    .target(
      name: "Storage",
      dependencies: [
        "CLibCrypto",
        .product(name: "AsyncHTTPClient", package: "async-http-client"),
        .product(name: "Crypto", package: "swift-crypto"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "NIOSSL", package: "swift-nio-ssl"),
        .product(name: "Subprocess", package: "swift-subprocess"),
        .product(name: "SystemPackage", package: "swift-system"),
      ],
      swiftSettings: strict),
    .target(
      name: "Artifacts",
      dependencies: ["Registry", "Storage", .product(name: "AsyncHTTPClient", package: "async-http-client")],
      swiftSettings: strict),
    .target(
      name: "Transfer",
      dependencies: [
        "Marketplace", "Ledger", "Postgres", "Registry", "Storage", .product(name: "Yams", package: "Yams"),
      ],
      swiftSettings: strict),
    .target(name: "Audit", dependencies: ["Ledger", "Postgres", "Storage", "Transparency"], swiftSettings: strict),
    .target(name: "Catalog", dependencies: ["Postgres"], swiftSettings: strict),
    .target(
      name: "Access",
      dependencies: [
        "Ledger", "Marketplace", "Postgres", .product(name: "Crypto", package: "swift-crypto"),
        .product(name: "JWTKit", package: "jwt-kit"),
      ],
      swiftSettings: strict),
    .target(
      name: "Server",
      dependencies: [
        "Access", "Catalog", "Ledger", "Marketplace", "Postgres", .product(name: "Crypto", package: "swift-crypto"),
        .product(name: "HTTPTypes", package: "swift-http-types"),
        .product(name: "Hummingbird", package: "hummingbird"),
        .product(name: "HummingbirdCore", package: "hummingbird"),
        .product(name: "HummingbirdTLS", package: "hummingbird"), .product(name: "Logging", package: "swift-log"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
        .product(name: "NIOSSL", package: "swift-nio-ssl"),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
        .product(name: "UnixSignals", package: "swift-service-lifecycle"),
      ],
      resources: [.embedInCode("Assets")], swiftSettings: strict),
    .target(
      name: "Verifier", path: "ops/audit", exclude: ["questions"], resources: [.embedInCode("verify.py")],
      swiftSettings: strict),
    .target(
      name: "TableWriter", path: "ops/lakehouse", resources: [.embedInCode("write_tables.py")], swiftSettings: strict),
    .target(name: "Lakehouse", dependencies: ["Postgres", "TableWriter"], swiftSettings: strict),
    .executableTarget(
      name: "marketplace",
      dependencies: [
        "Access", "Artifacts", "Audit", "Catalog", "Lakehouse", "Ledger", "Marketplace", "Postgres", "Registry",
        "Server",
        "Storage", "Transfer", "Transparency", "Verifier",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "AsyncHTTPClient", package: "async-http-client"),
        .product(name: "Logging", package: "swift-log"), .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
        .product(name: "Yams", package: "Yams"),
      ],
      swiftSettings: strict),
    .target(
      name: "TestSupport",
      dependencies: [
        "Artifacts", "Catalog", "Ledger", "Marketplace", "Postgres", "Registry", "Storage", "Transfer",
        .product(name: "AsyncHTTPClient", package: "async-http-client"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
      ],
      path: "Tests/TestSupport", resources: [.embedInCode("Resources")], swiftSettings: strict),
    .testTarget(
      name: "PostgresTests",
      dependencies: ["Postgres", "TestSupport"],
      swiftSettings: strict),
    .testTarget(
      name: "LedgerTests",
      dependencies: ["Ledger", "Migrations", "Postgres", "TestSupport"],
      exclude: ["leaf.py"], resources: [.copy("Vectors")],
      swiftSettings: strict),
    .testTarget(
      name: "TransparencyTests",
      dependencies: ["Transparency", .product(name: "Crypto", package: "swift-crypto")], resources: [.copy("Vectors")],
      swiftSettings: strict),
    .testTarget(
      name: "MarketplaceTests",
      dependencies: ["Marketplace", "TestSupport"],
      swiftSettings: strict),
    .testTarget(
      name: "RegistryTests",
      dependencies: [
        "Registry", "TestSupport", .product(name: "AsyncHTTPClient", package: "async-http-client"),
        .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOEmbedded", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"), .product(name: "NIOPosix", package: "swift-nio"),
      ],
      swiftSettings: strict),
    .testTarget(
      name: "StorageTests",
      dependencies: [
        "Storage", "TestSupport", .product(name: "AsyncHTTPClient", package: "async-http-client"),
        .product(name: "Crypto", package: "swift-crypto"), .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"), .product(name: "NIOPosix", package: "swift-nio"),
      ],
      swiftSettings: strict),
    .testTarget(
      name: "ArtifactsTests",
      dependencies: [
        "Artifacts", "Registry", "Storage", "TestSupport", .product(name: "NIOHTTP1", package: "swift-nio"),
      ],
      swiftSettings: strict),
    .testTarget(
      name: "TransferTests",
      dependencies: [
        "Artifacts", "Transfer", "Catalog", "TestSupport",
        .product(name: "AsyncHTTPClient", package: "async-http-client"),
        .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOHTTP1", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
      ],
      swiftSettings: strict),
    .testTarget(
      name: "AuditTests",
      dependencies: [
        "Audit", "Ledger", "Postgres", "Storage", "TestSupport", "Transparency",
        .product(name: "Crypto", package: "swift-crypto"),
      ],
      exclude: ["others.py"], swiftSettings: strict),
    .target(
      name: "Simulation",
      dependencies: [
        "Ledger", "Marketplace", "Postgres", "Registry", "Storage", "Transfer",
        .product(name: "Crypto", package: "swift-crypto"),
      ],
      path: "Tests/Simulation", swiftSettings: strict),
    .executableTarget(
      name: "simulate", dependencies: ["Simulation"], path: "Tests/Simulate", swiftSettings: strict),
    .testTarget(
      name: "SimulationTests",
      dependencies: ["Simulation"], resources: [.copy("seeds.txt")],
      swiftSettings: strict),
    .testTarget(
      name: "CatalogTests",
      dependencies: ["Catalog", "Ledger", "Marketplace", "Postgres", "TestSupport"],
      resources: [.embedInCode("Resources")],
      swiftSettings: strict),
    .testTarget(
      name: "ServerTests",
      dependencies: [
        "Access", "Catalog", "Ledger", "Marketplace", "Postgres", "Server", "TestSupport",
        .product(name: "HTTPTypes", package: "swift-http-types"),
        .product(name: "Hummingbird", package: "hummingbird"),
        .product(name: "Crypto", package: "swift-crypto"),
        .product(name: "HummingbirdTesting", package: "hummingbird"), .product(name: "JWTKit", package: "jwt-kit"),
        .product(name: "Logging", package: "swift-log"), .product(name: "NIOCore", package: "swift-nio"),
      ], swiftSettings: strict),
    .testTarget(
      name: "CommandTests",
      dependencies: [
        "marketplace", "Ledger", "Marketplace", "Postgres", "Registry", "Server", "TestSupport", "Transfer",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Yams", package: "Yams"),
      ],
      swiftSettings: strict),
  ],
  swiftLanguageModes: [.v6]
)
