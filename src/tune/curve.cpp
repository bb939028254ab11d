#include "tune/curve.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <span>

#include "base/file.h"
#include "train/run_folder.h"
#include "tune/canvas.h"

namespace bantam {
namespace {

// Units of the picture.
constexpr double kWidth = 800, kHeight = 420, kLeft = 64, kRight = 64, kTop = 40, kBottom = 44;
constexpr std::size_t kStretches = 600;
constexpr int kTicks = 5;
constexpr CanvasColour kFrame = {0x99, 0x99, 0x99}, kThin = {0x9b, 0xb8, 0xd8},
                       kThick = {0x1f, 0x5f, 0xa8}, kScore = {0xc0, 0x56, 0x2b};

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

std::vector<CanvasPoint> places(std::span<const CurvePoint> points, const Axis& x, const Axis& y) {
  std::vector<CanvasPoint> out;
  for (const CurvePoint& point : points)
    out.push_back({x.place(static_cast<double>(point.step)), y.place(point.value)});
  return out;
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

void value_ticks(const Axis& axis, double x, TextAnchor anchor, Canvas& canvas) {
  for (int i = 0; i <= kTicks; ++i) {
    const double value = axis.low + (axis.high - axis.low) * i / kTicks;
    canvas.text({x, axis.place(value) + 4}, anchor, fmt::format("{:.3g}", value));
  }
}

void draw(const Curve& curve, Canvas& canvas) {
  const std::vector<CurvePoint> loss = finite(curve.loss), scores = finite(curve.validation);
  std::int64_t last = 1;
  for (const CurvePoint& point : loss) last = std::max(last, point.step);
  for (const CurvePoint& point : scores) last = std::max(last, point.step);
  const Axis x{.low = 0, .high = static_cast<double>(last), .from = kLeft, .to = kWidth - kRight};
  const Axis y = axis_of(loss), right = axis_of(scores);
  const double bottom = kHeight - kBottom, end = kWidth - kRight;
  const CanvasPoint frame[] = {
      {kLeft, kTop}, {end, kTop}, {end, bottom}, {kLeft, bottom}, {kLeft, kTop}};
  canvas.line(frame, kFrame, 1, 0);
  canvas.text({kWidth / 2, 24}, TextAnchor::kMiddle, curve.title);
  for (int i = 0; i <= kTicks; ++i) {
    const double step = static_cast<double>(last) * i / kTicks;
    canvas.text({x.place(step), bottom + 18}, TextAnchor::kMiddle, fmt::format("{:.0f}", step));
  }
  canvas.text({kWidth / 2, kHeight - 8}, TextAnchor::kMiddle, "step");
  if (!loss.empty()) {
    value_ticks(y, kLeft - 6, TextAnchor::kEnd, canvas);
    canvas.text({kLeft, kTop - 8}, TextAnchor::kMiddle, "loss");
    canvas.line(places(thinned(loss), x, y), kThin, 1, 0);
    canvas.line(places(thinned(smoothed(loss)), x, y), kThick, 2, 0);
  }
  if (!scores.empty()) {
    value_ticks(right, end + 6, TextAnchor::kStart, canvas);
    canvas.text({end, kTop - 8}, TextAnchor::kMiddle, "validation");
    const std::vector<CanvasPoint> dots = places(scores, x, right);
    canvas.line(dots, kScore, 1, 4);
    for (const CanvasPoint& at : dots) canvas.dot(at, 3, kScore);
  }
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
  SvgCanvas canvas(kWidth, kHeight);
  draw(curve, canvas);
  return std::move(canvas).finish();
}

Result<std::string> curve_png(const Curve& curve) {
  PngCanvas canvas(kWidth, kHeight);
  draw(curve, canvas);
  return canvas.finish();
}

Result<void> write_curves(const std::filesystem::path& folder, std::string title) {
  const Curve curve = TRY(curve_of_log(folder / "log.jsonl", std::move(title)));
  TRY(write_file(folder / "curve.svg", curve_svg(curve)));
  return write_file(folder / "curve.png", TRY(curve_png(curve)));
}

}  // namespace bantam
