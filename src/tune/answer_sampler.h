// Answers drawn from a model as it is served, many at once.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "models/decoder.h"
#include "runtime/engine.h"
#include "tokenizer/tokenizer.h"

namespace bantam {

struct AnswerWish {
  std::vector<std::int32_t> prompt;  // at least one id
  std::int64_t most = 0;             // tokens of the answer, its end included; at least 1
  std::uint64_t seed = 0;
};

struct SampledAnswer {
  std::vector<std::int32_t> ids;  // at most as many as wished for; with the end, if it ended
  bool ended = false;
};

// One answer a wish, in order; the same whatever the others are. Errors: those of ask() and of
// Sampler; kUsage for sampling options out of range. CHECKs that prompts and answers fit the
// context.
Result<std::vector<SampledAnswer>> sample_answers(const Decoder& decoder,
                                                  const EngineOptions& options,
                                                  const Tokenizer& tokenizer,
                                                  const SamplingOptions& sampling,
                                                  std::span<const AnswerWish> wishes);

}  // namespace bantam
