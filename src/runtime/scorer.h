// How likely a model finds a text: log-probabilities token by token.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <stop_token>
#include <vector>

#include "base/result.h"
#include "runtime/engine.h"

namespace bantam {

// Natural log-probability of each of ids[1] … ids[n-1] given what comes before it (n - 1 values).
// A text longer than the context is scored in windows that overlap by half, so that no token but
// the first half window's sees less than half a context. `progress` gets tokens done and in all.
Result<std::vector<double>> score_tokens(
    Engine& engine, std::span<const std::int32_t> ids, std::stop_token stop,
    const std::function<void(std::int64_t, std::int64_t)>& progress);

// exp of the mean of the negated values; 1 for none.
double perplexity(std::span<const double> logprobs);

struct ScoredChoice {
  double logprob = 0;       // of the whole continuation
  std::int64_t tokens = 0;  // that it has
  double probability = 0;   // among the choices, by logprob
};

// Each continuation after the same beginning. `continuations` are whole id sequences that begin
// with `shared` common tokens, of which there is at least one.
Result<std::vector<ScoredChoice>> score_choices(
    Engine& engine, std::span<const std::vector<std::int32_t>> continuations, std::int64_t shared,
    std::stop_token stop);

}  // namespace bantam
