// KTO's reference point z0: how far the model is from its reference by now, as the answers of other
// rows show it (Ethayarajh et al., 2024, 4.1): an answer that nobody asked for says of the distance
// between the two models what one that is learned cannot.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/example.h"

namespace bantam {

// Of each example the question with the answer of the next one, of the last with the first's; no
// ids where that is longer than the context. In order; references are still to be filled in.
std::vector<Example> mismatched(std::span<const Example> examples, std::int64_t context);

// The mean of w - r_w over pairs that have ids, or 0 if it is negative or there are none.
// `logprobs` are Learner::logprobs() of the pairs.
double reference_point(std::span<const Example> pairs,
                       std::span<const std::vector<double>> logprobs);

// Σ weight · log p of an example.
double weighted_logprob(const Example& example, std::span<const double> logprobs);

}  // namespace bantam
