// How far one model's predictions are from another's.
#pragma once

#include <cstdint>
#include <span>
#include <stop_token>
#include <vector>

#include "base/result.h"
#include "runtime/engine.h"

namespace bantam {

struct KlDivergence {
  double mean = 0;         // of the KL divergence of q's next-token distribution from p's, in nats
  double error = 0;        // its standard error, were the positions independent
  double same_choice = 0;  // share of the positions where both find the same token most likely
  std::int64_t positions = 0;
};

// Over all positions of the texts, which are token ids, none empty. Of a text longer than either
// context only the beginning is taken. Holds the logits of one text. kConfiguration
// "vocabularies_differ", and the errors of Engine::score().
Result<KlDivergence> measure_kl_divergence(Engine& p, Engine& q,
                                           std::span<const std::vector<std::int32_t>> texts,
                                           std::stop_token stop);

}  // namespace bantam
