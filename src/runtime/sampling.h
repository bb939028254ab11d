// How the next token is chosen: options that mean the same in every command and dialect.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"

namespace bantam {

// The order in which the rules apply is fixed: bias, penalties, DRY, temperature-free filters
// (top-k, typical, top-p, min-p, XTC), temperature, draw. Defaults switch every rule off except
// the draw itself.
struct SamplingOptions {
  double temperature = 1.0;          // [0, 2]; 0 takes the most likely token (lowest id on a tie)
  std::int64_t top_k = 0;            // 0: all
  double top_p = 1.0;                // (0, 1]
  double min_p = 0.0;                // [0, 1]: relative to the most likely token
  double typical_p = 1.0;            // (0, 1]: locally typical sampling (Meister et al., 2022)
  double repetition_penalty = 1.0;   // (0, 10]: divides positive logits, multiplies negative ones
  double frequency_penalty = 0.0;    // [-2, 2]: times the number of occurrences so far
  double presence_penalty = 0.0;     // [-2, 2]: once for every token that has occurred
  std::int64_t penalty_window = 64;  // last tokens that penalties look at; -1: all; 0: none
  double dry_multiplier = 0.0;       // 0: off ("don't repeat yourself": penalises verbatim repeats)
  double dry_base = 1.75;
  std::int64_t dry_allowed_length = 2;
  std::vector<std::string> dry_breakers = {"\n", ":", "\"", "*"};
  double xtc_probability = 0.0;                             // 0: off ("exclude top choices")
  double xtc_threshold = 0.1;                               // [0, 0.5]
  std::vector<std::pair<std::int32_t, double>> logit_bias;  // id, addend in [-100, 100]
  std::optional<std::uint64_t> seed;                        // absent: one is drawn and reported
};

struct StopOptions {
  std::int64_t max_tokens = -1;      // -1: until the context is full
  std::vector<std::string> strings;  // at most 16 of at most 256 bytes; never shown
  std::vector<std::int32_t> tokens;  // besides the model's own end tokens
  bool ignore_end_tokens = false;    // benchmarks: go on after the model's end token
};

// Every value in its range, NaN in none. The error names the option and the range.
Result<void> validate(const SamplingOptions& options, std::size_t vocab_size);
Result<void> validate(const StopOptions& options, std::size_t vocab_size);

}  // namespace bantam
