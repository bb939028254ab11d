#include "train/residual.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/random.h"
#include "codec/codec.h"
#include "support/random_model.h"
#include "train/learner.h"

namespace bantam {
namespace {

double squares(std::span<const float> values) {
  double sum = 0;
  for (const float value : values) sum += double{value} * double{value};
  return sum;
}

std::vector<float> random_floats(std::size_t count, std::uint64_t seed) {
  Random random(seed);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(random.next_normal());
  return values;
}

class Residual : public testing::Test {
 protected:
  // ‖m - scale b a‖² after the approximation.
  double left(std::span<const float> m, std::int64_t out, std::int64_t in, std::int64_t rank,
              double scale = 2) {
    std::vector<float> a(static_cast<std::size_t>(rank * in), 0.5F),
        b(static_cast<std::size_t>(out * rank));
    approximate(m, out, in, rank, scale, 1, kernels_, pool_, a, b);
    std::vector<float> rest(m.begin(), m.end());
    for (std::int64_t i = 0; i < out; ++i)
      for (std::int64_t k = 0; k < in; ++k)
        for (std::int64_t r = 0; r < rank; ++r)
          rest[static_cast<std::size_t>(i * in + k)] -= static_cast<float>(scale) *
                                                        b[static_cast<std::size_t>(i * rank + r)] *
                                                        a[static_cast<std::size_t>(r * in + k)];
    return squares(rest);
  }

  const KernelTable& kernels_ = *choose_kernels("").value();
  ThreadPool pool_{2};
};

// A matrix of known singular values: u and v are made of reflections, which keep lengths.
TEST_F(Residual, IsApproximatedAsWellAsCanBe) {
  constexpr std::size_t kOut = 40, kIn = 56;
  std::vector<float> u = random_floats(kOut, 1), v = random_floats(kIn, 2);
  const double uu = squares(u), vv = squares(v);
  const auto singular = [](std::size_t i) { return std::pow(0.8, static_cast<double>(i)); };
  std::vector<float> m(kOut * kIn);
  for (std::size_t i = 0; i < kOut; ++i)
    for (std::size_t k = 0; k < kIn; ++k)
      for (std::size_t s = 0; s < kOut; ++s)
        m[i * kIn + k] +=
            static_cast<float>(singular(s) * ((i == s) - 2 * double{u[i]} * double{u[s]} / uu) *
                               ((k == s) - 2 * double{v[k]} * double{v[s]} / vv));
  for (const std::size_t rank : {1U, 4U, 16U}) {
    double best = 0;
    for (std::size_t s = rank; s < kOut; ++s) best += singular(s) * singular(s);
    const double found = left(m, kOut, kIn, static_cast<std::int64_t>(rank));
    EXPECT_NEAR(found, best, 0.01 * best) << rank;
  }
  // As much rank as there is leaves nothing; and of nothing nothing is made.
  EXPECT_LT(left(m, kOut, kIn, kOut), 1e-8);
  EXPECT_EQ(left(std::vector<float>(kOut * kIn), kOut, kIn, 3), 0.0);
  // Rank one, asked for three.
  std::vector<float> one(kOut * kIn);
  for (std::size_t i = 0; i < kOut; ++i)
    for (std::size_t k = 0; k < kIn; ++k) one[i * kIn + k] = u[i] * v[k];
  EXPECT_LT(left(one, kOut, kIn, 3), 1e-9 * squares(one));
}

TEST_F(Residual, BringsAPackedModelNearerToItsOriginal) {
  const auto original = support::make_random_model({.width = 64, .dtype = DType::kF32});
  auto packed = std::make_shared<WeightFile>();
  packed->metadata = original->metadata;
  for (const NamedTensor& tensor : original->tensors()) {
    const auto width = static_cast<std::size_t>(tensor.view.shape.last());
    if (tensor.view.shape.rank() < 2 || tensor.name.find("blk") == std::string::npos) {
      packed->add_tensor(tensor.name, tensor.view);
      continue;
    }
    const Codec* codec = encoder_for(DType::kQ4_0).value();
    TensorView view{DType::kQ4_0, tensor.view.shape, nullptr};
    std::byte* bytes = packed->own_buffer(view.bytes());
    view.data = bytes;
    for (std::int64_t row = 0; row < view.shape.rows(); ++row)
      codec->encode({reinterpret_cast<const float*>(tensor.view.row(row)), width}, {},
                    bytes + row * static_cast<std::int64_t>(view.bytes_per_row()));
    packed->add_tensor(tensor.name, view);
  }
  const std::vector<Example> examples = {
      {.ids = {1, 20, 30, 40, 50, 60, 70}, .weights = {0, 1, 1, 1, 1, 1, 1}}};
  const auto nothing = Parameters::create({}).value();
  const auto logprobs = [&](const Decoder& decoder) {
    return Learner(decoder, *nothing, kernels_, pool_, {.mode = MatmulMode::kFloats})
        .logprobs(examples)
        .value()[0];
  };
  const auto away = [&](const Decoder& decoder) {
    const auto wanted = logprobs(*load_decoder(original).value()), found = logprobs(decoder);
    double sum = 0;
    for (std::size_t i = 0; i < wanted.size(); ++i) sum += std::abs(wanted[i] - found[i]);
    return sum;
  };
  TrainableModel plain = train_adapter(packed, {.rank = 32}).value();
  TrainableModel begun = train_adapter(packed, {.rank = 32}).value();
  ASSERT_TRUE(begin_with_residual(begun, *original, 1, kernels_, pool_).has_value());
  EXPECT_LT(away(*begun.decoder), 0.5 * away(*plain.decoder));
  // The same bits with another number of threads; and of the base itself nothing is lost.
  ThreadPool alone(1);
  TrainableModel again = train_adapter(packed, {.rank = 32}).value();
  ASSERT_TRUE(begin_with_residual(again, *original, 1, kernels_, alone).has_value());
  EXPECT_TRUE(std::ranges::equal(again.parameters->values(), begun.parameters->values()));
  TrainableModel same = train_adapter(packed, {.rank = 32}).value();
  ASSERT_TRUE(begin_with_residual(same, *packed, 1, kernels_, pool_).has_value());
  EXPECT_TRUE(std::ranges::equal(same.parameters->values(), plain.parameters->values()));
  // A model of another shape is not its original.
  const auto other = support::make_random_model({.width = 64, .ffn_width = 96});
  EXPECT_EQ(begin_with_residual(same, *other, 1, kernels_, pool_).error().code, "original_differs");
}

}  // namespace
}  // namespace bantam
