/// The writer of Delta tables: a script in Python over the package deltalake.
public enum TableWriter {
  /// Its text.
  public static let text: [UInt8] = PackageResources.write_tables_py
}
