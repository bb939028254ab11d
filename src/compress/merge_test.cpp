#include "compress/merge.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <filesystem>

#include "base/random.h"
#include "runtime/kl_divergence.h"
#include "runtime/loaded_model.h"
#include "support/random_model.h"

namespace bantam {
namespace {

namespace fs = std::filesystem;

class Merge : public testing::Test {
 protected:
  Merge() { fs::create_directories(folder_); }
  ~Merge() override { fs::remove_all(folder_); }

  TensorView floats(const Shape& shape, std::uint64_t seed, double mean, double deviation) {
    Random random(seed);
    auto* data = reinterpret_cast<float*>(
        memory_.own_buffer(static_cast<std::size_t>(shape.elements()) * sizeof(float)));
    for (std::int64_t i = 0; i < shape.elements(); ++i)
      data[i] = static_cast<float>(mean + deviation * random.next_normal());
    return {DType::kF32, shape, reinterpret_cast<const std::byte*>(data)};
  }

  // The same model with an embedding of eight dimensions, so that its layers' inputs have few, as
  // those of real models have.
  std::shared_ptr<const WeightFile> narrow(const std::shared_ptr<const WeightFile>& model) {
    auto file = std::make_shared<WeightFile>();
    file->metadata = model->metadata;
    const Shape shape = model->find("token_embd.weight")->shape;
    const TensorView few = floats({8, shape[1]}, 11, 0, 1), mix = floats({shape[0], 8}, 12, 0, 1);
    auto* rows = reinterpret_cast<float*>(
        file->own_buffer(static_cast<std::size_t>(shape.elements()) * sizeof(float)));
    for (std::int64_t i = 0; i < shape.elements(); ++i)
      for (std::int64_t r = 0; r < 8; ++r)
        rows[i] += reinterpret_cast<const float*>(mix.row(i / shape[1]))[r] *
                   reinterpret_cast<const float*>(few.row(r))[i % shape[1]];
    for (const NamedTensor& tensor : model->tensors())
      file->add_tensor(tensor.name, tensor.name == "token_embd.weight"
                                        ? TensorView{DType::kF32, shape,
                                                     reinterpret_cast<const std::byte*>(rows)}
                                        : tensor.view);
    file->own(model);
    return file;
  }

  // The model with an adapter of rank 4 on all layers but the head; `gain` as DoRA has it.
  std::shared_ptr<const Decoder> adapted(const support::RandomModelSpec& spec, bool gain) {
    return adapted(support::make_random_model(spec), gain);
  }
  std::shared_ptr<const Decoder> adapted(std::shared_ptr<const WeightFile> file, bool gain) {
    const auto base = load_decoder(std::move(file)).value();
    DecoderWeights weights = base->weights();
    std::uint64_t seed = 0;
    for_each_linear(weights, [&](const std::string& name, std::int64_t expert, Linear& layer) {
      if (name.starts_with("output") || name.starts_with("token") || expert == 1) return;
      const std::int64_t out = layer.outputs(), in = layer.weight.shape[1];
      layer.low_rank = {.a = floats({4, in}, ++seed, 0, 0.1),
                        .b = floats({out, 4}, ++seed, 0, 0.1),
                        .gain = gain ? floats({out}, ++seed, 1, 0.1) : TensorView{},
                        .scale = 1.5F};
    });
    return std::make_shared<const Decoder>(base->file(), base->spec(), std::move(weights));
  }

  std::unique_ptr<Engine> engine(std::shared_ptr<const Decoder> decoder) {
    return Engine::create(std::move(decoder), {.threads = 1}).value();
  }

  // Words of a made-up language: each token has few that follow it, as in real text.
  static std::vector<std::vector<std::int32_t>> texts(std::uint64_t seed, int count) {
    Random random(seed);
    std::vector<std::vector<std::int32_t>> all;
    for (int text = 0; text < count; ++text) {
      all.push_back({static_cast<std::int32_t>(300 * random.next_double())});
      for (int i = 1; i < 48; ++i)
        all.back().push_back(
            (all.back().back() * 7 + static_cast<std::int32_t>(4 * random.next_double())) % 300);
    }
    return all;
  }

  // What merging costs.
  double kl_of(const std::shared_ptr<const Decoder>& decoder, const char* type,
               const Compensation* compensation = nullptr) {
    const auto report = merge_adapter(
        *decoder, {.out = folder_ / "merged.gguf", .recipe = find_recipe(type).value()},
        compensation, pool_);
    EXPECT_TRUE(report) << report.error().to_string();
    const auto merged = open_model(folder_ / "merged.gguf", {.threads = 1});
    EXPECT_TRUE(merged) << merged.error().to_string();
    return measure_kl_divergence(*engine(decoder), *merged->engine, texts_, {}).value().mean;
  }

  const fs::path folder_ =
      fs::temp_directory_path() / fmt::format("bantam-merge-test-{}", ::getpid());
  std::vector<std::vector<std::int32_t>> texts_{{1, 50, 9, 200, 31, 77, 8}, {300, 2, 2, 19}};
  ThreadPool pool_{1};
  WeightFile memory_;
};

TEST_F(Merge, ToFloatsPredictsWhatBaseAndAdapterDo) {
  for (const std::int64_t experts : {0, 3}) {
    for (const bool gain : {false, true}) {
      const auto decoder = adapted({.experts = experts}, gain);
      const auto base = load_decoder(support::make_random_model({.experts = experts})).value();
      const double moved =
          measure_kl_divergence(*engine(decoder), *engine(base), texts_, {}).value().mean;
      EXPECT_GT(moved, 0.05);
      EXPECT_LT(kl_of(decoder, "F32"), 1e-7 * moved);
      EXPECT_LT(kl_of(decoder, "F16"), 1e-4 * moved);
    }
  }
}

TEST_F(Merge, PacksTheSumAgain) {
  const auto decoder = adapted({.dtype = DType::kQ8_0}, false);
  const double eight = kl_of(decoder, "Q8_0"), four = kl_of(decoder, "Q4_0");
  EXPECT_GT(eight, 0);
  EXPECT_LT(eight, 0.1 * four);
  // Vectors and what has no adapter stay as they are.
  const auto file = open_weights(folder_ / "merged.gguf").value();
  EXPECT_EQ(file->find("blk.0.attn_q.weight")->dtype, DType::kQ4_0);
  const TensorView *before = decoder->file()->find("output_norm.weight"),
                   *after = file->find("output_norm.weight");
  EXPECT_EQ(std::memcmp(before->data, after->data, before->bytes()), 0);
}

TEST_F(Merge, MakesUpForRoundingInTheRestOfTheRow) {
  texts_ = texts(8, 12);
  const std::vector<std::vector<std::int32_t>> others = texts(9, 24);
  for (const std::int64_t experts : {0, 3}) {
    const auto decoder = adapted(
        narrow(support::make_random_model({.width = 96, .ffn_width = 192, .experts = experts})),
        false);
    ThreadPool two(2);
    const auto one = Compensation::collect(*decoder, others, pool_).value();
    const auto same = Compensation::collect(*decoder, others, two).value();
    const double plain = kl_of(decoder, "Q4_0");
    const double compensated = kl_of(decoder, "Q4_0", &one);
    EXPECT_LT(compensated, 0.9 * plain);
    EXPECT_EQ(compensated, kl_of(decoder, "Q4_0", &same));  // whatever the threads
    EXPECT_LT(kl_of(decoder, "F16", &one), 0.01 * compensated);
  }
}

TEST_F(Merge, InputsThatDoNotFitRoundToNearest) {
  texts_ = texts(8, 12);
  const std::vector<std::vector<std::int32_t>> others = texts(9, 24);
  const auto decoder =
      adapted(narrow(support::make_random_model({.width = 96, .ffn_width = 192})), false);
  // Two layers, each with three inputs of 96 and one of 192.
  constexpr std::uint64_t kNarrow = 96 * 96 * sizeof(double), kWide = 4 * kNarrow;
  const auto collected = [&](std::uint64_t bytes) {
    return Compensation::collect(*decoder, others, pool_, bytes).value();
  };
  const auto all = collected(6 * kNarrow + 2 * kWide), some = collected(6 * kNarrow + kWide),
             few = collected(2 * kNarrow), none = collected(0);
  EXPECT_EQ(all.left_out(), 0u);
  EXPECT_EQ(some.left_out(), 1u);
  EXPECT_EQ(few.left_out(), 6u);
  EXPECT_EQ(none.left_out(), 8u);
  const auto& layers = decoder->weights().layers;
  EXPECT_TRUE(some.knows(layers[0].down.weight.data));
  EXPECT_FALSE(some.knows(layers[1].down.weight.data));
  EXPECT_TRUE(some.knows(layers[1].query.weight.data));
  const double nearest = kl_of(decoder, "Q4_0");
  EXPECT_EQ(kl_of(decoder, "Q4_0", &none), nearest);
  EXPECT_LT(kl_of(decoder, "Q4_0", &all), nearest);
  EXPECT_NE(kl_of(decoder, "Q4_0", &some), nearest);
}

TEST_F(Merge, RefusesWhatItCannotDo) {
  const auto base = load_decoder(support::make_random_model({.tied = true})).value();
  const ConvertOptions options{.out = folder_ / "out.gguf", .recipe = find_recipe("F16").value()};
  EXPECT_EQ(merge_adapter(*base, options, nullptr, pool_).error().code, "nothing_adapted");
  DecoderWeights weights = base->weights();
  weights.head.low_rank = {.a = floats({2, 64}, 1, 0, 1), .b = floats({320, 2}, 2, 0, 1)};
  const Decoder tied(base->file(), base->spec(), std::move(weights));
  EXPECT_EQ(merge_adapter(tied, options, nullptr, pool_).error().code, "merge_shared");
  EXPECT_FALSE(fs::exists(folder_ / "out.gguf"));
}

TEST_F(Merge, ADivergenceFromItselfIsExactlyZero) {
  const auto decoder = adapted(support::RandomModelSpec{}, false);
  const auto kl = measure_kl_divergence(*engine(decoder), *engine(decoder), texts_, {}).value();
  EXPECT_EQ(kl.mean, 0.0);
  EXPECT_EQ(kl.error, 0.0);
  EXPECT_EQ(kl.same_choice, 1.0);
  EXPECT_EQ(kl.positions, 11);
  const auto other = engine(load_decoder(support::make_random_model({.vocab = 330})).value());
  EXPECT_EQ(measure_kl_divergence(*engine(decoder), *other, texts_, {}).error().code,
            "vocabularies_differ");
}

}  // namespace
}  // namespace bantam
