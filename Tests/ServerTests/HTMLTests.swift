import Catalog
import Testing

@testable import Server

@Suite("Pieces of pages")
struct HTMLTests {
  @Test("text stays text wherever it is put, and pieces stay pieces")
  func escaping() {
    let name = "<b onclick=\"x('y')\">&amp;\u{0}\u{202e}\n"
    let piece: HTML = "<p title=\"\(name)\">\(name)\(["<i>", "</i>"] as [HTML])\(nil as HTML?)\(7)</p>"
    let text = "&lt;b onclick=&quot;x(&#39;y&#39;)&quot;&gt;&amp;amp;\\u{0}\\u{202e}\n"
    #expect(piece.text == "<p title=\"\(text)\">\(text)<i></i>7</p>")
  }

  @Test("addresses are encoded, and come back as they were")
  func addresses() throws {
    for text in ["", "a b+c&d=e", "é/🧬?#%", "\u{1}\u{7f}"] {
      let address = Address("/models", [("q", text)]).text
      #expect(address.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f })
      #expect(try RequestQuery(address.split(separator: "?").last.map(String.init))["q"] ?? "" == text)
    }
    #expect(try RequestQuery("q=a+b%2Bc")["q"] == "a b+c")
    #expect(Address("/m", [("w", "1")]).toggling("w", "2").toggling("w", "1").text == "/m?w=2")
    #expect(throws: Problem.self) { try RequestQuery("q=%zz") }
  }

  @Test("a plot draws finite values within its bounds, and says what it shows")
  func plots() {
    let values = [0.5, .nan, 1, -.infinity, 0.75, 1.7e308, -1.7e308]
    let svg = Plot(name: "a<b", points: values.enumerated().map { ($0 + 1, $1) }, marked: 3).svg.text
    #expect(svg.contains("aria-label=\"a&lt;b of 5 versions"))
    #expect(svg.matches(of: /<circle/).count == 5 && svg.matches(of: /class="marked"/).count == 1)
    let places = svg.matches(of: /c[xy]="([^"]+)"/).compactMap { Double($0.1) }
    #expect(places.count == 10 && places.allSatisfy { (0...320).contains($0) })
    #expect(Plot(name: "a", points: [(1, 2)], marked: nil).svg.text.isEmpty)
    #expect(Plot(name: "a", points: [(1, 2), (2, 2)], marked: nil).svg.text.contains("<polyline"))
  }

  @Test("a snippet is Python whatever a model is called")
  func snippets() {
    let python = LoadSnippet(
      name: "a\"\\\n#", version: 3, registry: .init(address: "http://h/", workspace: "w"), modelSHA256: nil
    ).python
    #expect(python.contains("os.environ[\"MLFLOW_WORKSPACE\"] = \"w\""))
    #expect(python.hasSuffix(#"model = mlflow.pyfunc.load_model("models:/a\"\\\u000a#/3")"#))
    // What a page shows by its number is copied as Python reads it.
    let hidden = LoadSnippet(name: "a\u{202e}\u{e0041}b", version: 1, registry: nil, modelSHA256: "00").python
    #expect(hidden.contains(#"\"models:/a\u202e\U000e0041b/1\""#.replacing(#"\""#, with: "\"")))
    #expect(
      Printable.text(hidden, keepsLines: true) == hidden && !hidden.contains("assert"))
  }
}
