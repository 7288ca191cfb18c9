/// A metric over the versions of a model: a line and its points, drawn where the page is made.
struct Plot {
  /// Points that are drawn; of more the last ones.
  static let pointsMax = 60

  let name: String
  let points: [(version: Int, value: Double)]
  /// The version that is picked out.
  let marked: Int?

  private static let (width, height, margin) = (320.0, 120.0, 10.0)
  /// What a character of a label takes at most.
  private static let characterWidth = 7.0

  /// Nothing where there is no value that can be drawn.
  var svg: HTML {
    let drawn = points.suffix(Self.pointsMax).filter { $0.value.isFinite }
    guard let low = drawn.map(\.value).min(), let high = drawn.map(\.value).max(), drawn.count > 1 else {
      return .empty
    }
    let (right, bottom) = (Self.width - Self.margin, Self.height - 24)
    // The labels of the values stand left of it, whatever they are.
    let longest = max(Words.measure(low).count, Words.measure(high).count)
    let left = max(52, Double(longest) * Self.characterWidth + 8)
    func x(_ place: Int) -> Double { left + Double(place) / Double(drawn.count - 1) * (right - left) }
    func y(_ value: Double) -> Double {
      // Halved before they are subtracted: values may lie as far apart as there are numbers.
      let share = high > low ? (value / 2 - low / 2) / (high / 2 - low / 2) : 0.5
      return bottom - share * (bottom - Self.margin)
    }
    func text(_ number: Double) -> String { "\((number * 10).rounded() / 10)" }
    let line = drawn.enumerated().map { "\(text(x($0))),\(text(y($1.value)))" }.joined(separator: " ")
    let dots: [HTML] = drawn.enumerated().map { place, point in
      let isMarked = point.version == marked
      return
        "<circle cx=\"\(text(x(place)))\" cy=\"\(text(y(point.value)))\" r=\"\(isMarked ? 5 : 3)\" class=\"\(isMarked ? "marked" : "point")\"><title>v\(point.version): \(Words.measure(point.value))</title></circle>"
    }
    let said =
      "\(name) of \(drawn.count) versions, from \(Words.measure(drawn[drawn.startIndex].value)) to \(Words.measure(drawn[drawn.endIndex - 1].value)); lowest \(Words.measure(low)), highest \(Words.measure(high))"
    return """
      <svg class="plot" viewBox="0 0 \(text(Self.width)) \(text(Self.height))" role="img" aria-label="\(said)">\
      <line x1="\(text(left))" y1="\(text(bottom))" x2="\(text(right))" y2="\(text(bottom))" class="axis"/>\
      <text x="\(text(left - 6))" y="\(text(Self.margin + 4))" text-anchor="end">\(Words.measure(high))</text>\
      \(high > low ? "<text x=\"\(text(left - 6))\" y=\"\(text(bottom))\" text-anchor=\"end\">\(Words.measure(low))</text>" : "" as HTML)\
      <text x="\(text(left))" y="\(text(Self.height - 6))">v\(drawn[drawn.startIndex].version)</text>\
      <text x="\(text(right))" y="\(text(Self.height - 6))" text-anchor="end">v\(drawn[drawn.endIndex - 1].version)</text>\
      <polyline points="\(line)" class="line"/>\(dots)</svg>
      """
  }
}
