#include "runtime/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_map>
#include <utility>

namespace bantam {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();
constexpr double kImpossible = -1000;  // its exponential is zero

// (length) z[i] = how many elements sequence and sequence[i…] have in common from their beginning.
// Linear (Gusfield, "Algorithms on Strings, Trees and Sequences", 1.4).
std::vector<std::size_t> common_prefix_lengths(std::span<const std::int32_t> sequence) {
  const std::size_t size = sequence.size();
  std::vector<std::size_t> z(size, 0);
  std::size_t left = 0, right = 0;  // the match that reaches furthest right
  for (std::size_t i = 1; i < size; ++i) {
    if (i < right) z[i] = std::min(right - i, z[i - left]);
    while (i + z[i] < size && sequence[z[i]] == sequence[i + z[i]]) ++z[i];
    if (i + z[i] > right) {
      left = i;
      right = i + z[i];
    }
  }
  return z;
}

// multiplier · base^exponent, by multiplication so that it is the same everywhere.
double dry_penalty(double multiplier, double base, std::size_t exponent) {
  constexpr double kEnough = 1e30;
  double penalty = multiplier;
  for (std::size_t i = 0; i < exponent && penalty < kEnough && base > 1.0; ++i) penalty *= base;
  return penalty;
}

}  // namespace

Sampler::Sampler(const KernelTable& kernels, SamplingOptions options, std::uint64_t seed,
                 std::vector<std::vector<std::int32_t>> breakers)
    : kernels_(kernels), options_(std::move(options)), random_(seed) {
  for (std::vector<std::int32_t>& breaker : breakers) {
    if (breaker.size() == 1) breaker_tokens_.insert(breaker[0]);
    if (breaker.size() < 2) continue;
    breaker_ends_.insert(breaker.back());
    breaker_sequences_.push_back(std::move(breaker));
  }
}

Result<TokenChoice> Sampler::sample(std::span<const float> logits,
                                    std::span<const std::int32_t> history, int top_logprobs) {
  TRY(check_logits(logits));
  logits_.assign(logits.begin(), logits.end());
  apply_bias();
  apply_penalties(history);
  apply_dry(history);
  const std::int32_t id = options_.temperature == 0
                              ? static_cast<std::int32_t>(kernels_.argmax(
                                    logits_.data(), static_cast<std::int64_t>(logits_.size())))
                              : draw();
  return token_choice(kernels_, logits, id, top_logprobs);
}

void Sampler::apply_bias() {
  for (const auto& [id, addend] : options_.logit_bias)
    set_logit(id, static_cast<double>(logits_[static_cast<std::size_t>(id)]) + addend);
}

// A finite logit stays finite, whatever a rule has made of it: no option can look like a broken
// model or ban a token for good.
void Sampler::set_logit(std::int32_t id, double value) {
  constexpr double kLargest = std::numeric_limits<float>::max();
  float& logit = logits_[static_cast<std::size_t>(id)];
  if (logit > kNever) logit = static_cast<float>(std::clamp(value, -kLargest, kLargest));
}

void Sampler::apply_penalties(std::span<const std::int32_t> history) {
  if (options_.repetition_penalty == 1.0 && options_.frequency_penalty == 0 &&
      options_.presence_penalty == 0)
    return;
  if (options_.penalty_window >= 0) {
    const auto window = static_cast<std::size_t>(options_.penalty_window);
    history = history.last(std::min(history.size(), window));
  }
  std::unordered_map<std::int32_t, std::int64_t> counts;
  for (const std::int32_t id : history) ++counts[id];
  for (const auto& [id, count] : counts) {
    double logit = static_cast<double>(logits_[static_cast<std::size_t>(id)]);
    const double penalty = options_.repetition_penalty;
    logit = logit > 0 ? logit / penalty : logit * penalty;
    logit -= options_.frequency_penalty * static_cast<double>(count) + options_.presence_penalty;
    set_logit(id, logit);
  }
}

// What follows an earlier occurrence of the last n tokens would repeat n + 1 tokens.
void Sampler::apply_dry(std::span<const std::int32_t> history) {
  if (options_.dry_multiplier == 0) return;
  const std::vector<std::int32_t> backwards(history.rbegin(), history.rend());
  const std::vector<std::size_t> matches = common_prefix_lengths(backwards);
  const std::size_t limit = tokens_since_breaker(history);
  const auto allowed = static_cast<std::size_t>(options_.dry_allowed_length);
  std::unordered_map<std::int32_t, std::size_t> longest;  // by the token that would go on
  for (std::size_t i = 1; i < backwards.size(); ++i) {
    const std::size_t length = std::min(matches[i], limit);
    if (length == 0 || length < allowed) continue;
    std::size_t& known = longest[backwards[i - 1]];
    known = std::max(known, length);
  }
  for (const auto& [id, length] : longest) {
    set_logit(id, static_cast<double>(logits_[static_cast<std::size_t>(id)]) -
                      dry_penalty(options_.dry_multiplier, options_.dry_base, length - allowed));
  }
}

std::size_t Sampler::tokens_since_breaker(std::span<const std::int32_t> history) const {
  for (std::size_t since = 0; since < history.size(); ++since) {
    const auto before = history.first(history.size() - since);
    if (breaker_tokens_.contains(before.back())) return since;
    if (!breaker_ends_.contains(before.back())) continue;
    for (const std::vector<std::int32_t>& breaker : breaker_sequences_) {
      if (before.size() >= breaker.size() &&
          std::ranges::equal(before.last(breaker.size()), breaker)) {
        return since;
      }
    }
  }
  return history.size();
}

std::int32_t Sampler::draw() {
  // Two draws a token whether or not both are needed, so that a rule switched on does not move the
  // others.
  const double exclusion = random_.next_double();
  const double position = random_.next_double();
  collect_candidates();
  keep_top_k();
  keep_typical();
  keep_top_p();
  keep_min_p();
  exclude_top_choices(exclusion);
  set_probabilities(options_.temperature);
  double sum = 0;
  std::int32_t possible = -1;
  for (const Candidate& candidate : candidates_) {
    if (candidate.probability > 0) possible = candidate.id;
    sum += candidate.probability;
    if (position < sum) return candidate.id;
  }
  // The probabilities sum to one but for rounding.
  return possible;
}

void Sampler::collect_candidates() {
  candidates_.clear();
  for (std::size_t id = 0; id < logits_.size(); ++id) {
    if (logits_[id] > kNever) {
      candidates_.push_back({static_cast<std::int32_t>(id), logits_[id], 0.0});
    }
  }
}

void Sampler::set_probabilities(double temperature) {
  float largest = kNever;
  for (const Candidate& candidate : candidates_) largest = std::max(largest, candidate.logit);
  scratch_.resize(candidates_.size());
  for (std::size_t i = 0; i < candidates_.size(); ++i) {
    // Never over zero, so that the smallest temperature underflows to "impossible".
    const double below = static_cast<double>(candidates_[i].logit) - static_cast<double>(largest);
    scratch_[i] = static_cast<float>(std::max(below / temperature, kImpossible));
  }
  kernels_.exponential(scratch_.data(), scratch_.data(),
                       static_cast<std::int64_t>(scratch_.size()));
  double sum = 0;
  for (const float value : scratch_) sum += static_cast<double>(value);
  for (std::size_t i = 0; i < candidates_.size(); ++i) {
    candidates_[i].probability = static_cast<double>(scratch_[i]) / sum;
  }
}

namespace {
// Most likely first, the lower id on ties: a total order, so that every selection is determined.
constexpr auto kBetter = [](const auto& a, const auto& b) {
  return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
};
}  // namespace

void Sampler::keep_top_k() {
  const auto count = static_cast<std::size_t>(options_.top_k);
  if (count == 0 || count >= candidates_.size()) return;
  std::ranges::nth_element(candidates_, candidates_.begin() + static_cast<std::ptrdiff_t>(count),
                           kBetter);
  candidates_.resize(count);
  std::ranges::sort(candidates_, kBetter);
}

// Keeps the first candidates in the order of `before` until their probabilities sum to `mass`. A
// heap gives them one by one without sorting the long tail.
template <typename Before>
void Sampler::keep_mass(double mass, Before before) {
  const auto after = [&](const Candidate& a, const Candidate& b) { return before(b, a); };
  std::ranges::make_heap(candidates_, after);
  auto rest = candidates_.end();
  for (double sum = 0; rest != candidates_.begin() && (rest == candidates_.end() || sum < mass);) {
    std::ranges::pop_heap(candidates_.begin(), rest, after);
    --rest;
    sum += rest->probability;
  }
  candidates_.erase(candidates_.begin(), rest);
  std::ranges::reverse(candidates_);
}

// Keeps the tokens whose surprise, -log p, is nearest to the expected one. As log p is the logit
// less a constant, the distance of logits from their mean is the same and needs no logarithm.
void Sampler::keep_typical() {
  if (options_.typical_p >= 1.0) return;
  set_probabilities(1.0);
  double mean = 0;
  for (const Candidate& candidate : candidates_)
    mean += candidate.probability * static_cast<double>(candidate.logit);
  keep_mass(options_.typical_p, [mean](const Candidate& a, const Candidate& b) {
    const double x = std::abs(static_cast<double>(a.logit) - mean);
    const double y = std::abs(static_cast<double>(b.logit) - mean);
    return x < y || (x == y && a.id < b.id);
  });
}

void Sampler::keep_top_p() {
  if (options_.top_p >= 1.0) return;
  set_probabilities(1.0);
  keep_mass(options_.top_p, kBetter);
}

void Sampler::keep_min_p() {
  if (options_.min_p <= 0) return;
  set_probabilities(1.0);
  double best = 0;
  for (const Candidate& candidate : candidates_) best = std::max(best, candidate.probability);
  std::erase_if(candidates_, [&](const Candidate& candidate) {
    return candidate.probability < options_.min_p * best;
  });
}

// With that probability, of all candidates at or over the threshold only the least likely stays.
void Sampler::exclude_top_choices(double chance) {
  if (options_.xtc_probability <= 0 || chance >= options_.xtc_probability) return;
  set_probabilities(1.0);
  std::ranges::sort(candidates_, kBetter);
  std::size_t top = 0;
  while (top < candidates_.size() && candidates_[top].probability >= options_.xtc_threshold) ++top;
  if (top < 2) return;
  candidates_.erase(candidates_.begin(),
                    candidates_.begin() + static_cast<std::ptrdiff_t>(top - 1));
}

}  // namespace bantam
