/// The verifier that needs nothing but Python, for archives that are to be verified elsewhere.
public enum Verifier {
  /// The name of its file.
  public static let name = "verify.py"
  /// Its text.
  public static let text: [UInt8] = PackageResources.verify_py
}
