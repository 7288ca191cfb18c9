public import Hummingbird

/// What is known of a request while it is answered.
public struct ServerContext: RequestContext {
  /// What the router needs.
  public var coreContext: CoreRequestContextStorage

  /// A request that came in.
  public init(source: Source) { coreContext = .init(source: source) }
}
