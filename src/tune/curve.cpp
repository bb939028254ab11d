#include "tune/curve.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <span>

#include "train/run_folder.h"

namespace bantam {
namespace {

// Units of the picture.
constexpr double kWidth = 800, kHeight = 420, kLeft = 64, kRight = 64, kTop = 40, kBottom = 44;
constexpr std::size_t kStretches = 600;
constexpr int kTicks = 5;

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

std::vector<CurvePoint> finite(std::span<const CurvePoint> points) {
  std::vector<CurvePoint> kept;
  for (const CurvePoint& point : points)
    if (std::isfinite(point.value)) kept.push_back(point);
  return kept;
}

// Numbers to places: `low` to `from`, `high` to `to`.
struct Axis {
  double low = 0, high = 1, from = 0, to = 1;
  double place(double value) const { return from + (value - low) / (high - low) * (to - from); }
};

Axis axis_of(std::span<const CurvePoint> points) {
  Axis axis{.from = kHeight - kBottom, .to = kTop};
  if (points.empty()) return axis;
  const auto [least, most] = std::ranges::minmax_element(points, {}, &CurvePoint::value);
  axis.low = least->value;
  axis.high = most->value;
  const double room = axis.high > axis.low ? 0.05 * (axis.high - axis.low) : 0.5;
  axis.low -= room;
  axis.high += room;
  return axis;
}

std::string line(std::span<const CurvePoint> points, const Axis& x, const Axis& y,
                 std::string_view style) {
  std::string path;
  for (const CurvePoint& point : points)
    path += fmt::format("{}{:.1f},{:.1f}", path.empty() ? "" : " ",
                        x.place(static_cast<double>(point.step)), y.place(point.value));
  return fmt::format("<polyline points=\"{}\" fill=\"none\" {}/>\n", path, style);
}

// Each stretch by its least and its greatest value, in their order.
std::vector<CurvePoint> thinned(std::span<const CurvePoint> points) {
  if (points.size() <= 2 * kStretches) return {points.begin(), points.end()};
  std::vector<CurvePoint> kept;
  for (std::size_t s = 0; s < kStretches; ++s) {
    const std::size_t begin = points.size() * s / kStretches;
    const std::size_t end = points.size() * (s + 1) / kStretches;
    auto [first, second] =
        std::ranges::minmax_element(points.subspan(begin, end - begin), {}, &CurvePoint::value);
    if (second < first) std::swap(first, second);
    kept.push_back(*first);
    kept.push_back(*second);
  }
  return kept;
}

// Exponential, over about a thirtieth of the run.
std::vector<CurvePoint> smoothed(std::span<const CurvePoint> points) {
  std::vector<CurvePoint> means(points.begin(), points.end());
  const double share = 1 / std::max(1.0, static_cast<double>(points.size()) / 30);
  for (std::size_t i = 1; i < means.size(); ++i)
    means[i].value = means[i - 1].value + share * (means[i].value - means[i - 1].value);
  return means;
}

std::string text_at(double x, double y, std::string_view anchor, std::string_view text) {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>\n", x, y, anchor,
                     escaped(text));
}

std::string value_ticks(const Axis& axis, double x, std::string_view anchor) {
  std::string out;
  for (int i = 0; i <= kTicks; ++i) {
    const double value = axis.low + (axis.high - axis.low) * i / kTicks;
    out += text_at(x, axis.place(value) + 4, anchor, fmt::format("{:.3g}", value));
  }
  return out;
}

}  // namespace

Result<Curve> curve_of_log(const std::filesystem::path& path, std::string title) {
  Curve curve{.title = std::move(title)};
  for (const Json& entry : TRY(read_log(path))) {
    const JsonObject& object = entry.as_object();
    const Json* step = object.if_contains("step");
    if (step == nullptr || !step->is_int64()) continue;
    const auto add = [&](std::string_view key, std::vector<CurvePoint>& points) {
      const Json* value = object.if_contains(key);
      if (value != nullptr && value->is_number())
        points.push_back({step->as_int64(), value->to_number<double>()});
    };
    add("loss", curve.loss);
    add("validation", curve.validation);
  }
  return curve;
}

std::string curve_svg(const Curve& curve) {
  const std::vector<CurvePoint> loss = finite(curve.loss), scores = finite(curve.validation);
  std::int64_t last = 1;
  for (const CurvePoint& point : loss) last = std::max(last, point.step);
  for (const CurvePoint& point : scores) last = std::max(last, point.step);
  const Axis x{.low = 0, .high = static_cast<double>(last), .from = kLeft, .to = kWidth - kRight};
  const Axis y = axis_of(loss), right = axis_of(scores);
  std::string out = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" "
      "height=\"{1}\" font-family=\"sans-serif\" font-size=\"12\" fill=\"#333\">\n"
      "<rect width=\"{0}\" height=\"{1}\" fill=\"#fff\"/>\n"
      "<rect x=\"{2}\" y=\"{3}\" width=\"{4}\" height=\"{5}\" fill=\"none\" stroke=\"#999\"/>\n",
      kWidth, kHeight, kLeft, kTop, kWidth - kLeft - kRight, kHeight - kTop - kBottom);
  out += text_at(kWidth / 2, 24, "middle", curve.title);
  for (int i = 0; i <= kTicks; ++i) {
    const double step = static_cast<double>(last) * i / kTicks;
    out += text_at(x.place(step), kHeight - kBottom + 18, "middle", fmt::format("{:.0f}", step));
  }
  out += text_at(kWidth / 2, kHeight - 8, "middle", "step");
  if (!loss.empty()) {
    out += value_ticks(y, kLeft - 6, "end");
    out += text_at(kLeft, kTop - 8, "middle", "loss");
    out += line(thinned(loss), x, y, "stroke=\"#9bb8d8\"");
    out += line(thinned(smoothed(loss)), x, y, "stroke=\"#1f5fa8\" stroke-width=\"2\"");
  }
  if (!scores.empty()) {
    out += value_ticks(right, kWidth - kRight + 6, "start");
    out += text_at(kWidth - kRight, kTop - 8, "middle", "validation");
    out += line(scores, x, right, "stroke=\"#c0562b\" stroke-dasharray=\"4 3\"");
    for (const CurvePoint& point : scores)
      out += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\" fill=\"#c0562b\"/>\n",
                         x.place(static_cast<double>(point.step)), right.place(point.value));
  }
  return out + "</svg>\n";
}

}  // namespace bantam
