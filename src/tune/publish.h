// Where a model is written to only once it is proven to be what was trained.
#pragma once

#include <ctime>
#include <filesystem>
#include <functional>
#include <vector>

#include "base/result.h"
#include "data/render.h"
#include "data/rows.h"
#include "runtime/engine.h"
#include "tune/parity.h"

namespace bantam {

struct Publication {
  std::filesystem::path out;
  // Of an adapter: the model that it belongs to. Empty: `out` is a model itself.
  std::filesystem::path base;
  EngineOptions engine;  // as the trainer's: type of keys and values, instruction set
  RenderOptions render;
  std::vector<Row> rows;  // that the proof is made on; some are enough
  double tolerance = 0;   // ParityOptions
};

// Calls `write` with a path beside `out`, "unproven-NAME", opens what is there as a server would,
// holds it to the trainer (parity.h) and renames it to `out`. On failure `out` is as it was, and
// what failed stays where it was written. Errors: those of `write` and check_parity(),
// "parity_failed".
Result<void> publish(const Publication& publication, const ParityTrainer& trainer,
                     const std::function<Result<void>(const std::filesystem::path&)>& write);

}  // namespace bantam
