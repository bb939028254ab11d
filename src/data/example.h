// What is learned from: token ids, and how much each counts.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace bantam {

struct Example {
  std::vector<std::int32_t> ids;
  // As many as ids: weight of predicting ids[i] from what comes before it. The first is 0, as
  // nothing comes before it.
  std::vector<float> weights;
  std::int64_t source = 0;  // line of the file, for messages
  std::int64_t number = 0;  // of the run's, where something was prepared for each
  double reference = 0;     // Σ log p of the weighted rows under a reference model, where needed
  double label = 0;         // +1 or -1 for unpaired preferences
};

}  // namespace bantam
