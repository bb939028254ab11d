// Chooses the next token of one request.
//
// The rules are those of runtime/sampling.h, in its order, which is also llama.cpp's default. Draws
// come from the counter-based generator; exponentials are the kernels', which give the same bits
// with every instruction set, and all else is plain IEEE arithmetic without a function of the C
// library: a seed gives the same text on every machine.
//
// Bias, penalties and DRY change logits; top-k, typical, top-p, min-p and XTC remove candidates, in
// that order, each on the distribution that the ones before left (renormalised, temperature 1);
// temperature then shapes what remains, and one draw decides. At least one candidate always
// remains. Temperature 0 takes the largest changed logit, the lowest id on ties.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_set>
#include <vector>

#include "base/random.h"
#include "base/result.h"
#include "kernels/kernels.h"
#include "runtime/logits.h"
#include "runtime/sampling.h"

namespace bantam {

// One a request, one thread. Keeps a reference to the kernels.
class Sampler {
 public:
  // `breakers` are token sequences at which DRY stops looking back: the tokens of
  // options.dry_breakers. Options must have been validated.
  Sampler(const KernelTable& kernels, SamplingOptions options, std::uint64_t seed,
          std::vector<std::vector<std::int32_t>> breakers);

  // `logits` (V) of the next token, `history` all tokens before it, the prompt's included.
  // The choice's log-probabilities are the model's own. Errors as check_logits().
  Result<TokenChoice> sample(std::span<const float> logits, std::span<const std::int32_t> history,
                             int top_logprobs);

 private:
  struct Candidate {
    std::int32_t id;
    float logit;
    double probability;
  };

  void set_logit(std::int32_t id, double value);
  void apply_bias();
  void apply_penalties(std::span<const std::int32_t> history);
  void apply_dry(std::span<const std::int32_t> history);
  std::size_t tokens_since_breaker(std::span<const std::int32_t> history) const;
  std::int32_t draw();

  void collect_candidates();
  void set_probabilities(double temperature);  // of the candidates that are left
  void keep_top_k();
  template <typename Before>
  void keep_mass(double mass, Before before);
  void keep_typical();
  void keep_top_p();
  void keep_min_p();
  void exclude_top_choices(double chance);

  const KernelTable& kernels_;
  SamplingOptions options_;
  Random random_;
  std::unordered_set<std::int32_t> breaker_tokens_;           // breakers of one token
  std::vector<std::vector<std::int32_t>> breaker_sequences_;  // and longer ones
  std::unordered_set<std::int32_t> breaker_ends_;             // the last tokens of those
  std::vector<float> logits_;                                 // (V) as changed by the rules
  std::vector<Candidate> candidates_;
  std::vector<float> scratch_;
};

}  // namespace bantam
