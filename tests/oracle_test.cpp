// Real weights, with what independent programs computed from them: PyTorch for the seed model,
// NumPy in double precision for stories260K. Skipped where the shared data is absent.
//
// Bounds as in parity_test.cpp: 8 · max|logit| · sqrt(7 L F) · 2^-24 for float weights with F32
// keys and values, and half a unit of the last digit that the oracle's file gives.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "base/file.h"
#include "base/json.h"
#include "chat/local_chat.h"
#include "compress/convert.h"
#include "runtime/scorer.h"

namespace bantam {
namespace {

const std::filesystem::path kSeed = BANTAM_SHARED_DATA "/weights/seed-model";
const std::filesystem::path kStories = BANTAM_SHARED_DATA "/weights/tinyllamas";

std::vector<std::int32_t> ids_of(const Json& list) {
  std::vector<std::int32_t> ids;
  for (const Json& id : list.as_array()) ids.push_back(static_cast<std::int32_t>(id.as_int64()));
  return ids;
}

std::vector<double> doubles_of(const Json& list) {
  std::vector<double> values;
  for (const Json& value : list.as_array()) values.push_back(value.to_number<double>());
  return values;
}

double float_bound(const ArchSpec& spec, const std::vector<double>& want, double digits) {
  double largest = 0;
  for (const double value : want) largest = std::max(largest, std::abs(value));
  const double sums =
      7.0 * static_cast<double>(spec.layer_count()) * static_cast<double>(spec.layers[0].ffn_width);
  return 8 * largest * std::sqrt(sums) * 0x1p-24 + digits / 2;
}

void expect_near(std::span<const float> got, const std::vector<double>& want, double bound) {
  ASSERT_EQ(got.size(), want.size());
  std::size_t worst = 0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    if (!(std::abs(static_cast<double>(got[i]) - want[i]) <=
          std::abs(static_cast<double>(got[worst]) - want[worst]))) {
      worst = i;
    }
  }
  EXPECT_NEAR(static_cast<double>(got[worst]), want[worst], bound) << "logit " << worst;
}

std::vector<float> last_logits(Engine& engine, std::span<const std::int32_t> ids) {
  std::vector<float> logits;
  const auto scored = engine.score(ids, true, {}, [&](std::int64_t, std::span<const float> row) {
    logits.assign(row.begin(), row.end());
    return true;
  });
  EXPECT_TRUE(scored.has_value()) << scored.error().to_string();
  return logits;
}

// Greedy ids, the end token included where there was one.
std::vector<std::int32_t> greedy(Engine& engine, const std::vector<std::int32_t>& prompt,
                                 std::int64_t count, std::vector<std::int32_t> end_tokens) {
  GenerationRequest request;
  request.prompt = prompt;
  request.sampling.temperature = 0;
  request.stop.max_tokens = count;
  request.end_tokens = end_tokens;
  std::vector<std::int32_t> ids;
  const auto result = engine.generate(request, {}, [&](const TokenEvent& token) {
    ids.push_back(token.id);
    return true;
  });
  EXPECT_TRUE(result.has_value()) << result.error().to_string();
  if (result && result->end == GenerationEnd::kEndToken) ids.push_back(end_tokens.at(0));
  return ids;
}

std::vector<Json> seed_rows() {
  const auto text = read_file(kSeed / "expected.jsonl", 1u << 24);
  CHECK(text.has_value());
  std::vector<Json> rows;
  for (std::size_t at = 0; at < text->size();) {
    const std::size_t end = std::min(text->find('\n', at), text->size());
    if (end > at) {
      auto row = parse_json(std::string_view(*text).substr(at, end - at));
      CHECK(row.has_value(), "{}", row.error().to_string());
      rows.push_back(std::move(*row));
    }
    at = end + 1;
  }
  return rows;
}

ChatRequest request_of(const Json& row) {
  ChatRequest request;
  const JsonObject& object = row.as_object();
  std::string text(object.at("text").as_string());
  if (object.at("kind").as_string() == "raw") {
    request.prompt = std::move(text);
    return request;
  }
  request.messages.push_back(
      {.role = "system", .content = std::string(object.at("system").as_string())});
  request.messages.push_back({.role = "user", .content = std::move(text)});
  return request;
}

// What must hold of the seed model from any exact source.
void expect_seed_oracle(const std::filesystem::path& path, DType kv, bool logits) {
  const auto chat = LocalChat::open(path, {.engine = {.threads = 2, .kv_type = kv}});
  ASSERT_TRUE(chat.has_value()) << chat.error().to_string();
  Engine& engine = *(*chat)->model().engine;
  for (const Json& row : seed_rows()) {
    const JsonObject& want = row.as_object();
    SCOPED_TRACE(std::string(want.at("text").as_string()));
    const auto ids = (*chat)->prompt_ids(request_of(row));
    ASSERT_TRUE(ids.has_value()) << ids.error().to_string();
    EXPECT_EQ(*ids, ids_of(want.at("prompt_ids")));
    if (logits) {
      const auto values = doubles_of(want.at("last_prompt_logits_f32"));
      expect_near(last_logits(engine, *ids), values, float_bound(engine.spec(), values, 1e-5));
    }
    EXPECT_EQ(greedy(engine, *ids, 64, {2}), ids_of(want.at("greedy_ids")));
  }
}

TEST(SeedModel, HuggingFaceFolderMatchesPyTorch) {
  if (!std::filesystem::exists(kSeed)) GTEST_SKIP() << "needs shared data: " << kSeed;
  expect_seed_oracle(kSeed, DType::kF32, true);
}

TEST(SeedModel, HalfPrecisionKeysAndValuesKeepTheGreedyText) {
  if (!std::filesystem::exists(kSeed)) GTEST_SKIP() << "needs shared data: " << kSeed;
  expect_seed_oracle(kSeed, DType::kF16, false);
}

TEST(SeedModel, ShippedHalfPrecisionFileMatchesPyTorch) {
  if (!std::filesystem::exists(kSeed)) GTEST_SKIP() << "needs shared data: " << kSeed;
  expect_seed_oracle(BANTAM_SOURCE_DIR "/models/seed-F16.gguf", DType::kF32, true);
}

// Log-probabilities of every token after each token of `ids`.
std::vector<std::vector<double>> all_logprobs(Engine& engine, std::span<const std::int32_t> ids) {
  std::vector<std::vector<double>> rows;
  const auto scored =
      engine.score(ids, false, {}, [&](std::int64_t, std::span<const float> logits) {
        const double total =
            engine.kernels().log_sum_exp(logits.data(), static_cast<std::int64_t>(logits.size()));
        std::vector<double>& row = rows.emplace_back();
        for (const float logit : logits) row.push_back(static_cast<double>(logit) - total);
        return true;
      });
  EXPECT_TRUE(scored.has_value());
  return rows;
}

// Mean over positions of Σ p (log p - log q).
double mean_kl(const std::vector<std::vector<double>>& p,
               const std::vector<std::vector<double>>& q) {
  double sum = 0;
  for (std::size_t t = 0; t < p.size(); ++t) {
    for (std::size_t i = 0; i < p[t].size(); ++i) {
      sum += std::exp(p[t][i]) * (p[t][i] - q[t][i]);
    }
  }
  return sum / static_cast<double>(p.size());
}

class ConvertedSeedModel : public testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(kSeed)) GTEST_SKIP() << "needs shared data: " << kSeed;
    folder_ = std::filesystem::temp_directory_path() / fmt::format("bantam-oracle-{}", ::getpid());
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path converted(std::string_view type) {
    const auto in = open_weights(kSeed);
    CHECK(in.has_value());
    const auto recipe = find_recipe(type);
    CHECK(recipe.has_value());
    const std::filesystem::path out = folder_ / fmt::format("seed-{}.gguf", type);
    ThreadPool pool(2);
    const auto report = convert(**in, {.out = out, .recipe = *recipe}, pool);
    CHECK(report.has_value(), "{}", report.error().to_string());
    return out;
  }

  // Mean KL divergence from the folder's model over every position of the oracle's conversations.
  double kl_of(std::string_view type) {
    const EngineOptions options{.threads = 2, .kv_type = DType::kF32};
    const auto exact = open_model(kSeed, options);
    const auto packed = open_model(converted(type), options);
    CHECK(exact.has_value() && packed.has_value());
    double sum = 0;
    std::size_t rows = 0;
    for (const Json& row : seed_rows()) {
      std::vector<std::int32_t> ids = ids_of(row.as_object().at("prompt_ids"));
      const auto answer = ids_of(row.as_object().at("greedy_ids"));
      ids.insert(ids.end(), answer.begin(), answer.end());
      const auto p = all_logprobs(*exact->engine, ids);
      sum += mean_kl(p, all_logprobs(*packed->engine, ids)) * static_cast<double>(p.size());
      rows += p.size();
    }
    return sum / static_cast<double>(rows);
  }

  std::filesystem::path folder_;
};

TEST_F(ConvertedSeedModel, HalfPrecisionGgufMatchesPyTorch) {
  expect_seed_oracle(converted("F16"), DType::kF32, true);
}

TEST_F(ConvertedSeedModel, QuantizedFilesStayWithinTheirDivergence) {
  const double q8_0 = kl_of("Q8_0"), q6_k = kl_of("Q6_K"), q4_k = kl_of("Q4_K"),
               q4_0 = kl_of("Q4_0");
  RecordProperty("kl_q8_0", std::to_string(q8_0));
  RecordProperty("kl_q6_k", std::to_string(q6_k));
  RecordProperty("kl_q4_k", std::to_string(q4_k));
  RecordProperty("kl_q4_0", std::to_string(q4_0));
  EXPECT_LT(q8_0, 0.001);
  EXPECT_LT(q6_k, 0.005);
  EXPECT_LT(q4_k, 0.05);
  EXPECT_LT(q4_0, 0.1);
  EXPECT_LT(q8_0, q6_k);
  EXPECT_LT(q6_k, q4_k);
  EXPECT_LT(q4_k, q4_0);
}

// The answer's text, through the whole of the chat, is what the oracle decoded.
TEST(SeedModel, AnswersAreTheOraclesTexts) {
  if (!std::filesystem::exists(kSeed)) GTEST_SKIP() << "needs shared data: " << kSeed;
  const auto chat = LocalChat::open(kSeed, {});
  ASSERT_TRUE(chat.has_value()) << chat.error().to_string();
  for (const Json& row : seed_rows()) {
    ChatRequest request = request_of(row);
    request.sampling.temperature = 0;
    request.stop.max_tokens = 64;
    std::string text;
    FinishReason reason = FinishReason::kCancelled;
    const auto done = (*chat)->answer(request, {}, [&](const ChatEvent& event) {
      if (const auto* piece = std::get_if<TextEvent>(&event)) text += piece->text;
      if (const auto* finish = std::get_if<FinishEvent>(&event)) reason = finish->reason;
      return true;
    });
    ASSERT_TRUE(done.has_value()) << done.error().to_string();
    std::string want(row.as_object().at("greedy_text").as_string());
    const std::string end = "<|im_end|>";
    const bool ended = want.ends_with(end);
    if (ended) want.resize(want.size() - end.size());
    EXPECT_EQ(text, want);
    EXPECT_EQ(reason, ended ? FinishReason::kStop : FinishReason::kLength);
  }
}

void expect_stories_oracle(const std::filesystem::path& path) {
  auto model = open_model(path, {.threads = 2, .kv_type = DType::kF32});
  ASSERT_TRUE(model.has_value()) << model.error().to_string();
  ASSERT_NE(model->tokenizer, nullptr);
  const auto file = read_file(kStories / "stories260K-expected.json", 1u << 20);
  ASSERT_TRUE(file.has_value());
  const auto expected = parse_json(*file);
  ASSERT_TRUE(expected.has_value()) << expected.error().to_string();
  const EncodeOptions with_specials{.add_specials = true};

  for (const Json& row : expected->as_object().at("cases").as_array()) {
    const JsonObject& want = row.as_object();
    const auto ids = model->tokenizer->encode(want.at("prompt").as_string(), with_specials);
    EXPECT_EQ(ids, ids_of(want.at("ids")));
    const auto values = doubles_of(want.at("logits_last"));
    expect_near(last_logits(*model->engine, ids), values,
                float_bound(model->engine->spec(), values, 0));
    const auto greedy_ids = ids_of(want.at("greedy_ids"));
    const auto got = greedy(*model->engine, ids, static_cast<std::int64_t>(greedy_ids.size()), {});
    EXPECT_EQ(got, greedy_ids);
    auto all = ids;
    all.insert(all.end(), got.begin(), got.end());
    EXPECT_EQ(model->tokenizer->decode(all, false), want.at("greedy_text").as_string());
  }

  const JsonObject& nll = expected->as_object().at("nll").as_object();
  const auto ids = model->tokenizer->encode(nll.at("text").as_string(), with_specials);
  EXPECT_EQ(ids, ids_of(nll.at("ids")));
  const auto logprobs = score_tokens(*model->engine, ids, {}, [](auto, auto) {});
  ASSERT_TRUE(logprobs.has_value()) << logprobs.error().to_string();
  const auto losses = doubles_of(nll.at("token_nll"));
  ASSERT_EQ(logprobs->size(), losses.size());
  // A loss is a difference of two logits' errors; logits reach about 18.
  const double bound = 2 * float_bound(model->engine->spec(), {18.0}, 0);
  for (std::size_t i = 0; i < losses.size(); ++i) {
    EXPECT_NEAR(-(*logprobs)[i], losses[i], bound) << "token " << i;
  }
  const double want = nll.at("perplexity").as_double();
  EXPECT_NEAR(perplexity(*logprobs), want, want * bound);
}

TEST(Stories260K, GgufVersion1MatchesNumPy) {
  if (!std::filesystem::exists(kStories)) GTEST_SKIP() << "needs shared data: " << kStories;
  expect_stories_oracle(kStories / "stories260K-f32.gguf");
}

// A request that shares its beginning with the one before gets the same tokens and says so.
TEST(Stories260K, PrefixReuseChangesNothing) {
  if (!std::filesystem::exists(kStories)) GTEST_SKIP() << "needs shared data: " << kStories;
  auto model = open_model(kStories / "stories260K-f32.gguf", {});
  ASSERT_TRUE(model.has_value()) << model.error().to_string();
  const auto run = [&](const std::vector<std::int32_t>& prompt, std::int64_t cached) {
    GenerationRequest request;
    request.prompt = prompt;
    request.sampling.temperature = 0.8;
    request.sampling.seed = 42;
    request.stop.max_tokens = 30;
    request.top_logprobs = 2;
    std::vector<std::pair<std::int32_t, float>> tokens;
    const auto result = model->engine->generate(request, {}, [&](const TokenEvent& token) {
      tokens.emplace_back(token.id, token.choice->logprob);
      return true;
    });
    EXPECT_TRUE(result.has_value());
    EXPECT_EQ(result->cached_tokens, cached);
    return tokens;
  };
  const std::vector<std::int32_t> prompt = {1, 403, 407, 261, 378, 432, 383, 286};
  const auto first = run(prompt, 0);
  EXPECT_EQ(run(prompt, 7), first);
  std::vector<std::int32_t> other = prompt;
  other[3] = 300;
  run(other, 3);
  EXPECT_EQ(run(prompt, 3), first);
}

}  // namespace
}  // namespace bantam
