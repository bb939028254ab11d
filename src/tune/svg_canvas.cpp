#include <fmt/format.h>

#include "tune/canvas.h"

namespace bantam {
namespace {

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '&':
        out += "&amp;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
  }
  return out;
}

std::string code(CanvasColour colour) {
  return fmt::format("#{:02x}{:02x}{:02x}", colour.red, colour.green, colour.blue);
}

}  // namespace

SvgCanvas::SvgCanvas(double width, double height)
    : out_(fmt::format(
          "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" "
          "height=\"{1}\" font-family=\"sans-serif\" font-size=\"12\" fill=\"{2}\">\n"
          "<rect width=\"{0}\" height=\"{1}\" fill=\"#ffffff\"/>\n",
          width, height, code(kCanvasInk))) {}

void SvgCanvas::line(std::span<const CanvasPoint> points, CanvasColour colour, double width,
                     double dash) {
  std::string path;
  for (const CanvasPoint& point : points)
    path += fmt::format("{}{:.1f},{:.1f}", path.empty() ? "" : " ", point.x, point.y);
  out_ += fmt::format("<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{}\"",
                      path, code(colour), width);
  if (dash > 0) out_ += fmt::format(" stroke-dasharray=\"{}\"", dash);
  out_ += "/>\n";
}

void SvgCanvas::dot(CanvasPoint centre, double radius, CanvasColour colour) {
  out_ += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{}\" fill=\"{}\"/>\n", centre.x,
                      centre.y, radius, code(colour));
}

void SvgCanvas::text(CanvasPoint at, TextAnchor anchor, std::string_view text) {
  const std::string_view place = anchor == TextAnchor::kStart    ? "start"
                                 : anchor == TextAnchor::kMiddle ? "middle"
                                                                 : "end";
  out_ += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>\n", at.x, at.y,
                      place, escaped(text));
}

}  // namespace bantam
