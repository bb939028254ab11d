// The oracle itself, against logits, greedy texts and losses that others computed.
#include "support/reference_model.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "support/random_model.h"

namespace bantam::support {
namespace {

const std::filesystem::path kWeights = BANTAM_SHARED_DATA "/weights";

std::vector<std::int32_t> ids_of(const Json& value) {
  std::vector<std::int32_t> ids;
  for (const Json& id : value.as_array()) ids.push_back(id.to_number<std::int32_t>());
  return ids;
}

Json load_json(const std::filesystem::path& path) {
  const auto text = read_file(path, 64u << 20);
  CHECK(text.has_value(), "{}", text.error().to_string());
  return parse_json(*text).value();
}

// stories260K: 260,000 trained parameters, expectations by a NumPy program in double precision.
class Stories : public testing::Test {
 protected:
  void SetUp() override {
    const auto folder = kWeights / "tinyllamas";
    if (!std::filesystem::exists(folder)) GTEST_SKIP() << "needs shared data: " << folder;
    const auto file = open_weights(folder / "stories260K-f32.gguf");
    ASSERT_TRUE(file) << file.error().to_string();
    model_ = std::make_unique<ReferenceModel>(**file);
    expected_ = load_json(folder / "stories260K-expected.json");
  }
  std::unique_ptr<ReferenceModel> model_;
  Json expected_;
};

TEST_F(Stories, LogitsAfterThePrompts) {
  for (const Json& story : expected_.at("cases").as_array()) {
    const auto ids = ids_of(story.at("ids"));
    const auto found = model_->last_logits(ids);
    const JsonArray& wanted = story.at("logits_last").as_array();
    ASSERT_EQ(found.size(), wanted.size());
    for (std::size_t i = 0; i < found.size(); ++i)
      ASSERT_NEAR(found[i], wanted[i].to_number<double>(), 2e-6) << i;  // printed as floats
  }
}

TEST_F(Stories, GreedyTexts) {
  for (const Json& story : expected_.at("cases").as_array()) {
    const JsonObject& fields = story.as_object();
    ASSERT_TRUE(fields.contains("greedy_ids"));
    const auto wanted = ids_of(fields.at("greedy_ids"));
    EXPECT_EQ(model_->greedy(ids_of(fields.at("ids")), wanted.size()), wanted);
  }
}

TEST_F(Stories, LossOfEveryToken) {
  const Json& nll = expected_.at("nll");
  const auto ids = ids_of(nll.at("ids"));
  const auto logits = model_->logits(ids);
  const JsonArray& wanted = nll.at("token_nll").as_array();
  ASSERT_EQ(wanted.size() + 1, ids.size());
  for (std::size_t t = 0; t + 1 < ids.size(); ++t)
    EXPECT_NEAR(-log_probability(logits[t], ids[t + 1]), wanted[t].to_number<double>(), 1e-6) << t;
}

// The seed model: expectations by PyTorch in single precision, so the double-precision logits lie
// within its rounding, and the texts, which are far from ties, are equal.
class Seed : public testing::Test {
 protected:
  void SetUp() override {
    const auto folder = kWeights / "seed-model";
    if (!std::filesystem::exists(folder)) GTEST_SKIP() << "needs shared data: " << folder;
    const auto file = open_weights(folder);
    ASSERT_TRUE(file) << file.error().to_string();
    model_ = std::make_unique<ReferenceModel>(**file);
    const auto lines = read_file(folder / "expected.jsonl", 64u << 20);
    ASSERT_TRUE(lines);
    for (std::size_t at = 0; at < lines->size();) {
      const std::size_t end = std::min(lines->find('\n', at), lines->size());
      cases_.push_back(parse_json(std::string_view(*lines).substr(at, end - at)).value());
      at = end + 1;
    }
    ASSERT_GE(cases_.size(), 20u);
  }
  std::unique_ptr<ReferenceModel> model_;
  std::vector<Json> cases_;
};

TEST_F(Seed, LogitsAfterThePrompts) {
  for (std::size_t c = 0; c < cases_.size(); c += 3) {
    const auto found = model_->last_logits(ids_of(cases_[c].at("prompt_ids")));
    const JsonArray& wanted = cases_[c].at("last_prompt_logits_f32").as_array();
    ASSERT_EQ(found.size(), wanted.size());
    // Printed with five decimals; five layers of single precision add some 1e-5.
    for (std::size_t i = 0; i < found.size(); ++i)
      ASSERT_NEAR(found[i], wanted[i].to_number<double>(), 5e-5) << "case " << c << " token " << i;
  }
}

TEST_F(Seed, GreedyTexts) {
  const std::vector<std::int32_t> stop = {2};
  for (std::size_t c = 0; c < cases_.size(); c += 4) {
    const auto wanted = ids_of(cases_[c].at("greedy_ids"));
    EXPECT_EQ(model_->greedy(ids_of(cases_[c].at("prompt_ids")), 64, stop), wanted) << "case " << c;
  }
}

// --- Properties that hold whatever the weights --------------------------------------------------

std::vector<std::int32_t> some_ids(std::size_t n) {
  std::vector<std::int32_t> ids;
  for (std::size_t i = 0; i < n; ++i) ids.push_back(static_cast<std::int32_t>(i * i * 7 % 250));
  return ids;
}

double largest_difference(const std::vector<double>& a, const std::vector<double>& b) {
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::fabs(a[i] - b[i]));
  return largest;
}

TEST(ReferenceModel, TheFutureChangesNothing) {
  const ReferenceModel model(*make_random_model({}));
  const auto ids = some_ids(9);
  const auto all = model.logits(ids);
  for (std::size_t n = 1; n <= ids.size(); ++n)
    EXPECT_EQ(model.last_logits(std::span(ids).first(n)), all[n - 1]);
}

// With one layer and a window of three, the fourth token back is out of sight.
TEST(ReferenceModel, TheWindowHidesWhatLiesBefore) {
  const auto with_first = [](std::int64_t window, std::int32_t first) {
    const ReferenceModel model(*make_random_model({.layers = 1, .window = window}));
    std::vector<std::int32_t> ids = some_ids(4);
    ids[0] = first;
    return model.last_logits(ids);
  };
  EXPECT_EQ(with_first(3, 5), with_first(3, 6));
  EXPECT_NE(with_first(4, 5), with_first(4, 6));
  EXPECT_NE(with_first(0, 5), with_first(0, 6));
}

// Linear scaling by two at every other position is no scaling; here by its effect on the angles:
// a model scaled by 1 is the model without.
TEST(ReferenceModel, RotaryScalingsActAsTheirFormulas) {
  const auto ids = some_ids(6);
  const auto logits = [&ids](const RandomModelSpec& spec) {
    return ReferenceModel(*make_random_model(spec)).last_logits(ids);
  };
  const auto plain = logits({});
  EXPECT_EQ(logits({.rope_linear_factor = 1}), plain);
  EXPECT_GT(largest_difference(logits({.rope_linear_factor = 2}), plain), 1e-3);

  // Divisors that are all equal are linear scaling.
  auto divided = make_random_model({});
  const std::int64_t pairs = 8;
  auto* divisors = reinterpret_cast<float*>(divided->own_buffer(pairs * sizeof(float)));
  std::fill(divisors, divisors + pairs, 2.0f);
  divided->add_tensor("rope_freqs.weight",
                      {DType::kF32, {pairs}, reinterpret_cast<const std::byte*>(divisors)});
  EXPECT_EQ(ReferenceModel(*divided).last_logits(ids), logits({.rope_linear_factor = 2}));

  // YaRN with a ramp that has every pair before it keeps the angles; only the size changes, and by
  // a factor of one not even that.
  auto yarn = make_random_model({});
  yarn->metadata.set_string("llama.rope.scaling.type", "yarn");
  yarn->metadata.set_f32("llama.rope.scaling.factor", 1);
  yarn->metadata.set_u32("llama.rope.scaling.original_context_length", 64);
  EXPECT_EQ(ReferenceModel(*yarn).last_logits(ids), plain);
}

// Experts that are all alike are one expert, whatever the router says.
TEST(ReferenceModel, EqualExpertsAreOneExpert) {
  auto mixture = make_random_model({.layers = 1, .experts = 3, .experts_used = 2});
  WeightFile dense;
  dense.metadata = mixture->metadata;
  dense.metadata.erase("llama.expert_count");
  dense.metadata.erase("llama.expert_used_count");
  for (const NamedTensor& tensor : mixture->tensors()) {
    const std::size_t stack = tensor.name.find("_exps");
    if (stack == std::string::npos) {
      dense.add_tensor(tensor.name, tensor.view);
      continue;
    }
    TensorView first = tensor.view.slice(0, 1);
    for (std::int64_t e = 1; e < 3; ++e)
      std::copy_n(first.data, first.bytes(),
                  const_cast<std::byte*>(tensor.view.slice(e, e + 1).data));
    first.shape = {first.shape[1], first.shape[2]};
    dense.add_tensor(tensor.name.substr(0, stack) + ".weight", first);
  }
  const auto ids = some_ids(5);
  EXPECT_LT(largest_difference(ReferenceModel(*mixture).last_logits(ids),
                               ReferenceModel(dense).last_logits(ids)),
            1e-12);
}

TEST(ReferenceModel, LogProbabilitiesSumToOne) {
  const std::vector<double> values = {1, 1000, 999, -5};
  double sum = 0;
  for (std::int32_t i = 0; i < 4; ++i) sum += std::exp(log_probability(values, i));
  EXPECT_NEAR(sum, 1, 1e-12);
  EXPECT_EQ(argmax(values), 1);
  EXPECT_EQ(argmax(std::vector<double>{3, 7, 7}), 1);
}

}  // namespace
}  // namespace bantam::support
