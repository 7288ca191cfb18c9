/// What the source says about a model, or about one of its versions: a bounded snapshot, without sample rows.
public struct ModelDescribed: Codable, Hashable, Sendable {
  /// The incarnation.
  public var model: String
  /// The model's name at the source.
  public var name: String
  /// The version described; absent when the model itself is.
  public var version: Int?
  /// The description, as the source has it.
  public var description: String?
  /// Who owns it, from the tag `owner` or the registering user.
  public var owner: String?
  /// The tags, but for our own.
  public var tags: [ExactText: String]
  /// The flavours its `MLmodel` names.
  public var flavors: [String]?
  /// The signature its `MLmodel` states, each part as MLflow's JSON text.
  public var signature: [String: String]?
  /// The run's last metric values; `"NaN"` and `"±Infinity"` as text.
  public var metrics: [ExactText: MetricValue]?
  /// The run's parameters.
  public var params: [ExactText: String]?
  /// The run's name.
  public var runName: String?
  /// The experiment's name.
  public var experiment: String?
  /// The fields above that do not hold all that the source says, sorted; absent when none was cut.
  public var cut: [String]?

  enum CodingKeys: String, CodingKey {
    case model, name, version, description, owner, tags, flavors, signature, metrics, params
    case runName = "run_name"
    case experiment, cut
  }

  /// A snapshot of a model; set the rest for a version.
  public init(
    model: String, name: String, version: Int? = nil, description: String?, owner: String?,
    tags: [ExactText: String]
  ) {
    self.model = model
    self.name = name
    self.version = version
    self.description = description
    self.owner = owner
    self.tags = tags
  }
}

/// A metric's value: JSON has no NaN and no infinity, so those are text. So are numbers closer to zero than a normal
/// `Double`, whose exponents the ledger does not take.
public struct MetricValue: Codable, Hashable, Sendable {
  /// The value.
  public var value: Double

  /// Wraps a value.
  public init(_ value: Double) { self.value = value }

  /// Equal also when both are NaN, so that an unchanged snapshot compares as unchanged.
  public static func == (a: Self, b: Self) -> Bool { a.value == b.value || (a.value.isNaN && b.value.isNaN) }

  /// In step with `==`.
  public func hash(into hasher: inout Hasher) {
    hasher.combine(value.isNaN ? .infinity : value)
  }

  /// Reads a number, or one of `"NaN"`, `"Infinity"`, `"-Infinity"`, or a number near zero as text.
  ///
  /// - Throws: a decoding error for anything else.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if let number = try? container.decode(Double.self) {
      value = number
      return
    }
    switch try container.decode(String.self) {
    case "NaN": value = .nan
    case "Infinity": value = .infinity
    case "-Infinity": value = -.infinity
    case let other:
      if let number = Double(other), number.isSubnormal {
        value = number
        return
      }
      throw DecodingError.dataCorruptedError(
        in: container, debugDescription: "'\(other)' is not a metric value")
    }
  }

  /// Writes a number where JSON has one, else its name.
  ///
  /// - Throws: what the encoder throws.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    if value.isSubnormal {
      try container.encode("\(value)")
    } else if value.isFinite {
      try container.encode(value)
    } else {
      try container.encode(value.isNaN ? "NaN" : value > 0 ? "Infinity" : "-Infinity")
    }
  }
}
