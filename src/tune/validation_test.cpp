// Many rows measured at once give what each gives alone, to the bit.
#include "tune/validation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/random.h"
#include "runtime/engine.h"
#include "runtime/scorer.h"
#include "support/random_model.h"
#include "tune/validation_questions.h"

namespace bantam {
namespace {

const EngineOptions kEngine{.threads = 2};

// Everything that a row needs, of a random model that continues plain text.
struct World {
  explicit World(std::int64_t vocab = 320)
      : file(support::make_random_model({.vocab = vocab, .dtype = DType::kQ8_0})),
        decoder(load_decoder(file).value()),
        tokenizer(make_tokenizer(file->metadata).value()),
        renderer(RowRenderer::create(*tokenizer, nullptr, {.context = 256}).value()) {}

  std::vector<RowAnswer> answers(Metric metric, const ValidationSet& set,
                                 const EngineOptions& options = kEngine) {
    return Validation(metric, set, decoder, *tokenizer, nullptr, options).answers({}).value();
  }

  std::shared_ptr<WeightFile> file;
  std::shared_ptr<const Decoder> decoder;
  std::shared_ptr<const Tokenizer> tokenizer;
  RowRenderer renderer;
};

std::vector<Row> labelled_rows(std::span<const std::string> labels) {
  std::vector<Row> rows;
  for (std::size_t i = 0; i < 70; ++i)
    rows.push_back({.shape = RowShape::kLabelled,
                    .line = static_cast<std::int64_t>(i + 1),
                    .text = fmt::format("question {} of {}: ", i, std::string(i % 40, 'x')),
                    .label = labels[i * 7 % labels.size()]});
  return rows;
}

TEST(Validation, FindsTheLabelThatScoringEachByItselfFinds) {
  World world;
  // One begins another; many begin alike; one is long.
  const std::vector<std::string> labels = {"card",
                                           "card lost",
                                           "card lost abroad",
                                           "cash",
                                           "c",
                                           "transfer pending",
                                           "transfer failed",
                                           "top up",
                                           "a label of many words",
                                           "z",
                                           "q",
                                           "k"};
  const std::vector<Row> rows = labelled_rows(labels);
  RenderCounts counts;
  const ValidationSet set =
      make_validation(Metric::kLabel, rows, labels, world.renderer, 1000, counts).value();
  ASSERT_EQ(set.choices.size(), rows.size());
  const std::vector<RowAnswer> answers = world.answers(Metric::kLabel, set);
  const auto engine = Engine::create(world.decoder, kEngine).value();
  std::vector<int> found(labels.size(), 0);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::vector<std::vector<std::int32_t>> whole;
    for (const std::string& label : labels) {
      Row row = rows[i];
      row.label = label;
      whole.push_back(world.renderer.render(row, counts).value()[0].ids);
    }
    const auto shared = static_cast<std::int64_t>(set.choices[i].prompt.size());
    const auto scores = score_choices(*engine, whole, shared, {}).value();
    const auto best = std::ranges::max_element(scores, {}, &ScoredChoice::logprob);
    const auto label = static_cast<std::size_t>(best - scores.begin());
    ++found[label];
    EXPECT_EQ(answers[i].found, labels[label]) << i;
    EXPECT_EQ(answers[i].logprob, best->logprob) << i;  // the same bits
    EXPECT_EQ(answers[i].wanted, rows[i].label);
    EXPECT_EQ(answers[i].right, labels[label] == rows[i].label);
    EXPECT_EQ(answers[i].line, rows[i].line);
  }
  EXPECT_GT(std::ranges::count_if(found, [](int count) { return count > 0; }), 1);
}

TEST(Validation, ALabelThatIsNotAmongThemIsNeverRight) {
  World world;
  const std::vector<std::string> labels = {"yes", "no"};
  std::vector<Row> rows = labelled_rows(labels);
  for (Row& row : rows) row.label = "perhaps";
  RenderCounts counts;
  const ValidationSet set =
      make_validation(Metric::kLabel, rows, labels, world.renderer, 10, counts).value();
  ASSERT_EQ(set.examples.size(), 10u);
  for (const RowAnswer& answer : world.answers(Metric::kLabel, set)) {
    EXPECT_EQ(answer.wanted, "perhaps");
    EXPECT_FALSE(answer.right);
  }
  const auto none = make_validation(Metric::kLabel, rows, {}, world.renderer, 10, counts);
  EXPECT_EQ(none.error().code, "metric_invalid");
  const std::vector<std::string> blank = {" "};
  EXPECT_EQ(make_validation(Metric::kLabel, rows, blank, world.renderer, 10, counts).error().code,
            "labels_invalid");
}

TEST(Validation, AnswersAreThoseOfTheEngine) {
  World world;
  const auto engine = Engine::create(world.decoder, kEngine).value();
  std::vector<Row> rows;
  std::vector<std::string> said;
  for (std::int64_t i = 0; i < 45; ++i) {
    Row row{
        .shape = RowShape::kCompletion,
        .line = i + 1,
        .text = fmt::format("{} say {}: ", std::string(static_cast<std::size_t>(i * 3), 'y'), i),
        .answer = {.role = "assistant", .content = "twelve chars"}};
    RenderCounts counts;
    const Example example = world.renderer.render(row, counts).value()[0];
    const Turn turn = last_turn(example);
    GenerationRequest request{
        .prompt = {example.ids.begin(),
                   example.ids.begin() + static_cast<std::ptrdiff_t>(turn.begin)},
        .end_tokens = world.tokenizer->specials().end_of_generation};
    request.sampling.temperature = 0;
    request.stop.max_tokens = 12 + 8;
    std::vector<std::int32_t> ids;
    ASSERT_TRUE(engine->generate(request, {}, [&](const TokenEvent& event) {
      ids.push_back(event.id);
      return true;
    }));
    said.push_back(world.tokenizer->decode(ids, false));
    rows.push_back(row);
  }
  RenderCounts counts;
  const auto set = make_validation(Metric::kExact, rows, {}, world.renderer, 100, counts).value();
  const std::vector<RowAnswer> answers = world.answers(Metric::kExact, set);
  ASSERT_EQ(answers.size(), rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    EXPECT_EQ(answers[i].found, said[i]) << i;
    EXPECT_EQ(answers[i].wanted, "twelve chars");
    EXPECT_FALSE(answers[i].right);
  }
}

TEST(Validation, LossesAreThoseOfTheScorerHoweverLong) {
  World world;
  const auto engine = Engine::create(world.decoder, kEngine).value();
  std::vector<Row> rows;
  for (std::size_t i = 0; i < 20; ++i) {
    std::string text;
    for (std::size_t w = 0; w < 2 + i * 2; ++w) text += fmt::format("word{} ", w * i);
    rows.push_back({.shape = RowShape::kText, .line = static_cast<std::int64_t>(i), .text = text});
  }
  RenderCounts counts;
  ValidationSet set = make_validation(Metric::kLoss, rows, {}, world.renderer, 100, counts).value();
  // Holes in what is learned.
  for (std::size_t e = 0; e < set.examples.size(); e += 2)
    for (std::size_t i = 1; i + 1 < set.examples[e].weights.size(); ++i)
      set.examples[e].weights[i] = i % 31 < 20 ? 0 : 0.5F;
  const std::vector<RowAnswer> answers = world.answers(Metric::kLoss, set);
  for (std::size_t e = 0; e < answers.size(); ++e) {
    const Example& example = set.examples[e];
    const auto alone = score_tokens(*engine, example.ids, {}, [](auto, auto) {}).value();
    double sum = 0, weight = 0;
    for (std::size_t i = 0; i < alone.size(); ++i) {
      if (example.weights[i + 1] == 0) continue;
      sum += static_cast<double>(example.weights[i + 1]) * alone[i];
      weight += static_cast<double>(example.weights[i + 1]);
    }
    EXPECT_EQ(answers[e].logprob, sum) << e;
    EXPECT_EQ(answers[e].weight, weight) << e;
  }
  // A small step: many chunks, and rows that are wanted in several goes.
  for (const std::int64_t rows_at_once : {1, 3, 16}) {
    std::vector<RowAnswer> again(set.examples.size());
    std::vector<std::unique_ptr<Question>> questions;
    for (std::size_t e = 0; e < again.size(); ++e)
      questions.push_back(ask_loss(set.examples[e], engine->kernels(), rows_at_once, again[e]));
    ASSERT_TRUE(ask(*world.decoder, kEngine, questions, {}).has_value());
    for (std::size_t e = 0; e < again.size(); ++e)
      EXPECT_EQ(again[e].logprob, answers[e].logprob) << e << " by " << rows_at_once;
  }
}

// Logits that are a function of the ids alone, and a slow search through all labels.
TEST(LabelSearch, FindsTheBestOfRandomTreesWithFewerQuestions) {
  const KernelTable& kernels = *choose_kernels("").value();
  constexpr std::size_t kVocab = 16;
  Random random(7, 0);
  std::int64_t rows_asked = 0, nodes = 0;
  for (int round = 0; round < 200; ++round) {
    std::vector<std::vector<std::int32_t>> labels;
    for (std::uint64_t i = 0; i < 1 + random.next_u64() % 30; ++i) {
      auto& label = labels.emplace_back();
      for (std::uint64_t t = 0; t < 1 + random.next_u64() % 12; ++t)
        label.push_back(static_cast<std::int32_t>(random.next_u64() % 3));
    }
    const auto logits_after = [&](std::span<const std::int32_t> path) {
      std::uint64_t state = static_cast<std::uint64_t>(round);
      for (const std::int32_t id : path) state = state * 31 + static_cast<std::uint64_t>(id) + 1;
      Random own(state, 1);
      std::vector<float> logits(kVocab);
      for (float& logit : logits) logit = static_cast<float>(own.next_u64() % 1000) / 100.0F;
      return logits;
    };
    std::size_t best = 0;
    double best_logprob = -INFINITY;
    for (std::size_t i = 0; i < labels.size(); ++i) {
      double sum = 0;
      for (std::size_t t = 0; t < labels[i].size(); ++t) {
        const auto logits = logits_after(std::span(labels[i]).first(t));
        sum += static_cast<double>(logits[static_cast<std::size_t>(labels[i][t])]) -
               kernels.log_sum_exp(logits.data(), kVocab);
        ++nodes;
      }
      if (sum > best_logprob) {
        best_logprob = sum;
        best = i;
      }
    }
    const LabelTrie trie(labels);
    LabelSearch search(trie, kernels);
    while (!search.done()) {
      std::vector<std::vector<float>> rows;
      std::vector<std::span<const float>> spans;
      const std::size_t first = search.path().size() + 1 - static_cast<std::size_t>(search.rows());
      for (std::size_t i = first; i <= search.path().size(); ++i)
        rows.push_back(logits_after(search.path().first(i)));
      for (const auto& row : rows) spans.emplace_back(row);
      rows_asked += search.rows();
      search.take(spans);
    }
    EXPECT_EQ(search.label(), best) << round;
    EXPECT_EQ(search.logprob(), best_logprob) << round;
  }
  EXPECT_LT(rows_asked * 3, nodes);
}

}  // namespace
}  // namespace bantam
