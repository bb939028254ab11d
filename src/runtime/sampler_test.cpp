// The sampler against slow, obvious definitions of every rule, in doubles and with full sorts.
#include "runtime/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>

#include "runtime/logits.h"

namespace bantam {
namespace {

using Logits = std::vector<float>;
using History = std::vector<std::int32_t>;
using Breakers = std::vector<History>;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

const KernelTable& kernels() {
  static const KernelTable* const kTable = *choose_kernels("");
  return *kTable;
}

Logits random_logits(Random& random, std::size_t size, bool holes = false) {
  Logits logits(size);
  for (float& logit : logits) {
    logit = static_cast<float>(3 * random.next_normal());
    if (holes && random.next_below(4) == 0) logit = -kInfinity;
  }
  logits[random.next_below(size)] = 1;  // never all -inf
  return logits;
}

// ---- The definitions --------------------------------------------------------------------------

struct Choice {
  std::int32_t id;
  double logit;
  double probability;
};

void normalize(std::vector<Choice>& choices, double temperature = 1) {
  double largest = -INFINITY, sum = 0;
  for (const Choice& choice : choices) largest = std::max(largest, choice.logit);
  for (Choice& choice : choices) {
    choice.probability = std::exp((choice.logit - largest) / temperature);
    sum += choice.probability;
  }
  for (Choice& choice : choices) choice.probability /= sum;
}

void sort_by_logit(std::vector<Choice>& choices) {
  std::ranges::sort(choices, [](const Choice& a, const Choice& b) {
    return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
  });
}

// The first ones until their probabilities reach `mass`.
void cut_at_mass(std::vector<Choice>& choices, double mass) {
  double sum = 0;
  std::size_t kept = 0;
  while (kept < choices.size() && (kept == 0 || sum < mass)) sum += choices[kept++].probability;
  choices.resize(kept);
}

// How many of the last tokens before `end` also stand before the end of `history`, if no breaker
// ends in or after them.
std::size_t repeated_before(const History& history, std::size_t end, const Breakers& breakers) {
  const auto breaks = [&](std::size_t at) {  // a breaker ends with history[at - 1]
    return std::ranges::any_of(breakers, [&](const History& breaker) {
      return !breaker.empty() && breaker.size() <= at &&
             std::equal(breaker.begin(), breaker.end(),
                        history.begin() + static_cast<std::ptrdiff_t>(at - breaker.size()));
    });
  };
  std::size_t length = 0;
  while (length < end && history[end - 1 - length] == history[history.size() - 1 - length] &&
         !breaks(history.size() - length))
    ++length;
  return length;
}

Logits change_logits(Logits logits, const SamplingOptions& options, const History& history,
                     const Breakers& breakers) {
  for (const auto& [id, addend] : options.logit_bias)
    logits[static_cast<std::size_t>(id)] += static_cast<float>(addend);
  std::map<std::int32_t, int> counts;
  for (std::size_t i = 0; i < history.size(); ++i)
    if (options.penalty_window < 0 ||
        history.size() - i <= static_cast<std::size_t>(options.penalty_window))
      ++counts[history[i]];
  for (const auto& [id, count] : counts) {
    double logit = logits[static_cast<std::size_t>(id)];
    logit = logit > 0 ? logit / options.repetition_penalty : logit * options.repetition_penalty;
    logit -= count * options.frequency_penalty + options.presence_penalty;
    logits[static_cast<std::size_t>(id)] = static_cast<float>(logit);
  }
  if (options.dry_multiplier > 0) {
    std::map<std::int32_t, std::size_t> longest;
    for (std::size_t end = 1; end < history.size(); ++end) {
      const std::size_t length = repeated_before(history, end, breakers);
      if (length > 0 && length >= static_cast<std::size_t>(options.dry_allowed_length))
        longest[history[end]] = std::max(longest[history[end]], length);
    }
    for (const auto& [id, length] : longest)
      logits[static_cast<std::size_t>(id)] -= static_cast<float>(
          options.dry_multiplier *
          std::pow(options.dry_base,
                   static_cast<double>(length) - static_cast<double>(options.dry_allowed_length)));
  }
  return logits;
}

// What is left to draw from, in the order of the draw.
std::vector<Choice> choices_of(const Logits& logits, const SamplingOptions& options,
                               double exclusion) {
  std::vector<Choice> choices;
  for (std::size_t id = 0; id < logits.size(); ++id)
    if (logits[id] > -kInfinity)
      choices.push_back({static_cast<std::int32_t>(id), static_cast<double>(logits[id]), 0});
  normalize(choices);
  if (options.top_k > 0 && static_cast<std::size_t>(options.top_k) < choices.size()) {
    sort_by_logit(choices);
    choices.resize(static_cast<std::size_t>(options.top_k));
    normalize(choices);
  }
  if (options.typical_p < 1) {
    double entropy = 0;
    for (const Choice& choice : choices)
      if (choice.probability > 0) entropy -= choice.probability * std::log(choice.probability);
    std::ranges::sort(choices, [&](const Choice& a, const Choice& b) {
      const double x = std::abs(-std::log(a.probability) - entropy);
      const double y = std::abs(-std::log(b.probability) - entropy);
      return x < y || (x == y && a.id < b.id);
    });
    cut_at_mass(choices, options.typical_p);
    normalize(choices);
  }
  if (options.top_p < 1) {
    sort_by_logit(choices);
    cut_at_mass(choices, options.top_p);
    normalize(choices);
  }
  if (options.min_p > 0) {
    double best = 0;
    for (const Choice& choice : choices) best = std::max(best, choice.probability);
    std::erase_if(choices,
                  [&](const Choice& choice) { return choice.probability < options.min_p * best; });
    normalize(choices);
  }
  if (options.xtc_probability > 0 && exclusion < options.xtc_probability) {
    sort_by_logit(choices);
    const auto top = std::ranges::count_if(
        choices, [&](const Choice& choice) { return choice.probability >= options.xtc_threshold; });
    if (top >= 2) choices.erase(choices.begin(), choices.begin() + (top - 1));
  }
  normalize(choices, options.temperature);
  return choices;
}

std::int32_t slow_choice(const Logits& logits, const SamplingOptions& options,
                         const History& history, const Breakers& breakers, Random& random) {
  const Logits changed = change_logits(logits, options, history, breakers);
  if (options.temperature == 0)
    return static_cast<std::int32_t>(std::ranges::max_element(changed) - changed.begin());
  const double exclusion = random.next_double();
  const double position = random.next_double();
  double sum = 0;
  std::int32_t last = -1;
  for (const Choice& choice : choices_of(changed, options, exclusion)) {
    if (choice.probability > 0) last = choice.id;
    sum += choice.probability;
    if (position < sum) return choice.id;
  }
  return last;
}

// ---- Against them -----------------------------------------------------------------------------

std::int32_t sample(Sampler& sampler, const Logits& logits, const History& history = {}) {
  const auto choice = sampler.sample(logits, history, -1);
  EXPECT_TRUE(choice) << choice.error().to_string();
  return choice ? choice->id : -1;
}

// Switches rules on at random, every one of them often.
SamplingOptions random_options(Random& random, std::size_t vocab) {
  SamplingOptions options;
  const auto chance = [&](std::uint64_t one_in) { return random.next_below(one_in) == 0; };
  options.temperature = chance(8) ? 0 : 0.2 + 1.8 * random.next_double();
  if (chance(3)) options.top_k = static_cast<std::int64_t>(1 + random.next_below(vocab + 3));
  if (chance(3)) options.top_p = 0.05 + 0.95 * random.next_double();
  if (chance(3)) options.min_p = random.next_double();
  if (chance(3)) options.typical_p = 0.05 + 0.95 * random.next_double();
  if (chance(3)) options.repetition_penalty = 0.5 + 2 * random.next_double();
  if (chance(3)) options.frequency_penalty = 4 * random.next_double() - 2;
  if (chance(3)) options.presence_penalty = 4 * random.next_double() - 2;
  options.penalty_window = std::array<std::int64_t, 4>{-1, 0, 5, 64}[random.next_below(4)];
  if (chance(3)) options.dry_multiplier = 2 * random.next_double();
  options.dry_allowed_length = static_cast<std::int64_t>(random.next_below(4));
  if (chance(3)) options.xtc_probability = random.next_double();
  options.xtc_threshold = 0.5 * random.next_double();
  for (std::uint64_t i = random.next_below(4); i > 0; --i)
    options.logit_bias.emplace_back(static_cast<std::int32_t>(random.next_below(vocab)),
                                    200 * random.next_double() - 100);
  return options;
}

TEST(Sampler, EqualsTheSlowDefinitionOfAllRules) {
  Random random(1);
  for (int round = 0; round < 1500; ++round) {
    const std::size_t vocab = 1 + random.next_below(60);
    const SamplingOptions options = random_options(random, vocab);
    ASSERT_TRUE(validate(options, vocab));
    Breakers breakers;
    if (random.next_below(2) == 0) breakers.push_back({0});
    if (random.next_below(3) == 0) breakers.push_back({1, 2});
    const auto seed = static_cast<std::uint64_t>(round);
    Sampler sampler(kernels(), options, seed, breakers);
    Random draws(seed);
    History history;
    for (std::uint64_t i = random.next_below(30); i > 0; --i)  // few tokens, so that they repeat
      history.push_back(
          static_cast<std::int32_t>(random.next_below(std::min<std::size_t>(vocab, 4))));
    for (int step = 0; step < 10; ++step) {
      const Logits logits = random_logits(random, vocab, round % 3 == 0);
      const std::int32_t expected = slow_choice(logits, options, history, breakers, draws);
      ASSERT_EQ(sample(sampler, logits, history), expected) << "round " << round;
      history.push_back(expected);
    }
  }
}

TEST(Sampler, DrawsWithTheProbabilitiesOfTheModel) {
  const Logits logits = {1, 0, -1, 2.5f, 0.3f, -4, 1.7f, -kInfinity};
  for (const double temperature : {0.5, 1.0, 1.8}) {
    SamplingOptions options;
    options.temperature = temperature;
    Sampler sampler(kernels(), options, 7, {});
    constexpr int kDraws = 40000;
    std::vector<int> counts(logits.size());
    for (int i = 0; i < kDraws; ++i) ++counts[static_cast<std::size_t>(sample(sampler, logits))];
    double chi_squared = 0;
    for (const Choice& choice : choices_of(logits, options, 1)) {
      const double expected = kDraws * choice.probability;
      const double off = counts[static_cast<std::size_t>(choice.id)] - expected;
      chi_squared += off * off / expected;
    }
    EXPECT_LT(chi_squared, 22.5);  // 6 degrees of freedom: 0.1 % of fair samplers are over it
    EXPECT_EQ(counts.back(), 0);
  }
}

TEST(Sampler, ExcludesTopChoicesAsOftenAsAsked) {
  SamplingOptions options;
  options.xtc_probability = 0.3;
  options.xtc_threshold = 0.2;
  options.temperature = 0.001;  // nearly greedy among what is left
  Sampler sampler(kernels(), options, 3, {});
  int excluded = 0;
  constexpr int kDraws = 20000;
  for (int i = 0; i < kDraws; ++i) {
    const std::int32_t id = sample(sampler, {2, 1.9f, 1.8f, -3});
    EXPECT_TRUE(id == 0 || id == 2);  // of three over the threshold the last one stays
    excluded += id == 2 ? 1 : 0;
  }
  EXPECT_NEAR(excluded / static_cast<double>(kDraws), 0.3, 0.01);
}

TEST(Sampler, TheSameSeedGivesTheSameTokensOnEveryInstructionSet) {
  Random random(5);
  std::vector<Logits> rows;
  for (int i = 0; i < 50; ++i) rows.push_back(random_logits(random, 1000));
  SamplingOptions options;
  options.typical_p = 0.95;
  options.top_p = 0.9;
  options.min_p = 0.01;
  const auto run = [&](std::string_view isa, std::uint64_t seed) {
    Sampler sampler(**choose_kernels(isa), options, seed, {});
    History ids;
    for (const Logits& row : rows) ids.push_back(sample(sampler, row, ids));
    return ids;
  };
  const History expected = run("scalar", 9);
  for (const std::string_view isa : available_isas()) EXPECT_EQ(run(isa, 9), expected) << isa;
  EXPECT_NE(run("", 10), expected);
}

TEST(Sampler, TemperatureZeroTakesTheLargestAndTheLowestIdOfEquals) {
  SamplingOptions options;
  options.temperature = 0;
  Sampler sampler(kernels(), options, 0, {});
  EXPECT_EQ(sample(sampler, {1, 3, 3, 2}), 1);
  EXPECT_EQ(sample(sampler, {-kInfinity, -5, -kInfinity}), 1);
  EXPECT_EQ(sample(sampler, {0.0f, -0.0f}), 0);
  options.logit_bias = {{3, 5.0}};
  Sampler biased(kernels(), options, 0, {});
  EXPECT_EQ(sample(biased, {1, 3, 3, 2}), 3);
}

TEST(Sampler, TinyTemperaturesAreNearlyZero) {
  for (const double temperature : {1e-3, 1e-30, 1e-300, 5e-324}) {
    SamplingOptions options;
    options.temperature = temperature;
    Sampler sampler(kernels(), options, 2, {});
    for (int i = 0; i < 20; ++i) EXPECT_EQ(sample(sampler, {1, 3, -2, 2}), 1) << temperature;
    EXPECT_EQ(sample(sampler, {-300, -200, -100}), 2) << temperature;
  }
}

TEST(Sampler, HugeAndTinyLogits) {
  Sampler sampler(kernels(), {}, 4, {});
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(sample(sampler, {3e38f, -3e38f, 0}), 0);
    EXPECT_EQ(sample(sampler, {-3.4e38f, -3.4e38f, -kInfinity, -3.3e38f}), 3);
  }
}

TEST(Sampler, AVocabularyOfOne) {
  SamplingOptions options;
  options.top_k = 1;
  options.top_p = 0.1;
  options.typical_p = 0.1;
  options.min_p = 1;
  options.xtc_probability = 1;
  options.xtc_threshold = 0;
  Sampler sampler(kernels(), options, 6, {});
  EXPECT_EQ(sample(sampler, {-7}, {0, 0, 0}), 0);
}

TEST(Sampler, EveryTokenBannedStillGivesOne) {
  SamplingOptions options;
  for (std::int32_t id = 0; id < 5; ++id) options.logit_bias.emplace_back(id, -100.0);
  Sampler sampler(kernels(), options, 8, {});
  for (int i = 0; i < 50; ++i) {
    const std::int32_t id = sample(sampler, {1, 2, 3, 4, -kInfinity});
    EXPECT_TRUE(id >= 0 && id < 4);
  }
}

TEST(Sampler, BrokenLogitsAreAnError) {
  Sampler sampler(kernels(), {}, 0, {});
  for (const Logits& logits :
       {Logits{1, kNan}, Logits{kNan}, Logits{1, kInfinity}, Logits{-kInfinity, -kInfinity}}) {
    const auto choice = sampler.sample(logits, {}, -1);
    ASSERT_FALSE(choice);
    EXPECT_EQ(choice.error().code, "model_numerics");
    EXPECT_EQ(choice.error().kind, ErrorKind::kInternal);
  }
  EXPECT_EQ(sample(sampler, {1}), 0);  // and the sampler goes on
}

TEST(Sampler, ExtremePenaltiesDoNotBreakTheLogits) {
  SamplingOptions options;
  options.temperature = 0;
  options.repetition_penalty = 1e-300;
  Sampler rewarding(kernels(), options, 0, {});
  EXPECT_EQ(sample(rewarding, {5, 1, 0, -kInfinity}, {1, 2, 3}), 1);
  options.repetition_penalty = 10;
  Sampler punishing(kernels(), options, 0, {});
  EXPECT_EQ(sample(punishing, {-3e38f, -3.1e38f, -kInfinity}, {0, 2}), 1);
  options.repetition_penalty = 1;
  options.dry_multiplier = 100;
  options.dry_base = 100;
  Sampler dry(kernels(), options, 0, {});
  EXPECT_EQ(sample(dry, {5, 1}, History(100, 0)), 1);
}

TEST(Sampler, PenaltiesByExample) {
  SamplingOptions options;
  options.temperature = 0;
  options.repetition_penalty = 2;
  {
    Sampler sampler(kernels(), options, 0, {});
    EXPECT_EQ(sample(sampler, {3, 2, -1}, {0}), 1);        // 3 / 2 < 2
    EXPECT_EQ(sample(sampler, {-1.5f, -2.5f}, {0}), 1);    // -1.5 * 2 < -2.5
    EXPECT_EQ(sample(sampler, {3, 2, -1}, {0, 0, 0}), 1);  // once, not three times: 1.5 > -1
    EXPECT_EQ(sample(sampler, {3, 1, -1}, {0, 0, 0}), 0);
  }
  options.repetition_penalty = 1;
  options.frequency_penalty = 0.5;
  {
    Sampler sampler(kernels(), options, 0, {});
    EXPECT_EQ(sample(sampler, {3, 1.75f}, {0, 0}), 0);
    EXPECT_EQ(sample(sampler, {3, 1.75f}, {0, 0, 0}), 1);
    options.penalty_window = 2;
    Sampler forgetful(kernels(), options, 0, {});
    EXPECT_EQ(sample(forgetful, {3, 1.75f}, {0, 0, 0}), 0);
  }
}

TEST(Sampler, DryByExample) {
  SamplingOptions options;
  options.temperature = 0;
  options.dry_multiplier = 1;
  options.dry_base = 2;
  options.dry_allowed_length = 2;
  Sampler sampler(kernels(), options, 0, {});
  // "1 2 3 … 1 2": going on with 3 would repeat; a match of 2 costs 1, one of 3 costs 2.
  EXPECT_EQ(sample(sampler, {0, 0, 0, 0.5f, 0}, {1, 2, 3, 4, 1, 2}), 0);
  EXPECT_EQ(sample(sampler, {0, 0, 0, 1.5f, 0}, {1, 2, 3, 4, 1, 2}), 3);
  EXPECT_EQ(sample(sampler, {0, 0, 0, 1.5f, 0}, {0, 1, 2, 3, 4, 0, 1, 2}), 0);
  EXPECT_EQ(sample(sampler, {0, 0, 0, 0.5f, 0}, {4, 2, 3, 4, 1, 2}), 3);  // one token is allowed
  Sampler broken(kernels(), options, 0, {{1}, {4, 0}});
  EXPECT_EQ(sample(broken, {0, 0, 0, 0.5f, 0}, {1, 2, 3, 4, 1, 2}), 3);
  EXPECT_EQ(sample(broken, {0, 0, 0, 0.5f, 0}, {2, 2, 3, 4, 2, 2}), 0);
  EXPECT_EQ(sample(broken, {0, 0, 0, 0.5f, 0}, {2, 2, 3, 4, 0, 2, 2}), 0);
  EXPECT_EQ(sample(broken, {0, 0, 0, 0.5f, 0}, {0, 2, 3, 4, 0, 2}), 3);
}

TEST(Sampler, LongHistoriesOfOneTokenTakeNoTime) {  // quadratic matching would not come back
  SamplingOptions options;
  options.temperature = 0;
  options.dry_multiplier = 0.8;
  Sampler sampler(kernels(), options, 0, {{3, 4}, {5}});
  EXPECT_EQ(sample(sampler, {5, 1, 0, 0, 0, 0}, History(1 << 19, 0)), 1);
}

TEST(Sampler, RulesDoNotMoveEachOthersDraws) {
  Random random(12);
  SamplingOptions plain, with_rule;
  with_rule.xtc_probability = 1e-9;
  Sampler a(kernels(), plain, 1, {}), b(kernels(), with_rule, 1, {});
  for (int i = 0; i < 100; ++i) {
    const Logits logits = random_logits(random, 50);
    EXPECT_EQ(sample(a, logits), sample(b, logits));
  }
}

// ---- Log-probabilities ------------------------------------------------------------------------

TEST(TokenChoice, IsOfTheModelsOwnDistribution) {
  const Logits logits = {1, 2, 0, 2, -kInfinity};
  SamplingOptions options;
  options.temperature = 0;
  options.logit_bias = {{0, 50.0}};
  Sampler sampler(kernels(), options, 0, {});
  const auto choice = sampler.sample(logits, {}, 4);
  ASSERT_TRUE(choice);
  EXPECT_EQ(choice->id, 0);  // by the bias, of which the log-probabilities know nothing
  const double total = std::log(std::exp(1) + 2 * std::exp(2) + 1);
  EXPECT_NEAR(choice->logprob, 1 - total, 1e-6);
  ASSERT_EQ(choice->top.size(), 4u);
  const History order = {1, 3, 0, 2};  // of equals the lower id first
  for (std::size_t i = 0; i < order.size(); ++i) {
    EXPECT_EQ(choice->top[i].first, order[i]);
    EXPECT_NEAR(choice->top[i].second,
                static_cast<double>(logits[static_cast<std::size_t>(order[i])]) - total, 1e-6);
  }
}

TEST(TokenChoice, MoreAlternativesThanTokensAndNone) {
  const Logits logits = {0, 1};
  EXPECT_EQ(token_choice(kernels(), logits, 0, 20).top.size(), 2u);
  EXPECT_TRUE(token_choice(kernels(), logits, 0, 0).top.empty());
  EXPECT_FALSE(std::isnan(token_choice(kernels(), logits, 0, 0).logprob));
  EXPECT_TRUE(std::isnan(token_choice(kernels(), logits, 0, -1).logprob));
}

TEST(TokenChoice, ProbabilitiesSumToOne) {
  Random random(13);
  const Logits logits = random_logits(random, 5000);
  double sum = 0;
  for (const auto& [id, logprob] : token_choice(kernels(), logits, 0, 5000).top)
    sum += std::exp(static_cast<double>(logprob));
  EXPECT_NEAR(sum, 1, 1e-5);
}

}  // namespace
}  // namespace bantam
