// write_losses: the losses of train/losses.h on random numbers, with their derivatives, as JSON on
// standard output, for a program that computes the same in another way (losses_test.py).
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/random.h"
#include "train/losses.h"

namespace {

using namespace bantam;  // NOLINT: a program of one file

JsonArray list(std::span<const double> values) { return JsonArray(values.begin(), values.end()); }

// An answer of `length` tokens behind a prompt of two, with log-probabilities to match.
struct Answer {
  Example example;
  std::vector<double> logprobs;
};
Answer make_answer(Random& random, std::size_t length) {
  Answer answer;
  for (std::size_t i = 0; i < length + 2; ++i) {
    answer.example.ids.push_back(static_cast<std::int32_t>(i));
    const bool learned = i > 1;
    answer.example.weights.push_back(learned ? (i % 3 == 0 ? 0.5F : 1.0F) : 0.0F);
    if (i > 0) answer.logprobs.push_back(learned ? -3 * random.next_double() - 0.01 : 0);
  }
  for (std::size_t i = 0; i < answer.logprobs.size(); ++i)
    answer.example.reference += static_cast<double>(answer.example.weights[i + 1]) *
                                (answer.logprobs[i] - random.next_double() + 0.5);
  return answer;
}

// What an objective makes of a group: its loss, and the derivative by each log-probability.
JsonObject weigh(Objective& objective, const std::vector<Answer>& group, JsonObject options) {
  std::vector<Example> examples;
  std::vector<std::vector<double>> logprobs;
  std::vector<std::vector<float>> weights;
  JsonArray answers;
  for (const Answer& answer : group) {
    examples.push_back(answer.example);
    logprobs.push_back(answer.logprobs);
    weights.push_back(answer.example.weights);
  }
  const double loss = objective.weigh(examples, logprobs, weights).value();
  for (std::size_t e = 0; e < group.size(); ++e) {
    const std::vector<double> given(examples[e].weights.begin() + 1, examples[e].weights.end());
    std::vector<double> derivatives;
    for (std::size_t i = 1; i < weights[e].size(); ++i)
      derivatives.push_back(-static_cast<double>(weights[e][i]));
    answers.push_back(JsonObject{{"logprobs", list(logprobs[e])},
                                 {"weights", list(given)},
                                 {"reference", examples[e].reference},
                                 {"label", examples[e].label},
                                 {"derivatives", list(derivatives)}});
  }
  options["loss"] = loss;
  options["answers"] = std::move(answers);
  return options;
}

void add_preferences(Random& random, JsonArray& cases) {
  constexpr std::pair<std::string_view, Preference> kKinds[] = {{"dpo", Preference::kDpo},
                                                                {"ipo", Preference::kIpo},
                                                                {"hinge", Preference::kHinge},
                                                                {"simpo", Preference::kSimpo},
                                                                {"orpo", Preference::kOrpo}};
  for (const auto& [name, kind] : kKinds)
    for (int i = 0; i < 8; ++i) {
      const PreferenceOptions options{.kind = kind,
                                      .beta = 0.1 + random.next_double(),
                                      .smoothing = i % 2 == 0 ? 0 : 0.2,
                                      .margin = random.next_double(),
                                      .chosen_nll = i % 4 < 2 ? 0 : 0.7};
      const auto objective = make_preference(options);
      cases.push_back(weigh(*objective,
                            {make_answer(random, 3 + random.next_below(6)),
                             make_answer(random, 3 + random.next_below(6))},
                            {{"kind", name},
                             {"beta", options.beta},
                             {"smoothing", options.smoothing},
                             {"margin", options.margin},
                             {"chosen_nll", options.chosen_nll}}));
    }
}

void add_kto(Random& random, JsonArray& cases) {
  for (int i = 0; i < 8; ++i) {
    const KtoOptions options{.beta = 0.1 + random.next_double(),
                             .good_weight = 1 + random.next_double(),
                             .bad_weight = random.next_double(),
                             .reference_point = random.next_double()};
    Answer answer = make_answer(random, 5);
    answer.example.label = i % 2 == 0 ? 1 : -1;
    const auto objective = make_kto(options);
    cases.push_back(weigh(*objective, {answer},
                          {{"kind", "kto"},
                           {"beta", options.beta},
                           {"good_weight", options.good_weight},
                           {"bad_weight", options.bad_weight},
                           {"reference_point", options.reference_point}}));
  }
}

void add_divergences(Random& random, JsonArray& cases) {
  constexpr std::pair<std::string_view, Divergence> kKinds[] = {
      {"forward", Divergence::kForward},
      {"reverse", Divergence::kReverse},
      {"jensen-shannon", Divergence::kJensenShannon},
      {"skew", Divergence::kSkew},
      {"total-variation", Divergence::kTotalVariation}};
  for (const auto& [name, kind] : kKinds)
    for (int i = 0; i < 8; ++i) {
      const DistillationOptions options{.kind = kind,
                                        .mix = 0.05 + 0.9 * random.next_double(),
                                        .temperature = 0.5 + 3 * random.next_double()};
      std::vector<double> teacher(11), student(11), derivatives(11);
      for (double& logit : teacher) logit = 3 * random.next_normal();
      for (double& logit : student) logit = 3 * random.next_normal();
      const double loss = divergence_of(options, teacher, student, derivatives);
      cases.push_back(JsonObject{{"kind", name},
                                 {"mix", options.mix},
                                 {"temperature", options.temperature},
                                 {"teacher", list(teacher)},
                                 {"student", list(student)},
                                 {"loss", loss},
                                 {"derivatives", list(derivatives)}});
    }
}

}  // namespace

int main() {
  Random random(11);
  JsonArray cases;
  add_preferences(random, cases);
  add_kto(random, cases);
  add_divergences(random, cases);
  const std::string text = write_json(Json(std::move(cases)));
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() ? 0 : 74;
}
