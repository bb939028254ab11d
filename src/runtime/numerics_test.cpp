// Weights that are not finite numbers: what --check says of them, and what a request does.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "codec/codec.h"
#include "kernels/matmul.h"
#include "runtime/engine.h"
#include "runtime/scorer.h"
#include "runtime/weight_check.h"
#include "support/random_model.h"

namespace bantam {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr float kBroken[] = {std::numeric_limits<float>::quiet_NaN(),
                             std::numeric_limits<float>::infinity(),
                             -std::numeric_limits<float>::infinity()};
constexpr std::int32_t kTokens[] = {3, 1, 4, 1, 5, 9, 2, 6};

std::byte* bytes_of(const WeightFile& file, std::string_view name, std::size_t offset) {
  return const_cast<std::byte*>(file.find(name)->data) + offset;  // a buffer that a test filled
}
// Returns what was there.
float put(const WeightFile& file, std::string_view name, std::int64_t element, float value) {
  std::byte* const place = bytes_of(file, name, static_cast<std::size_t>(element) * sizeof value);
  float before = 0;
  std::memcpy(&before, place, sizeof before);
  std::memcpy(place, &value, sizeof value);
  return before;
}

Result<void> generate(Engine& engine) {
  GenerationRequest request;
  request.prompt.assign(std::begin(kTokens), std::end(kTokens));
  request.stop.max_tokens = 3;
  TRY(engine.generate(request, {}, [](const TokenEvent&) { return true; }));
  return {};
}
Result<void> score(Engine& engine) {
  TRY(score_tokens(engine, kTokens, {}, [](std::int64_t, std::int64_t) {}));
  return {};
}

// Both ways to use a model say so, and none of them gives a number before.
void expect_broken(const std::shared_ptr<WeightFile>& file, const std::string& what) {
  auto decoder = load_decoder(file);
  ASSERT_TRUE(decoder) << decoder.error().to_string();
  auto engine = Engine::create(*decoder, {.threads = 1});
  ASSERT_TRUE(engine) << engine.error().to_string();
  for (const auto use : {generate, score}) {
    const auto done = use(**engine);
    ASSERT_FALSE(done) << what;
    EXPECT_EQ(done.error().code, "model_numerics") << what;
    EXPECT_EQ(done.error().kind, ErrorKind::kInternal) << what;
    EXPECT_THAT(done.error().to_string(), HasSubstr("--check")) << what;
  }
}

Result<void> check(const WeightFile& file) {
  ThreadPool pool(3);
  std::uint64_t last = 0;
  const auto done = check_weights(file, pool, [&](std::uint64_t bytes, std::uint64_t total) {
    EXPECT_GT(bytes, last);
    EXPECT_LE(bytes, total);
    last = bytes;
  });
  EXPECT_EQ(last, file.tensor_bytes());
  return done;
}

// Every kind of tensor of a dense model and of one with experts, at an element that these tokens
// use. In the first layer of two: an infinity need not show in the token's own feed-forward (the
// gate of minus infinity is zero), but in that of a token before it does.
TEST(Numerics, ABrokenWeightOfAnyTensorEndsTheRequest) {
  for (const support::RandomModelSpec& spec :
       {support::RandomModelSpec{.biases = true},
        support::RandomModelSpec{.experts = 2, .experts_used = 2}}) {
    const auto file = support::make_random_model(spec);
    std::size_t tried = 0;
    for (const NamedTensor& tensor : file->tensors()) {
      if (tensor.name.starts_with("blk.1.")) continue;
      ++tried;
      for (const float value : kBroken) {
        // Of the embedding only the rows of these tokens are read; the first is token 3's.
        const std::int64_t element = tensor.name == "token_embd.weight" ? 3 * spec.width + 2 : 2;
        const float whole = put(*file, tensor.name, element, value);
        const std::string what = fmt::format("{} in {}", value, tensor.name);
        expect_broken(file, what);
        const auto checked = check(*file);
        ASSERT_FALSE(checked) << what;
        EXPECT_EQ(checked.error().code, "weights_not_finite");
        EXPECT_THAT(
            checked.error().to_string(),
            AllOf(HasSubstr(tensor.name), HasSubstr(fmt::format("element {} of", element))));
        put(*file, tensor.name, element, whole);
      }
    }
    EXPECT_GT(tried, 10u);
    EXPECT_TRUE(check(*file));
  }
}

// A block's scale is an F16, which can be broken too.
TEST(Numerics, ABrokenScaleOfAPackedBlockEndsTheRequest) {
  for (const char* name : {"blk.0.attn_q.weight", "blk.0.ffn_down.weight", "output.weight"}) {
    for (const int pattern : {0x7E00, 0x7C00, 0xFC00}) {
      const auto file = support::make_random_model({.layers = 1, .dtype = DType::kQ8_0});
      const auto bits = static_cast<std::uint16_t>(pattern);
      std::memcpy(bytes_of(*file, name, 34), &bits, sizeof bits);  // the second block of 32
      expect_broken(file, name);
      const auto checked = check(*file);
      ASSERT_FALSE(checked);
      EXPECT_THAT(checked.error().to_string(), AllOf(HasSubstr(name), HasSubstr("element 32 of")));
    }
  }
}

TEST(Numerics, AnEmbeddingThatNobodyUsesHarmsNobody) {
  const auto file = support::make_random_model({.layers = 1});
  put(*file, "token_embd.weight", 100 * 64, kBroken[0]);
  auto engine = Engine::create(load_decoder(file).value(), {.threads = 1});
  ASSERT_TRUE(engine);
  EXPECT_TRUE(generate(**engine));
  EXPECT_FALSE(check(*file));
}

TEST(Numerics, TheEngineAnswersTheNextRequestAfterABrokenOne) {
  const auto file = support::make_random_model({.layers = 1});
  put(*file, "token_embd.weight", 9 * 64, kBroken[1]);
  auto engine = Engine::create(load_decoder(file).value(), {.threads = 1}).value();
  EXPECT_FALSE(generate(*engine));
  GenerationRequest other;
  other.prompt = {3, 1, 4, 1, 5};  // begins like the broken one
  other.stop.max_tokens = 2;
  EXPECT_TRUE(engine->generate(other, {}, [](const TokenEvent&) { return true; }));
  EXPECT_FALSE(generate(*engine));  // what is cached of it is as broken
}

TEST(WeightCheck, PassesAndCountsWhatIsWhole) {
  EXPECT_TRUE(check(*support::make_random_model({.biases = true, .dtype = DType::kQ4_0})));
}

TEST(WeightCheck, NamesTheFirstElementHoweverManyThereAre) {
  const auto file = support::make_random_model({.vocab = 5000});
  for (const std::int64_t element : {200'001, 150'003, 319'999})
    put(*file, "token_embd.weight", element, kBroken[0]);
  put(*file, "output_norm.weight", 5, kBroken[2]);
  const auto checked = check(*file);
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().kind, ErrorKind::kMalformed);
  EXPECT_THAT(checked.error().to_string(),
              AllOf(HasSubstr("element 150003 of"), HasSubstr("F32"), HasSubstr("(5000, 64)"),
                    HasSubstr("1 more tensor")));
}

// Said when the model is loaded, not whenever it is used; and it works.
TEST(Fallback, ATypeWithoutAKernelIsToldOnce) {
  const auto slow = std::ranges::find_if(all_dtypes(), [](const DTypeInfo& info) {
    return find_codec(info.type) != nullptr && !has_kernel(info.type);
  });
  if (slow == all_dtypes().end()) GTEST_SKIP() << "every type has a kernel";
  const auto file = support::make_random_model(
      {.width = 256, .ffn_width = 256, .dtype = slow->type, .embedding_dtype = DType::kF32});
  testing::internal::CaptureStderr();
  auto engine = Engine::create(load_decoder(file).value(), {.threads = 1});
  ASSERT_TRUE(engine);
  EXPECT_TRUE(generate(**engine));
  EXPECT_TRUE(generate(**engine));
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, HasSubstr(fmt::format("no kernel multiplies {}: its 14 matrices", slow->name)));
  EXPECT_EQ(log.find("no kernel"), log.rfind("no kernel"));
}

TEST(EngineThreads, ImpossibleCountsAreRefused) {
  const auto decoder = load_decoder(support::make_random_model({})).value();
  for (const std::size_t threads : {std::size_t{10'000}, ThreadPool::kMaxThreads + 1}) {
    const auto engine = Engine::create(decoder, {.threads = threads});
    ASSERT_FALSE(engine);
    EXPECT_EQ(engine.error().code, "threads_invalid");
    EXPECT_THAT(engine.error().to_string(), HasSubstr("1024"));
  }
  const auto many = Engine::create(decoder, {.threads = 64});  // more than cores: allowed
  ASSERT_TRUE(many);
  EXPECT_TRUE(generate(**many));
}

}  // namespace
}  // namespace bantam
