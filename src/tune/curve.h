// A run's log as a picture.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"

namespace bantam {

struct CurvePoint {
  std::int64_t step = 0;
  double value = 0;
};

struct Curve {
  std::string title;
  std::vector<CurvePoint> loss, validation;
};

// The points of a log.jsonl (train/run_folder.h); none of a log that is not there.
Result<Curve> curve_of_log(const std::filesystem::path& path, std::string title);

// Losses as a thin line and their running mean as a thick one, against the left axis; the
// validation's scores as dots against the right one. Points that are no numbers are left out. Many
// points become at most some hundreds of stretches, each drawn from its least to its greatest, so
// that a long run makes no large picture and loses no spike.
std::string curve_svg(const Curve& curve);
// The same as dots; kInternal "png_failed".
Result<std::string> curve_png(const Curve& curve);

// curve.svg and curve.png of a run's folder, from its log.
Result<void> write_curves(const std::filesystem::path& folder, std::string title);

}  // namespace bantam
