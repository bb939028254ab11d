// From text in files to a model in a file, on a tiny shape.
#include "tune/pretrain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>

#include "base/file.h"
#include "base/random.h"
#include "chat/chat_template.h"
#include "runtime/loaded_model.h"
#include "train/trainable.h"

namespace bantam {
namespace {

namespace fs = std::filesystem;
using testing::Contains;
using testing::HasSubstr;

constexpr ModelShape kTiny = {.layers = 2,
                              .width = 32,
                              .heads = 2,
                              .kv_heads = 1,
                              .head_width = 16,
                              .ffn_width = 64,
                              .vocab = 288,
                              .context = 64,
                              .tied = true,
                              .family = "qwen3",
                              .name = "tiny"};

class Pretrain : public testing::Test {
 protected:
  Pretrain() {
    root_ = fs::path(testing::TempDir()) /
            fmt::format("bantam-pretrain-{}-{}", ::getpid(),
                        testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(root_);
    fs::create_directories(root_);
    std::string stories, chats;
    for (int i = 0; i < 120; ++i) stories += write_json(JsonObject{{"text", story(i)}}) + "\n";
    for (int i = 0; i < 60; ++i) {
      const std::string name = i % 2 == 0 ? "cat" : "dog";
      const JsonArray messages = {
          JsonObject{{"role", "user"}, {"content", fmt::format("Number {}: a {}?", i, name)}},
          JsonObject{{"role", "assistant"}, {"content", name + " it is"}}};
      chats += write_json(JsonObject{{"messages", messages}}) + "\n";
    }
    write("stories.jsonl", stories);
    write("chats.jsonl", chats);
  }
  ~Pretrain() override { fs::remove_all(root_); }

  // Few words in an order that can be learned, and a number that makes each another.
  static std::string story(int number) {
    constexpr std::string_view kWho[] = {"the old cat", "a small dog", "the red hen"};
    constexpr std::string_view kWhat[] = {"sat on", "ran to", "saw"};
    constexpr std::string_view kWhere[] = {"the mat", "the river", "a tree"};
    Random random(static_cast<std::uint64_t>(number));
    std::string text = fmt::format("Story {}.", number);
    for (int sentence = 0; sentence < 3; ++sentence)
      text += fmt::format(" One day {} {} {}.", kWho[random.next_below(3)],
                          kWhat[random.next_below(3)], kWhere[random.next_below(3)]);
    return text;
  }

  void write(std::string_view name, std::string_view text) const {
    CHECK(write_file(root_ / name, text).has_value());
  }

  PretrainOptions options(std::string_view name) const {
    PretrainOptions options{.folder = root_ / name, .shape = kTiny};
    options.data.sources = {{root_ / "stories.jsonl"}, {root_ / "chats.jsonl"}};
    options.data.split.validation = 0.1;
    options.batches.tokens = 256;
    options.epochs = 4;
    options.muon->others_rate = 0.5F;
    options.learner.kv_type = DType::kF16;
    options.threads = 1;
    return options;
  }

  Result<std::unique_ptr<PretrainRun>> prepare(const PretrainOptions& wishes) {
    return PretrainRun::prepare(wishes, *exchange_);
  }
  std::string code_of(const PretrainOptions& wishes) {
    const auto run = prepare(wishes);
    return run ? "" : run.error().code;
  }
  // One that has hardly learned: for its vocabulary of 288 tokens.
  fs::path small_model() {
    PretrainOptions wishes = options("small");
    wishes.epochs = 0.1;
    CHECK(prepare(wishes).value()->run({}, {}).has_value());
    return root_ / "small" / "model.gguf";
  }
  std::string model_bytes(std::string_view name) const {
    return read_file(root_ / name / "model.gguf", 1 << 24).value();
  }

  fs::path root_;
  std::unique_ptr<Exchange> exchange_ = alone();
};

class PretrainAs : public Pretrain, public testing::WithParamInterface<DType> {};

TEST_P(PretrainAs, MakesAModelThatScoresAsItSaid) {
  PretrainOptions wishes = options("run");
  wishes.average = 0.9;
  wishes.type = GetParam();
  auto run = prepare(wishes);
  ASSERT_TRUE(run.has_value()) << run.error().to_string();
  const PretrainPlan plan = (*run)->plan();
  EXPECT_FALSE(fs::exists(root_ / "run")) << "a plan changes nothing on disk";
  EXPECT_EQ(plan.sources[0].rows + plan.sources[0].held_out, 120);
  EXPECT_EQ(plan.sources[1].rows + plan.sources[1].held_out, 60);
  EXPECT_NEAR(plan.sources[0].passes, 4, 0.2);
  EXPECT_NEAR(plan.sources[1].passes, 4, 0.2);
  EXPECT_GT(plan.tokens_per_second, 0);
  EXPECT_THAT(plan.warnings, Contains(HasSubstr("multiple of 256")));
  const auto result = (*run)->run({}, {});
  ASSERT_TRUE(result.has_value()) << result.error().to_string();
  EXPECT_EQ(result->end, TrainingEnd::kDone);
  EXPECT_LT(-result->state.best_score, 0.4 * std::log(288.0));
  const auto scores = (*run)->scores();
  ASSERT_EQ(scores.size(), 3u);
  EXPECT_EQ(scores[2].name, "all");
  EXPECT_GT(scores[0].bits_per_byte, 0);
  EXPECT_LT(scores[0].bits_per_byte, scores[0].nats / std::log(2.0)) << "tokens of several bytes";

  // By the ordinary way in, the file scores what was said when it was saved: to the bit.
  const auto model = open_model(root_ / "run" / "model.gguf", {.threads = 1});
  ASSERT_TRUE(model.has_value()) << model.error().to_string();
  EXPECT_EQ(model->file->metadata.string("general.name").value(), "run");
  EXPECT_EQ(model->file->find("token_embd.weight")->dtype, GetParam());
  const auto chat = ChatTemplate::from_model(model->file->metadata, *model->tokenizer);
  ASSERT_TRUE(chat.has_value());
  auto data = PretrainData::read(wishes.data);
  const auto renderer = RowRenderer::create(*model->tokenizer, &*chat, {.context = 64});
  ASSERT_TRUE(data->render(*renderer, *renderer, *model->tokenizer).has_value());
  HeldOut held_out(data->take_held_out(), *model->tokenizer);
  // Its tensors as they are: a learner that trains nothing but the last norm.
  const auto norm = [](std::string_view tensor) { return tensor == "output_norm.weight"; };
  const TrainableModel whole = train_tensors(model->file, norm).value();
  ThreadPool pool(1);
  Learner learner(*whole.decoder, *whole.parameters, model->engine->kernels(), pool,
                  {.kv_type = DType::kF16});
  EXPECT_EQ(held_out.score(learner).value(), result->state.best_score);
  EXPECT_THAT(read_file(root_ / "run" / "curve.svg", 1 << 20).value(), HasSubstr("<polyline"));
  EXPECT_TRUE(load_tokenizer(root_ / "run" / "tokenizer.json").has_value());
}

INSTANTIATE_TEST_SUITE_P(Types, PretrainAs, testing::Values(DType::kF32, DType::kF16, DType::kQ8_0),
                         [](const auto& param) {
                           return std::string(dtype_info(param.param).name);
                         });

TEST_F(Pretrain, TwoRunsAStopAndTwoThreadsGiveTheSameFile) {
  const auto file_of = [&](std::string_view name, bool stopped, std::size_t threads) {
    PretrainOptions wishes = options(name);
    wishes.name = "same";
    wishes.epochs = 2;
    wishes.threads = threads;
    wishes.average = 0.95;
    if (stopped) {
      std::stop_source source;
      const auto result = prepare(wishes).value()->run(
          [&](const StepReport& report, auto) {
            if (report.step == 5) source.request_stop();
          },
          source.get_token());
      EXPECT_EQ(result->end, TrainingEnd::kStopped);
      wishes.memory = std::uint64_t{300} << 20;  // may change meanwhile
    }
    const auto result = prepare(wishes).value()->run({}, {});
    EXPECT_TRUE(result.has_value()) << result.error().to_string();
    EXPECT_EQ(result->end, TrainingEnd::kDone);
    return model_bytes(name);
  };
  const std::string once = file_of("once", false, 1);
  EXPECT_TRUE(once == file_of("two", false, 2));
  EXPECT_TRUE(once == file_of("stopped", true, 1));
}

TEST_F(Pretrain, SavesTheAverageAlsoWhereNothingIsHeldOut) {
  // Of a matrix: in eight bits it is an image, which the average has to get into.
  const auto embedding_of = [&](std::string_view name, double average) {
    PretrainOptions wishes = options(name);
    wishes.epochs = 0.5;
    wishes.data.split.validation = 0;
    wishes.type = DType::kQ8_0;
    wishes.average = average;
    const auto run = prepare(wishes);
    EXPECT_THAT((*run)->plan().warnings, Contains(HasSubstr("nothing is held out")));
    EXPECT_TRUE((*run)->run({}, {}).has_value());
    const auto file = open_weights(root_ / name / "model.gguf").value();
    const TensorView& view = *file->find("token_embd.weight");
    return std::vector<std::byte>(view.data, view.data + view.bytes());
  };
  EXPECT_FALSE(embedding_of("last", 0) == embedding_of("average", 0.9));
}

TEST_F(Pretrain, CanBecomeLongerWhileTheRateIsAtItsPeak) {
  PretrainOptions wishes = options("run");
  wishes.name = "same";
  wishes.epochs = 1;
  wishes.schedule.hold = 0.6;
  wishes.schedule.warmup = 2;
  // Asked for after the step before.
  const auto stop_at = [&](std::int64_t step) {
    std::stop_source source;
    const auto result = prepare(wishes).value()->run(
        [&](const StepReport& report, auto) {
          if (report.step == step - 1) source.request_stop();
        },
        source.get_token());
    return result->state.step;
  };
  const std::int64_t steps = prepare(wishes).value()->plan().steps;
  const std::int64_t held = steps / 2;
  EXPECT_EQ(stop_at(held), held);
  PretrainOptions longer = wishes;
  longer.epochs = 1.5;
  ASSERT_TRUE(prepare(longer).value()->run({}, {}).has_value());
  const std::string model = model_bytes("run");
  longer.folder = root_ / "other";
  ASSERT_TRUE(prepare(longer).value()->run({}, {}).has_value());
  EXPECT_TRUE(model == model_bytes("other"));

  // Once it falls it is too late.
  wishes.folder = root_ / "late";
  EXPECT_EQ(stop_at(steps - 1), steps - 1);
  longer.folder = root_ / "late";
  const auto refused = prepare(longer).value()->run({}, {});
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, "checkpoint_other_run");
  EXPECT_TRUE(prepare(wishes).value()->run({}, {}).has_value()) << "as it was";
  fs::remove(root_ / "late" / "log.jsonl");
  EXPECT_EQ(prepare(wishes).value()->run({}, {}).error().code, "log_invalid");
}

TEST_F(Pretrain, WhatDecidesTheResultMakesAnotherRun) {
  PretrainOptions wishes = options("run");
  wishes.epochs = 0.2;
  ASSERT_TRUE(prepare(wishes).value()->run({}, {}).has_value());
  const auto refused = [&](const PretrainOptions& other) {
    const auto result = prepare(other).value()->run({}, {});
    return !result && result.error().code == "checkpoint_other_run";
  };
  EXPECT_FALSE(refused(wishes));
  PretrainOptions other = wishes;
  other.init.seed = 2;
  EXPECT_TRUE(refused(other));
  other = wishes;
  other.average = 0.5;
  EXPECT_TRUE(refused(other));
  other = wishes;
  other.muon->others_rate = 0.4F;
  EXPECT_TRUE(refused(other));
  other = wishes;
  other.data.sources = {{root_ / "stories.jsonl", 2}, {root_ / "chats.jsonl", 1}};
  EXPECT_TRUE(refused(other));
  other = wishes;
  other.name = "other";
  EXPECT_TRUE(refused(other)) << "it is in the file";
}

TEST_F(Pretrain, TokensAreSharedOutAsAsked) {
  PretrainOptions wishes = options("run");
  wishes.data.sources = {{root_ / "stories.jsonl", 1}, {root_ / "chats.jsonl", 3}};
  wishes.tokens = 40'000;
  const PretrainPlan plan = prepare(wishes).value()->plan();
  EXPECT_NEAR(plan.sources[1].share, 0.75, 1e-9);
  EXPECT_NEAR(static_cast<double>(plan.tokens), 40'000, 400);
  EXPECT_NEAR(plan.sources[1].passes * static_cast<double>(plan.sources[1].tokens), 30'000, 300);

  auto data = PretrainData::read(wishes.data);
  const auto tokenizer = load_tokenizer(small_model()).value();
  const ChatTemplate chat = ChatTemplate::parse(kChatMl, {}).value();
  const auto renderer = RowRenderer::create(*tokenizer, &chat, {.context = 64});
  ASSERT_TRUE(data->render(*renderer, *renderer, *tokenizer).has_value());
  std::vector<std::int64_t> lengths;
  for (const Example& example : data->examples())
    lengths.push_back(static_cast<std::int64_t>(example.ids.size()));
  const auto order =
      BatchOrder::create(lengths, {.tokens = 256, .seed = 1, .sources = data->sets()});
  const std::int64_t first = data->plans()[0].examples;
  std::int64_t of_first = 0, all = 0;
  for (std::int64_t step = 1; step <= 3 * order->batches_per_epoch(); ++step)
    for (const std::int64_t index : order->batch(step)) {
      const std::int64_t length = lengths[static_cast<std::size_t>(index)];
      all += length;
      if (index < first) of_first += length;
    }
  EXPECT_NEAR(static_cast<double>(of_first) / static_cast<double>(all), 0.25, 0.01);
}

TEST_F(Pretrain, WhatIsHeldOutIsNotLearned) {
  // Of the stories, one as it is, one in other letters; and one that is nowhere else.
  std::string shouted = story(7);
  std::ranges::transform(shouted, shouted.begin(), [](unsigned char c) { return std::toupper(c); });
  std::string rows;
  for (const std::string& text : {story(3), shouted, std::string("Something zebra.")})
    rows += write_json(JsonObject{{"text", text}}) + "\n";
  write("held.jsonl", rows);
  PretrainOptions wishes = options("run");
  wishes.data.validation = {root_ / "held.jsonl"};
  auto data = PretrainData::read(wishes.data);
  ASSERT_TRUE(data.has_value());
  EXPECT_EQ(data->plans()[0].held_out, 2);
  EXPECT_EQ(data->plans()[0].rows, 118);
  EXPECT_EQ(data->plans()[1].rows, 60);
  for (const std::string_view text : data->texts()) {
    EXPECT_NE(text, story(3));
    EXPECT_NE(text, story(7));
    EXPECT_FALSE(text.contains("zebra"));
  }

  // Without files of their own: rows of both parts, none in the two of them.
  wishes.data.validation.clear();
  data = PretrainData::read(wishes.data);
  const auto learned = data->texts();
  const RowFile all = read_rows(root_ / "stories.jsonl", {}).value();
  std::int64_t held_out = 0;
  for (const Row& row : all.rows) {
    const bool held = part_of(row, wishes.data.split) != Part::kTrain;
    held_out += held;
    EXPECT_EQ(std::ranges::find(learned, row.text) == learned.end(), held);
  }
  EXPECT_GT(held_out, 3);
  EXPECT_EQ(held_out, data->plans()[0].held_out);
}

TEST_F(Pretrain, TakesAnotherModelsVocabularyAndItsTemplate) {
  PretrainOptions wishes = options("small");
  wishes.epochs = 0.1;
  wishes.template_text =
      "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|endoftext|>"
      "{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}";
  wishes.vocabulary.control = {"<|user|>", "<|assistant|>"};
  ASSERT_TRUE(prepare(wishes).value()->run({}, {}).has_value());
  PretrainOptions other = options("run");
  other.vocabulary.from = root_ / "small" / "model.gguf";
  other.shape.vocab = 287;
  EXPECT_EQ(code_of(other), "tokenizer_too_large");
  other.shape.vocab = 0;
  other.epochs = 0.1;
  other.type = DType::kF16;
  ASSERT_TRUE(prepare(other).value()->run({}, {}).has_value());
  const auto file = open_weights(root_ / "run" / "model.gguf");
  ASSERT_TRUE(file.has_value());
  EXPECT_EQ((*file)->find("token_embd.weight")->shape, Shape({288, 32}));
  EXPECT_EQ((*file)->find("token_embd.weight")->dtype, DType::kF16);
  EXPECT_EQ((*file)->find("output_norm.weight")->dtype, DType::kF32);
  EXPECT_EQ((*file)->metadata.string("tokenizer.chat_template").value(), wishes.template_text);
  const auto model = open_model(root_ / "run" / "model.gguf", {.threads = 1});
  ASSERT_TRUE(model.has_value()) << model.error().to_string();
  EXPECT_EQ(model->tokenizer->encode("<|user|>", {.parse_specials = true}).size(), 1u);
}

TEST_F(Pretrain, AllOfAConversationIsLearnedIfAskedAndItsAnswersAreScored) {
  PretrainOptions wishes = options("run");
  wishes.data.sources = {{root_ / "chats.jsonl"}};
  wishes.shape.vocab = 270;
  const PretrainPlan answers = prepare(wishes).value()->plan();
  wishes.render.learn_prompts = true;
  const PretrainPlan all = prepare(wishes).value()->plan();
  EXPECT_GT(all.sources[0].learned_tokens, 2 * answers.sources[0].learned_tokens);
  EXPECT_EQ(all.sources[0].tokens, answers.sources[0].tokens);
  EXPECT_EQ(all.held_out_tokens, answers.held_out_tokens);
}

TEST_F(Pretrain, SaysWhatIsWrong) {
  PretrainOptions wishes = options("run");
  wishes.data.sources.clear();
  EXPECT_EQ(code_of(wishes), "pretrain_invalid");
  wishes.data.sources = {{root_ / "stories.jsonl", 1}, {root_ / "chats.jsonl"}};
  EXPECT_EQ(code_of(wishes), "pretrain_invalid") << "one has a share, one has none";
  wishes.data.sources = {{root_ / "stories.jsonl", -1}};
  EXPECT_EQ(code_of(wishes), "pretrain_invalid");
  write("empty.jsonl", "\n");
  wishes.data.sources = {{root_ / "empty.jsonl"}};
  EXPECT_EQ(code_of(wishes), "data_empty");
  write("blank.jsonl", "{\"text\":\" \"}\n");
  wishes.data.sources = {{root_ / "stories.jsonl"}, {root_ / "blank.jsonl"}};
  EXPECT_EQ(code_of(wishes), "data_empty");
  wishes.data.sources = {{root_ / "nowhere.jsonl"}};
  EXPECT_EQ(code_of(wishes), "file_not_found");
  write("pairs.jsonl", R"({"prompt":"a","chosen":"b","rejected":"c"})");
  wishes.data.sources = {{root_ / "pairs.jsonl"}};
  EXPECT_EQ(code_of(wishes), "source_unfit");

  wishes = options("run");
  wishes.data.validation = {root_ / "stories.jsonl"};
  EXPECT_EQ(code_of(wishes), "data_empty") << "all of it is held out";
  wishes = options("run");
  wishes.shape.vocab = 4096;
  EXPECT_EQ(code_of(wishes), "vocab_too_large") << "so few words have no more pairs";
  wishes.shape.vocab = 200;
  EXPECT_EQ(code_of(wishes), "vocab_too_small");
  wishes.shape.vocab = 0;
  EXPECT_EQ(code_of(wishes), "pretrain_invalid");
  wishes = options("run");
  wishes.type = DType::kQ4_K;
  EXPECT_EQ(code_of(wishes), "pretrain_invalid");
  wishes.type = DType::kQ8_0;
  wishes.shape.width = 48;
  EXPECT_EQ(code_of(wishes), "pretrain_invalid") << "rows of 48 in blocks of 32";
  wishes = options("run");
  wishes.shape.kv_heads = 3;
  EXPECT_NE(code_of(wishes), "") << "two heads of queries cannot share three of keys";
  wishes = options("run");
  wishes.render.context = 65;
  EXPECT_EQ(code_of(wishes), "pretrain_invalid");
  wishes = options("run");
  wishes.average = 1;
  EXPECT_EQ(code_of(wishes), "keep_invalid");
  wishes = options("run");
  wishes.template_text = "{{ 'nothing' }}";
  EXPECT_EQ(code_of(wishes), "template_no_spans");
  wishes = options("run");
  wishes.memory = 1 << 20;
  EXPECT_EQ(code_of(wishes), "memory_budget");
}

TEST(TemplateMarks, AreEachOnceInOrder) {
  EXPECT_EQ(template_marks(kChatMl), (std::vector<std::string>{"<|im_start|>", "<|im_end|>"}));
  EXPECT_TRUE(template_marks("a < b <| c |> <||> <|x <|").empty());
  EXPECT_EQ(template_marks("<|a<|end|>"), std::vector<std::string>{"<|end|>"});
}

}  // namespace
}  // namespace bantam
