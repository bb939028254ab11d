// Which examples are worth learning from, by what a model thinks of them before the first step.
//
// With l the mean of -log p of an example's learned tokens under the model:
//   middle      those whose l is nearest to the median of all. Near the lower end a model knows
//               already, near the upper end are mistakes and what it cannot learn yet.
//   reducible   those with the largest l - r, where r is the same under a reference that has seen
//               such data: what can be learned and is not known ("RHO-LOSS", Mindermann et al.,
//               2022). What is noise is dear to both, what is easy is cheap for both.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "data/example.h"

namespace bantam {

// `losses` are l, or l - r, one a group of examples. The indices of the ⌈share · n⌉ groups that
// are chosen, ascending; of equals the earlier ones. `share` is in (0, 1].
std::vector<std::size_t> select_middle(std::span<const double> losses, double share);
std::vector<std::size_t> select_largest(std::span<const double> losses, double share);

// l of the first example of each group (of a pair the chosen answer); `logprobs` are
// Learner::logprobs() of all.
std::vector<double> group_losses(std::span<const Example> examples,
                                 std::span<const std::vector<double>> logprobs, std::int64_t group);

}  // namespace bantam
