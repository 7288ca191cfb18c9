import Foundation
import FoundationXML
import TestSupport
import Testing

@testable import Storage

@Suite("The reader of a store's XML")
struct XMLReaderTests {
  @Test("reads elements, text, entities, sections and name spaces")
  func reads() throws {
    let text = """
      \u{feff}<?xml version="1.0" encoding="UTF-8"?>
      <!-- a listing -->
      <s3:List xmlns:s3='http://s3.amazonaws.com/doc/2006-03-01/' a = "x>y">
        <Key>a&amp;b&#x41;&#66;&lt;&gt;&quot;&apos;<![CDATA[<&amp;]]>ü</Key><Empty/><Empty
        ></Empty ><!-- between --><?pi x?>
      </s3:List>

      """
    let root = try XMLReader.read(Array(text.utf8))
    #expect(root.name == "List")
    #expect(root.text("Key") == "a&bAB<>\"'<&amp;ü")
    #expect(root.all("Empty").map(\.text) == ["", ""])
    #expect(root.children.count == 3)
  }

  @Test(
    "refuses what is no XML, and every document type",
    arguments: [
      "", " ", "text", "<a>", "<a></b>", "<a/><b/>", "</a>", "<a b></a>", "<a b=c/>", "<a b='<'/>", "<a>&unknown;</a>",
      "<a>& </a>", "<a>&#0;</a>", "<a>&#xD800;</a>", "<a>&amp</a>", "<a", "<a><!-- </a>", "<a><![CDATA[x</a>", "<>",
      "<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>", "<a/>x", "<a b='c/>", "<a>&#-5;</a>",
    ])
  func refuses(_ text: String) {
    #expect(throws: XMLReader.Malformed.self) { try XMLReader.read(Array(text.utf8)) }
  }

  @Test("bounds depth, and takes no bytes that are not UTF-8")
  func bounds() throws {
    let deep = String(repeating: "<a>", count: 100_000)
    #expect(throws: XMLReader.Malformed.self) { try XMLReader.read(Array(deep.utf8)) }
    let fits = String(repeating: "<a>", count: 32) + String(repeating: "</a>", count: 32)
    #expect(try XMLReader.read(Array(fits.utf8)).name == "a")
    #expect(throws: XMLReader.Malformed.self) { try XMLReader.read(Array("<a>".utf8) + [0xff] + Array("</a>".utf8)) }
  }

  @Test("reads what Foundation's parser reads, in the same way")
  func sameAsFoundation() throws {
    var random = Seeded(20)
    for _ in 0..<300 {
      let text = Self.document(&random)
      let oracle = Oracle()
      let parser = XMLParser(data: Data(text.utf8))
      parser.delegate = oracle
      let isRead = parser.parse()
      let ours = try? XMLReader.read(Array(text.utf8))
      #expect(isRead && ours != nil && ours == oracle.root, "\(text)")
    }
  }

  private static func document(_ random: inout Seeded, depth: Int = 0) -> String {
    let name = ["a", "Key", "x-1", "é"][Int.random(in: 0..<4, using: &random)]
    let pieces = [
      "text", "&amp;", "&#233;", "&#x1F9EC;", "<![CDATA[<]]>", "<!-- c -->", " ", "\n", "ü", "&lt;", "a\r\nb",
    ]
    var inside = ""
    for _ in 0..<Int.random(in: 0..<5, using: &random) {
      inside +=
        depth < 5 && random.once(in: 3)
        ? document(&random, depth: depth + 1) : pieces[Int.random(in: 0..<pieces.count, using: &random)]
    }
    let attribute = random.once(in: 3) ? " b=\"c &amp; d\"" : ""
    return inside.isEmpty && random.once(in: 2) ? "<\(name)\(attribute)/>" : "<\(name)\(attribute)>\(inside)</\(name)>"
  }

  private final class Oracle: NSObject, XMLParserDelegate {
    private var open: [Storage.XMLElement] = []
    var root: Storage.XMLElement?

    func parser(
      _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
      attributes: [String: String]
    ) {
      open.append(Storage.XMLElement(name: name))
    }

    func parser(_ parser: XMLParser, foundCharacters text: String) {
      guard !open.isEmpty else { return }
      open[open.count - 1].text += text
    }

    func parser(_ parser: XMLParser, foundCDATA block: Data) {
      guard !open.isEmpty else { return }
      open[open.count - 1].text += String(decoding: block, as: UTF8.self)
    }

    func parser(_ parser: XMLParser, didEndElement name: String, namespaceURI: String?, qualifiedName: String?) {
      guard let closed = open.popLast() else { return }
      if open.isEmpty { root = closed } else { open[open.count - 1].children.append(closed) }
    }
  }
}
