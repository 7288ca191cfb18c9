/// One value of a metric.
public struct Metric: Sendable, Hashable {
  /// The metric's name.
  public var key: String
  /// The value, NaN and infinities included. MLflow keeps an infinity as ±`Double.greatestFiniteMagnitude`.
  public var value: Double
  /// When it was logged, milliseconds since 1970.
  public var timestamp: Int64
  /// The step it was logged at.
  public var step: Int64

  /// A value.
  public init(key: String, value: Double, timestamp: Int64, step: Int64 = 0) {
    self.key = key
    self.value = value
    self.timestamp = timestamp
    self.step = step
  }
}
