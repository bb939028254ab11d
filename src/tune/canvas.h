// What a curve is drawn on: a vector picture or one of dots. For curve.cpp.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace bantam {

struct CanvasPoint {
  double x = 0, y = 0;  // from the upper left corner
};

struct CanvasColour {
  std::uint8_t red = 0, green = 0, blue = 0;
  bool operator==(const CanvasColour&) const = default;
};

enum class TextAnchor : std::uint8_t { kStart, kMiddle, kEnd };

class Canvas {
 public:
  virtual ~Canvas() = default;

  // `dash`: length of the drawn and of the left out stretches; 0: whole.
  virtual void line(std::span<const CanvasPoint> points, CanvasColour colour, double width,
                    double dash) = 0;
  virtual void dot(CanvasPoint centre, double radius, CanvasColour colour) = 0;
  // Letters about 12 units high; `at` is on their base line.
  virtual void text(CanvasPoint at, TextAnchor anchor, std::string_view text) = 0;
};

inline constexpr CanvasColour kCanvasInk = {0x33, 0x33, 0x33};

class SvgCanvas final : public Canvas {
 public:
  SvgCanvas(double width, double height);
  void line(std::span<const CanvasPoint> points, CanvasColour colour, double width,
            double dash) override;
  void dot(CanvasPoint centre, double radius, CanvasColour colour) override;
  void text(CanvasPoint at, TextAnchor anchor, std::string_view text) override;
  std::string finish() && { return std::move(out_) + "</svg>\n"; }

 private:
  std::string out_;
};

// Two dots a unit, smooth edges. Of text it has what ASCII has; other characters become a box.
class PngCanvas final : public Canvas {
 public:
  PngCanvas(double width, double height);
  void line(std::span<const CanvasPoint> points, CanvasColour colour, double width,
            double dash) override;
  void dot(CanvasPoint centre, double radius, CanvasColour colour) override;
  void text(CanvasPoint at, TextAnchor anchor, std::string_view text) override;
  // The file. kInternal "png_failed" with what the library says.
  Result<std::string> finish() const;

 private:
  void segment(CanvasPoint from, CanvasPoint to, double radius, CanvasColour colour);
  void blend(std::int64_t x, std::int64_t y, double cover, CanvasColour colour);

  std::int64_t width_, height_;       // dots
  std::vector<std::uint8_t> pixels_;  // (height, width, 3)
};

}  // namespace bantam
