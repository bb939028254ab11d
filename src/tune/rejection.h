// Rejection sampling: the model answers its own rows, a verifier says which answers are right, and
// it learns from those, or from the difference between right and wrong (Zelikman et al., "STaR",
// 2022; Yuan et al., "RFT", 2023).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "data/render.h"
#include "data/rows.h"
#include "models/decoder.h"
#include "runtime/engine.h"
#include "tokenizer/tokenizer.h"
#include "tune/verifier.h"

namespace bantam {

struct RejectionOptions {
  std::int64_t answers = 0;  // that are sampled a row; 0: nothing of this
  double temperature = 0.8;
  std::int64_t keep = 4;  // most that are kept a row; all differ
  bool pairs = false;  // wrong answers are kept, each as a pair with the row's own, and no others
  std::uint64_t seed = 1;
};

struct RejectionCounts {
  std::int64_t rows = 0;     // that were asked
  std::int64_t answers = 0;  // sampled, and accepted of those
  std::int64_t accepted = 0;
  std::int64_t kept = 0;    // rows written
  std::int64_t solved = 0;  // rows with an accepted answer
};

// What was kept, as JSON Lines in the order of the rows: what people look at is what is learned.
// Asked is the last answer of each row; of a conversation only that one is learned then. Rows that
// have no text as an answer, or that the renderer leaves out, are not asked. An answer is as long
// as twice the row's own and 32 tokens at most. The same whatever the number of threads. Errors:
// those of the renderer, of sample_answers() and of the verifier.
Result<std::string> sample_rows(std::span<const Row> rows, const RowRenderer& renderer,
                                std::string_view label_prompt, const Decoder& decoder,
                                const Tokenizer& tokenizer, const EngineOptions& engine,
                                Verifier& verifier, const RejectionOptions& options,
                                RejectionCounts& counts);

}  // namespace bantam
