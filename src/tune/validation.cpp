#include "tune/validation.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/json.h"
#include "runtime/scorer.h"

namespace bantam {
namespace {

constexpr std::array<std::pair<std::string_view, Metric>, 4> kNames = {{{"loss", Metric::kLoss},
                                                                        {"exact", Metric::kExact},
                                                                        {"label", Metric::kLabel},
                                                                        {"json", Metric::kJson}}};
// Tokens that a JSON answer may have more than the wanted one: blanks, another order.
constexpr std::int64_t kRoom = 32;

// The last run of ids that are learned.
struct Turn {
  std::size_t begin = 0, end = 0;
};
Turn last_turn(const Example& example) {
  Turn turn{.end = example.weights.size()};
  while (turn.end > 0 && example.weights[turn.end - 1] == 0) --turn.end;
  turn.begin = turn.end;
  while (turn.begin > 1 && example.weights[turn.begin - 1] != 0) --turn.begin;
  return turn;
}

double share(std::size_t part, std::size_t all) {
  return all == 0 ? 0 : static_cast<double>(part) / static_cast<double>(all);
}

}  // namespace

Result<Metric> metric_from_name(std::string_view name) {
  for (const auto& [known, metric] : kNames)
    if (known == name) return metric;
  return fail(ErrorKind::kUsage, "unknown_metric",
              "there is no metric {}: expected loss, exact, label or json", quoted(name));
}

std::string_view metric_name(Metric metric) {
  return std::ranges::find(kNames, metric, [](const auto& row) { return row.second; })->first;
}

Result<ValidationSet> make_validation(Metric metric, std::span<const Row> rows,
                                      std::span<const std::string> labels,
                                      const RowRenderer& renderer, std::int64_t most) {
  ValidationSet set;
  RenderCounts counts;
  const std::size_t asked = std::min(rows.size(), static_cast<std::size_t>(most));
  for (std::size_t i = 0; i < asked; ++i) {
    const Row& row = rows[rows.size() * i / asked];
    const bool answered = row.shape != RowShape::kText;
    if ((metric == Metric::kLabel && row.shape != RowShape::kLabelled) ||
        (metric != Metric::kLoss && !answered))
      return fail(ErrorKind::kUsage, "metric_invalid", "the metric {} does not fit rows of {}",
                  metric_name(metric), row_shape_name(row.shape));
    std::vector<Example> examples = TRY(renderer.render(row, counts));
    // Answers that were not wanted are nothing to be good at.
    if (row.shape == RowShape::kPreference)
      examples.resize(std::min<std::size_t>(1, examples.size()));
    if (row.shape == RowShape::kLiked && !row.liked) continue;
    if (metric != Metric::kLabel) {
      std::ranges::move(examples, std::back_inserter(set.examples));
      continue;
    }
    const auto right = std::ranges::find(labels, row.label);
    if (examples.size() != 1 || right == labels.end()) continue;  // the report says so
    std::vector<std::vector<std::int32_t>> choices;
    for (const std::string& label : labels) {
      Row other = row;
      other.label = label;
      auto rendered = TRY(renderer.render(other, counts));
      if (rendered.size() == 1) choices.push_back(std::move(rendered[0].ids));
    }
    if (choices.size() != labels.size()) continue;
    set.examples.push_back(std::move(examples[0]));
    set.choices.push_back(std::move(choices));
    set.right.push_back(static_cast<std::size_t>(right - labels.begin()));
  }
  return set;
}

Validation::Validation(Metric metric, ValidationSet set, std::shared_ptr<const Decoder> decoder,
                       const Tokenizer& tokenizer, Learner& learner, const EngineOptions& options)
    : metric_(metric),
      set_(std::move(set)),
      decoder_(std::move(decoder)),
      tokenizer_(tokenizer),
      learner_(learner),
      options_(options) {}

Result<double> Validation::score() {
  if (metric_ == Metric::kLoss) return mean_logprob();
  // A new one: its keys and values of earlier prompts came from other weights.
  const std::unique_ptr<Engine> engine = TRY(Engine::create(decoder_, options_));
  return metric_ == Metric::kLabel ? share_of_labels(*engine) : share_of_answers(*engine);
}

Result<double> Validation::mean_logprob() {
  double sum = 0, weight = 0;
  const auto logprobs = TRY(learner_.logprobs(set_.examples));
  for (std::size_t e = 0; e < logprobs.size(); ++e)
    for (std::size_t i = 0; i < logprobs[e].size(); ++i) {
      const auto part = static_cast<double>(set_.examples[e].weights[i + 1]);
      if (part == 0) continue;
      sum += part * logprobs[e][i];
      weight += part;
    }
  return weight == 0 ? 0 : sum / weight;
}

Result<bool> Validation::answers_right(Engine& engine, const Example& example) const {
  const Turn turn = last_turn(example);
  std::vector<std::int32_t> wanted(example.ids.begin() + static_cast<std::ptrdiff_t>(turn.begin),
                                   example.ids.begin() + static_cast<std::ptrdiff_t>(turn.end));
  const SpecialTokens& specials = tokenizer_.specials();
  while (!wanted.empty() && specials.ends_generation(wanted.back())) wanted.pop_back();
  const auto room = static_cast<std::int64_t>(wanted.size());
  GenerationRequest request{
      .prompt = {example.ids.begin(),
                 example.ids.begin() + static_cast<std::ptrdiff_t>(turn.begin)},
      .end_tokens = specials.end_of_generation};
  request.sampling.temperature = 0;
  request.stop.max_tokens =
      std::min(metric_ == Metric::kJson ? 2 * room + kRoom : room + 1,
               engine.context_length() - static_cast<std::int64_t>(turn.begin));
  std::vector<std::int32_t> answer;
  TRY(engine.generate(request, {}, [&](const TokenEvent& event) {
    if (!event.from_prompt) answer.push_back(event.id);
    return true;
  }));
  const std::string found = tokenizer_.decode(answer, false);
  const std::string expected = tokenizer_.decode(wanted, false);
  if (metric_ == Metric::kExact) return found == expected;
  const auto one = parse_json(found), other = parse_json(expected);
  return one && other && *one == *other;
}

Result<double> Validation::share_of_answers(Engine& engine) {
  std::size_t right = 0;
  for (const Example& example : set_.examples)
    if (TRY(answers_right(engine, example))) ++right;
  return share(right, set_.examples.size());
}

Result<double> Validation::share_of_labels(Engine& engine) {
  std::size_t right = 0;
  for (std::size_t e = 0; e < set_.choices.size(); ++e) {
    const auto& choices = set_.choices[e];
    std::size_t shared = choices[0].size();
    for (const auto& choice : choices) {
      const auto end = std::ranges::mismatch(choices[0], choice).in1;
      shared = std::min(shared, static_cast<std::size_t>(end - choices[0].begin()));
    }
    // A label that begins another still leaves the two a token to be told apart by.
    shared = std::max<std::size_t>(1, std::min(shared, choices[0].size() - 1));
    const std::vector<ScoredChoice> scores =
        TRY(score_choices(engine, choices, static_cast<std::int64_t>(shared), {}));
    const auto best = std::ranges::max_element(scores, {}, &ScoredChoice::logprob);
    if (static_cast<std::size_t>(best - scores.begin()) == set_.right[e]) ++right;
  }
  return share(right, set_.choices.size());
}

}  // namespace bantam
