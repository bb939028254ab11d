// Proof that a model's answers depend on nothing but the request.
//
// Prompts of random tokens are continued greedily for a few tokens. The reference computes each
// alone, with one thread, in one piece; then the same is done with other chunks, batch mates,
// thread counts, instruction sets, and after a reused prefix. Every logit must have the same bits.
// Logits are looked at after every eighth token, after the last of the prompt and after every
// generated one: what goes wrong elsewhere is in the keys and values that those see.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "models/decoder.h"

namespace bantam {

struct DeterminismOptions {
  KvType kv_type;
  std::string isa;           // of the reference; empty: the best, and all others are tried too
  std::int64_t context = 0;  // most tokens of a prompt and its continuation; 0: the model's own
  bool quick = false;        // fewer and shorter prompts
};

// One way of computing the same.
struct DeterminismSetting {
  std::string what;  // "chunks of 64 tokens"
  std::string isa;
  std::size_t threads = 1;
  std::size_t batch = 1;       // prompts that go through the decoder together
  std::int64_t chunk = 0;      // most tokens a prompt advances a step
  std::size_t prompts = 0;     // the first so many of all, which are sorted by length
  bool reused_prefix = false;  // half of each prompt is what remains of another request
};

// The first logit that is not the reference's.
struct DeterminismDifference {
  std::size_t prompt = 0;
  std::int64_t position = 0;  // of the token after which it is
  std::int64_t logit = 0;     // token id
  float expected = 0, found = 0;
};

struct DeterminismOutcome {
  DeterminismSetting setting;
  std::int64_t rows = 0;  // of V logits each, compared
  double seconds = 0;
  std::optional<DeterminismDifference> difference;
};

struct DeterminismReport {
  struct Prompt {
    std::int64_t tokens = 0;
    std::vector<std::int32_t> generated;
    std::uint64_t hash = 0;  // of all logits that were looked at, in order
  };
  DeterminismSetting reference;
  std::vector<Prompt> prompts;
  std::vector<DeterminismOutcome> outcomes;
  bool same() const;
};

// Takes as long as some thousand tokens of the model, quick a few hundred. `progress` gets a phrase
// before each setting. Errors: those of choose_kernels, "out_of_memory", "model_numerics".
Result<DeterminismReport> check_determinism(const Decoder& decoder,
                                            const DeterminismOptions& options,
                                            const std::function<void(std::string_view)>& progress);

namespace internal {
// The same with the table that a name stands for given: for tests, which break one.
using KernelChooser = std::function<Result<const KernelTable*>(std::string_view isa)>;
Result<DeterminismReport> check_determinism(const Decoder& decoder,
                                            const DeterminismOptions& options,
                                            const std::function<void(std::string_view)>& progress,
                                            const KernelChooser& choose);
}  // namespace internal

}  // namespace bantam
