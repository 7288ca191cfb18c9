import Access
public import Hummingbird

/// What is known of a request while it is answered.
public struct ServerContext: RequestContext {
  /// What the router needs.
  public var coreContext: CoreRequestContextStorage
  /// Who asks, where that had to be shown.
  var caller: Caller?

  /// A request that came in.
  public init(source: Source) { coreContext = .init(source: source) }
}
