// The student's own answers in place of the data's: what it would say is what it is taught about
// (Agarwal et al., "On-Policy Distillation", 2024).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "data/example.h"
#include "models/decoder.h"
#include "runtime/engine.h"
#include "tokenizer/tokenizer.h"

namespace bantam {

inline constexpr std::int64_t kOnPolicyRoom = 32;

// Each example with its last learned turn answered anew by the model as it is, at temperature 1;
// that answer alone is learned. An answer may be twice as long as the data's and kOnPolicyRoom
// tokens more.
// Seeds follow from `seed` and the example's place. Errors: those of sample_answers().
Result<std::vector<Example>> answered_by(const Decoder& student, const EngineOptions& options,
                                         const Tokenizer& tokenizer,
                                         std::span<const Example> examples, std::uint64_t seed);

}  // namespace bantam
