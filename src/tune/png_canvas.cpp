#include <png.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "tune/canvas.h"

namespace bantam {
namespace {

constexpr double kScale = 2;        // dots a unit
constexpr double kLetterScale = 2;  // dots a dot of a letter
constexpr int kLetterWidth = 5, kLetterHeight = 7, kLetterStep = 6;

// Letters of five by seven dots, a row a number, the leftmost dot its highest bit. Capitals are
// shown as small letters.
struct Glyph {
  char letter;
  std::array<std::uint8_t, kLetterHeight> rows;
};
constexpr auto kGlyphs = std::to_array<Glyph>({
    {' ', {0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00}},
    {'+', {0x00, 0x04, 0x04, 0x1F, 0x04, 0x04, 0x00}},
    {'-', {0x00, 0x00, 0x00, 0x1F, 0x00, 0x00, 0x00}},
    {'.', {0x00, 0x00, 0x00, 0x00, 0x00, 0x0C, 0x0C}},
    {'/', {0x00, 0x01, 0x02, 0x04, 0x08, 0x10, 0x00}},
    {'0', {0x0E, 0x11, 0x13, 0x15, 0x19, 0x11, 0x0E}},
    {'1', {0x04, 0x0C, 0x04, 0x04, 0x04, 0x04, 0x0E}},
    {'2', {0x0E, 0x11, 0x01, 0x06, 0x08, 0x10, 0x1F}},
    {'3', {0x0E, 0x11, 0x01, 0x06, 0x01, 0x11, 0x0E}},
    {'4', {0x02, 0x06, 0x0A, 0x12, 0x1F, 0x02, 0x02}},
    {'5', {0x1F, 0x10, 0x1E, 0x01, 0x01, 0x11, 0x0E}},
    {'6', {0x06, 0x08, 0x10, 0x1E, 0x11, 0x11, 0x0E}},
    {'7', {0x1F, 0x01, 0x02, 0x04, 0x04, 0x08, 0x08}},
    {'8', {0x0E, 0x11, 0x11, 0x0E, 0x11, 0x11, 0x0E}},
    {'9', {0x0E, 0x11, 0x11, 0x0F, 0x01, 0x02, 0x0C}},
    {'_', {0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x1F}},
    {'a', {0x00, 0x00, 0x0E, 0x01, 0x0F, 0x11, 0x0F}},
    {'b', {0x10, 0x10, 0x1E, 0x11, 0x11, 0x11, 0x1E}},
    {'c', {0x00, 0x00, 0x0E, 0x10, 0x10, 0x11, 0x0E}},
    {'d', {0x01, 0x01, 0x0F, 0x11, 0x11, 0x11, 0x0F}},
    {'e', {0x00, 0x00, 0x0E, 0x11, 0x1F, 0x10, 0x0E}},
    {'f', {0x06, 0x08, 0x1E, 0x08, 0x08, 0x08, 0x08}},
    {'g', {0x00, 0x0F, 0x11, 0x11, 0x0F, 0x01, 0x0E}},
    {'h', {0x10, 0x10, 0x16, 0x19, 0x11, 0x11, 0x11}},
    {'i', {0x04, 0x00, 0x0C, 0x04, 0x04, 0x04, 0x0E}},
    {'j', {0x02, 0x00, 0x02, 0x02, 0x02, 0x12, 0x0C}},
    {'k', {0x10, 0x10, 0x12, 0x14, 0x18, 0x14, 0x12}},
    {'l', {0x0C, 0x04, 0x04, 0x04, 0x04, 0x04, 0x0E}},
    {'m', {0x00, 0x00, 0x1A, 0x15, 0x15, 0x15, 0x15}},
    {'n', {0x00, 0x00, 0x16, 0x19, 0x11, 0x11, 0x11}},
    {'o', {0x00, 0x00, 0x0E, 0x11, 0x11, 0x11, 0x0E}},
    {'p', {0x00, 0x00, 0x1E, 0x11, 0x1E, 0x10, 0x10}},
    {'q', {0x00, 0x00, 0x0F, 0x11, 0x0F, 0x01, 0x01}},
    {'r', {0x00, 0x00, 0x16, 0x19, 0x10, 0x10, 0x10}},
    {'s', {0x00, 0x00, 0x0F, 0x10, 0x0E, 0x01, 0x1E}},
    {'t', {0x08, 0x08, 0x1E, 0x08, 0x08, 0x09, 0x06}},
    {'u', {0x00, 0x00, 0x11, 0x11, 0x11, 0x13, 0x0D}},
    {'v', {0x00, 0x00, 0x11, 0x11, 0x11, 0x0A, 0x04}},
    {'w', {0x00, 0x00, 0x11, 0x15, 0x15, 0x15, 0x0A}},
    {'x', {0x00, 0x00, 0x11, 0x0A, 0x04, 0x0A, 0x11}},
    {'y', {0x00, 0x11, 0x11, 0x11, 0x0F, 0x01, 0x0E}},
    {'z', {0x00, 0x00, 0x1F, 0x02, 0x04, 0x08, 0x1F}},
});
constexpr Glyph kUnknown = {'?', {0x1F, 0x11, 0x11, 0x11, 0x11, 0x11, 0x1F}};

const Glyph& glyph_of(char letter) {
  if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
  const auto* const found = std::ranges::find(kGlyphs, letter, &Glyph::letter);
  return found == kGlyphs.end() ? kUnknown : *found;
}

}  // namespace

PngCanvas::PngCanvas(double width, double height)
    : width_(std::llround(width * kScale)),
      height_(std::llround(height * kScale)),
      pixels_(static_cast<std::size_t>(width_ * height_ * 3), 0xFF) {}

// `cover`: how much of the dot is painted.
void PngCanvas::blend(std::int64_t x, std::int64_t y, double cover, CanvasColour colour) {
  if (x < 0 || y < 0 || x >= width_ || y >= height_ || cover <= 0) return;
  std::uint8_t* const pixel = &pixels_[static_cast<std::size_t>((y * width_ + x) * 3)];
  const std::array<std::uint8_t, 3> paint = {colour.red, colour.green, colour.blue};
  for (std::size_t i = 0; i < 3; ++i)
    pixel[i] = static_cast<std::uint8_t>(
        std::lround(pixel[i] + std::min(cover, 1.0) * (paint[i] - pixel[i])));
}

// All dots nearer than `radius` to the segment, in dots; those at its edge in part.
void PngCanvas::segment(CanvasPoint from, CanvasPoint to, double radius, CanvasColour colour) {
  const double dx = to.x - from.x, dy = to.y - from.y, length = dx * dx + dy * dy;
  const auto low = [&](double a, double b) { return std::llround(std::min(a, b) - radius - 1); };
  const auto high = [&](double a, double b) { return std::llround(std::max(a, b) + radius + 1); };
  const std::int64_t last_y = std::min<std::int64_t>(high(from.y, to.y), height_ - 1);
  const std::int64_t last_x = std::min<std::int64_t>(high(from.x, to.x), width_ - 1);
  for (std::int64_t y = std::max<std::int64_t>(low(from.y, to.y), 0); y <= last_y; ++y)
    for (std::int64_t x = std::max<std::int64_t>(low(from.x, to.x), 0); x <= last_x; ++x) {
      const double px = static_cast<double>(x) + 0.5 - from.x;
      const double py = static_cast<double>(y) + 0.5 - from.y;
      const double along = length > 0 ? std::clamp((px * dx + py * dy) / length, 0.0, 1.0) : 0;
      blend(x, y, radius + 0.5 - std::hypot(px - along * dx, py - along * dy), colour);
    }
}

void PngCanvas::line(std::span<const CanvasPoint> points, CanvasColour colour, double width,
                     double dash) {
  double done = 0;  // units of the line so far
  for (std::size_t i = 1; i < points.size(); ++i) {
    const CanvasPoint a = points[i - 1], b = points[i];
    const double length = std::hypot(b.x - a.x, b.y - a.y);
    const auto at = [&](double along) {
      const double share = length > 0 ? along / length : 0;
      return CanvasPoint{kScale * (a.x + share * (b.x - a.x)),
                         kScale * (a.y + share * (b.y - a.y))};
    };
    for (double from = 0; from < length || (from == 0 && length == 0);) {
      const double piece = dash > 0 ? dash - std::fmod(done + from, dash) : length;
      const double to = std::min(length, from + std::max(piece, 1e-3));
      const bool drawn = dash <= 0 || std::fmod((done + from) / dash, 2.0) < 1;
      if (drawn) segment(at(from), at(to), kScale * width / 2, colour);
      if (length == 0) break;
      from = to;
    }
    done += length;
  }
}

void PngCanvas::dot(CanvasPoint centre, double radius, CanvasColour colour) {
  const CanvasPoint at{kScale * centre.x, kScale * centre.y};
  segment(at, at, kScale * radius, colour);
}

void PngCanvas::text(CanvasPoint at, TextAnchor anchor, std::string_view text) {
  const double width = static_cast<double>(text.size()) * kLetterStep * kLetterScale;
  const double before = anchor == TextAnchor::kStart    ? 0
                        : anchor == TextAnchor::kMiddle ? width / 2
                                                        : width;
  const auto scale = static_cast<std::int64_t>(kLetterScale);
  std::int64_t x = std::llround(kScale * at.x - before);
  const std::int64_t y = std::llround(kScale * at.y) - scale * kLetterHeight;
  for (const char letter : text) {
    const Glyph& glyph = glyph_of(letter);
    for (std::int64_t i = 0; i < scale * kLetterHeight; ++i)
      for (std::int64_t j = 0; j < scale * kLetterWidth; ++j) {
        const int bit = kLetterWidth - 1 - static_cast<int>(j / scale);
        if ((glyph.rows[static_cast<std::size_t>(i / scale)] >> bit & 1) != 0)
          blend(x + j, y + i, 1, kCanvasInk);
      }
    x += scale * kLetterStep;
  }
}

Result<std::string> PngCanvas::finish() const {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(width_);
  image.height = static_cast<png_uint_32>(height_);
  image.format = PNG_FORMAT_RGB;
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(image);
  std::string file(size, '\0');
  if (png_image_write_to_memory(&image, file.data(), &size, 0, pixels_.data(), 0, nullptr) == 0)
    return fail(ErrorKind::kInternal, "png_failed", "{}", std::string_view(image.message));
  file.resize(size);
  return file;
}

}  // namespace bantam
