#include "tune/validation.h"

#include <algorithm>
#include <array>
#include <utility>

#include "tune/validation_questions.h"

namespace bantam {
namespace {

constexpr std::array<std::pair<std::string_view, Metric>, 4> kNames = {{{"loss", Metric::kLoss},
                                                                        {"exact", Metric::kExact},
                                                                        {"label", Metric::kLabel},
                                                                        {"json", Metric::kJson}}};
double share(std::size_t part, std::size_t all) {
  return all == 0 ? 0 : static_cast<double>(part) / static_cast<double>(all);
}

using Ids = std::vector<std::int32_t>;

// An example with each label as its answer: what all begin with, and how each goes on.
struct Choices {
  Ids prompt;
  std::vector<Ids> answers;
  std::shared_ptr<const LabelTrie> trie;
};

// The ids up to the end of what is learned; none if the renderer leaves the row out.
Result<Ids> ids_with(const RowRenderer& renderer, const Row& row, const std::string& label,
                     RenderCounts& counts) {
  Row other = row;
  other.label = label;
  std::vector<Example> examples = TRY(renderer.render(other, counts));
  if (examples.size() != 1) return Ids{};
  examples[0].ids.resize(last_turn(examples[0]).end);
  return std::move(examples[0].ids);
}

// Renders every label. A label that shows nothing is no answer.
Result<Choices> render_choices(const RowRenderer& renderer, const Row& row,
                               std::span<const std::string> labels, RenderCounts& counts) {
  Choices choices;
  const Ids* first = nullptr;
  std::size_t shared = 0;
  choices.answers.reserve(labels.size());
  for (const std::string& label : labels) {
    const auto& ids = choices.answers.emplace_back(TRY(ids_with(renderer, row, label, counts)));
    if (ids.size() < 2) continue;
    if (first == nullptr) {
      first = &ids;
      shared = ids.size() - 1;
    }
    const auto common = std::ranges::mismatch(*first, ids).in1 - first->begin();
    shared = std::min({shared, static_cast<std::size_t>(common), ids.size() - 1});
  }
  if (first == nullptr) return choices;
  const auto end = static_cast<std::ptrdiff_t>(shared);
  choices.prompt.assign(first->begin(), first->begin() + end);
  for (auto& ids : choices.answers)
    ids.erase(ids.begin(), ids.size() < 2 ? ids.end() : ids.begin() + end);
  choices.trie = std::make_shared<LabelTrie>(choices.answers);
  return choices;
}

// The same for many rows. What a label is as an answer hardly ever depends on the question, and
// rendering every label for every row would take longer than the model: so the answers of the row
// before are taken where the row's own label and one other, another each time, are as they were.
class ChoiceMaker {
 public:
  ChoiceMaker(const RowRenderer& renderer, std::span<const std::string> labels)
      : renderer_(renderer), labels_(labels) {}

  // `counts` gets what was left out of the row with some label.
  Result<const Choices*> choices(const Row& row, RenderCounts& counts) {
    const auto own = std::ranges::find(labels_, row.label);
    const auto right = static_cast<std::size_t>(own - labels_.begin());
    const std::size_t other = rows_++ % labels_.size();
    if (reusable_ && !last_.answers[other].empty()) {
      const auto ids = TRY(ids_with(renderer_, row, labels_[other], counts));
      const std::size_t tail = last_.answers[other].size();
      last_.prompt.assign(ids.begin(),
                          ids.end() - static_cast<std::ptrdiff_t>(std::min(tail, ids.size())));
      if (is_so(ids, other) &&
          (own == labels_.end() || is_so(TRY(ids_with(renderer_, row, row.label, counts)), right)))
        return &last_;
    }
    last_ = TRY(render_choices(renderer_, row, labels_, counts));
    reusable_ = last_.trie != nullptr && counts.too_long == 0;
    return &last_;
  }

 private:
  bool is_so(std::span<const std::int32_t> ids, std::size_t label) const {
    const auto& prompt = last_.prompt;
    const auto& answer = last_.answers[label];
    return !prompt.empty() && ids.size() == prompt.size() + answer.size() &&
           std::ranges::equal(ids.first(prompt.size()), prompt) &&
           std::ranges::equal(ids.subspan(prompt.size()), answer);
  }

  const RowRenderer& renderer_;
  std::span<const std::string> labels_;
  Choices last_;
  bool reusable_ = false;
  std::size_t rows_ = 0;
};

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
                                      const RowRenderer& renderer, std::int64_t most,
                                      RenderCounts& counts) {
  ValidationSet set;
  if (metric == Metric::kLabel) set.labels.assign(labels.begin(), labels.end());
  ChoiceMaker maker(renderer, set.labels);
  const std::size_t asked = std::min(rows.size(), static_cast<std::size_t>(most));
  for (std::size_t i = 0; i < asked; ++i) {
    const Row& row = rows[rows.size() * i / asked];
    const bool answered = row.shape != RowShape::kText;
    if ((metric == Metric::kLabel && (row.shape != RowShape::kLabelled || labels.empty())) ||
        (metric != Metric::kLoss && !answered))
      return fail(ErrorKind::kUsage, "metric_invalid", "the metric {} does not fit rows of {}",
                  metric_name(metric), row_shape_name(row.shape));
    // Answers that were not wanted are nothing to be good at.
    if (row.shape == RowShape::kLiked && !row.liked) continue;
    std::vector<Example> examples = TRY(renderer.render(row, counts));
    if (row.shape == RowShape::kPreference)
      examples.resize(std::min<std::size_t>(1, examples.size()));
    if (metric == Metric::kLabel && !examples.empty()) {
      RenderCounts left_out;
      const Choices& choices = *TRY(maker.choices(row, left_out));
      if (left_out.too_long > 0 && std::ranges::any_of(choices.answers, &Ids::empty)) {
        // With another label than its own.
        ++counts.too_long;
        continue;
      }
      if (choices.trie == nullptr)
        return fail(ErrorKind::kUsage, "labels_invalid", "no label shows anything as an answer");
      set.choices.push_back({choices.prompt, choices.trie, row.label});
    }
    std::ranges::move(examples, std::back_inserter(set.examples));
  }
  return set;
}

double score_of(Metric metric, std::span<const RowAnswer> answers) {
  if (metric != Metric::kLoss)
    return share(static_cast<std::size_t>(std::ranges::count(answers, true, &RowAnswer::right)),
                 answers.size());
  double sum = 0, weight = 0;
  for (const RowAnswer& answer : answers) {
    sum += answer.logprob;
    weight += answer.weight;
  }
  return weight == 0 ? 0 : sum / weight;
}

Validation::Validation(Metric metric, ValidationSet set, std::shared_ptr<const Decoder> decoder,
                       const Tokenizer& tokenizer, Learner* learner, const EngineOptions& options)
    : metric_(metric),
      set_(std::move(set)),
      decoder_(std::move(decoder)),
      tokenizer_(tokenizer),
      learner_(learner),
      options_(options) {}

Result<double> Validation::score() { return score_of(metric_, TRY(answers({}))); }

Result<std::vector<RowAnswer>> Validation::answers(
    const std::function<void(std::int64_t, std::int64_t)>& progress) {
  if (metric_ == Metric::kLoss && learner_ != nullptr) return learner_losses();
  const KernelTable* kernels = TRY(choose_kernels(options_.isa));
  std::vector<RowAnswer> answers(set_.examples.size());
  std::vector<std::unique_ptr<Question>> questions;
  for (std::size_t e = 0; e < answers.size(); ++e) {
    answers[e].line = set_.examples[e].source;
    questions.push_back(question(e, answers[e], *kernels));
  }
  TRY(ask(*decoder_, options_, questions, progress));
  if (metric_ == Metric::kLabel)
    for (RowAnswer& answer : answers) answer.right = answer.found == answer.wanted;
  return answers;
}

std::unique_ptr<Question> Validation::question(std::size_t example, RowAnswer& answer,
                                               const KernelTable& kernels) const {
  const Example& asked = set_.examples[example];
  if (metric_ == Metric::kLoss)
    return ask_loss(asked, kernels, question_rows(decoder_->spec()), answer);
  if (metric_ == Metric::kLabel) {
    const LabelChoice& choice = set_.choices[example];
    answer.wanted = choice.wanted;
    return ask_label(choice.prompt, *choice.trie, set_.labels, kernels, answer);
  }
  return ask_answer(metric_, asked, tokenizer_, kernels, decoder_->spec().context_length, answer);
}

Result<std::vector<RowAnswer>> Validation::learner_losses() {
  const auto logprobs = TRY(learner_->logprobs(set_.examples));
  std::vector<RowAnswer> answers(logprobs.size());
  for (std::size_t e = 0; e < logprobs.size(); ++e) {
    const Example& example = set_.examples[e];
    answers[e].line = example.source;
    for (std::size_t i = 0; i < logprobs[e].size(); ++i) {
      const auto weight = static_cast<double>(example.weights[i + 1]);
      if (weight == 0) continue;
      answers[e].logprob += weight * logprobs[e][i];
      answers[e].weight += weight;
    }
  }
  return answers;
}

}  // namespace bantam
