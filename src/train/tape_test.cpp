// What the tape promises of values, scopes and sums, on operations of a few numbers.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "base/random.h"
#include "train/head_loss.h"
#include "train/tape_ops.h"

namespace bantam {
namespace {

std::vector<float> random_floats(std::size_t count, std::uint64_t seed) {
  Random random(seed);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(random.next_normal());
  return values;
}

class TapeTest : public testing::Test {
 protected:
  static constexpr std::int64_t kRows = 3, kWidth = 20;

  FloatTensor tensor(std::vector<float>& values) { return {Shape{kRows, kWidth}, values.data()}; }
  std::vector<float> numbers(const FloatTensor& x) { return {x.data, x.data + x.shape.elements()}; }

  const KernelTable& kernels_ = **choose_kernels("");
  ThreadPool pool_{1};
  Arena arena_;
  std::unique_ptr<Parameters> parameters_ = std::move(*Parameters::create(
      {{.name = "w", .shape = Shape{kWidth, kWidth}}, {.name = "n", .shape = Shape{kWidth}}}));
  std::vector<float> x_ = random_floats(kRows * kWidth, 1), y_ = random_floats(kRows * kWidth, 2),
                     dy_ = random_floats(kRows * kWidth, 3);
};

TEST_F(TapeTest, AValueUsedTwiceGetsBothGradients) {
  TapeOps tape(kernels_, pool_, arena_, *parameters_, {});
  tape.leaf(tensor(x_));
  const FloatTensor sum = tape.add(tensor(x_), tensor(x_));
  tape.backward(sum, tensor(dy_));
  const FloatTensor dx = tape.gradient_of(tensor(x_));
  for (std::size_t i = 0; i < dy_.size(); ++i) EXPECT_EQ(dx.data[i], 2 * dy_[i]);
}

TEST_F(TapeTest, AFusedGateHasTheGradientOfItsParts) {
  for (const Activation activation :
       {Activation::kSilu, Activation::kGelu, Activation::kGeluTanh, Activation::kRelu}) {
    std::vector<float> fused[2], parts[2];
    for (const bool apart : {false, true}) {
      arena_.reset();
      TapeOps tape(kernels_, pool_, arena_, *parameters_, {});
      tape.leaf(tensor(x_));
      tape.leaf(tensor(y_));
      // The qualified call is the default body: activate, then multiply.
      const FloatTensor out = apart ? tape.Ops::gated(tensor(x_), tensor(y_), activation)
                                    : tape.gated(tensor(x_), tensor(y_), activation);
      tape.backward(out, tensor(dy_));
      (apart ? parts : fused)[0] = numbers(tape.gradient_of(tensor(x_)));
      (apart ? parts : fused)[1] = numbers(tape.gradient_of(tensor(y_)));
    }
    for (int side = 0; side < 2; ++side)
      for (std::size_t i = 0; i < dy_.size(); ++i)
        EXPECT_NEAR(fused[side][i], parts[side][i], 1e-6F) << side << ", " << i;
  }
}

TEST_F(TapeTest, RowsGatheredTwiceAddUp) {
  TapeOps tape(kernels_, pool_, arena_, *parameters_, {});
  tape.leaf(tensor(x_));
  const std::int32_t indices[] = {2, 0, 2};
  const FloatTensor out = tape.gather_rows(tensor(x_), indices);
  tape.backward(out, tensor(dy_));
  const FloatTensor dx = tape.gradient_of(tensor(x_));
  for (std::size_t i = 0; i < kWidth; ++i) {
    EXPECT_EQ(dx.row(0)[i], dy_[kWidth + i]);
    EXPECT_EQ(dx.row(1)[i], 0.0F);
    EXPECT_EQ(dx.row(2)[i], dy_[i] + dy_[2 * kWidth + i]);
  }
}

TEST_F(TapeTest, ConstantsGetNothingAndLeaveNoTrace) {
  TapeOps tape(kernels_, pool_, arena_, *parameters_, {});
  tape.leaf(tensor(x_));
  const FloatTensor product = tape.multiply(tensor(y_), tensor(y_));  // of constants
  const FloatTensor out = tape.multiply(product, tensor(x_));
  tape.backward(out, tensor(dy_));
  EXPECT_EQ(tape.gradient_of(tensor(y_)).data, nullptr);
  const FloatTensor dx = tape.gradient_of(tensor(x_));
  for (std::size_t i = 0; i < dy_.size(); ++i) EXPECT_FLOAT_EQ(dx.data[i], dy_[i] * y_[i] * y_[i]);
}

// Two scopes, one inside the other, of a norm seen under another shape and a product.
std::vector<float> run_scopes(const KernelTable& kernels, Parameters& parameters,
                              const FloatTensor& x, const FloatTensor& dy, std::int64_t forgotten,
                              std::size_t* memory) {
  ThreadPool pool(1);
  Arena arena;
  TapeOps tape(kernels, pool, arena, parameters, {.forgotten_scopes = forgotten});
  tape.leaf(x);
  parameters.zero_gradients();
  const Linear layer{.weight = parameters.find("w")->view(), .bias = {}};
  const TensorView norm = {DType::kF32, Shape{10}, parameters.find("n")->view().data};
  FloatTensor out = x;
  for (int scope = 0; scope < 2; ++scope) {
    tape.begin_scope();
    const FloatTensor heads{Shape{x.shape.elements() / 10, 10}, out.data};
    FloatTensor inner{x.shape, tape.rms_norm(heads, norm, 1e-5F).data};
    tape.begin_scope();
    inner = tape.end_scope(tape.linear(inner, layer));
    out = tape.end_scope(tape.add(out, tape.activate(inner, Activation::kSilu)));
  }
  *memory = arena.used();
  tape.backward(out, dy);
  EXPECT_EQ(arena.used(), *memory);
  std::vector<float> all(parameters.gradients().begin(), parameters.gradients().end());
  const FloatTensor dx = tape.gradient_of(x);
  all.insert(all.end(), dx.data, dx.data + dx.shape.elements());
  return all;
}

TEST_F(TapeTest, ForgottenScopesTakeLessMemoryAndGiveTheSameBits) {
  for (const Parameter& parameter : parameters_->all()) {
    const std::vector<float> values = random_floats(static_cast<std::size_t>(parameter.size()), 7);
    std::ranges::copy(values, parameter.value);
  }
  std::size_t kept = 0, forgotten = 0;
  const auto want = run_scopes(kernels_, *parameters_, tensor(x_), tensor(dy_), 0, &kept);
  EXPECT_NE(want, std::vector<float>(want.size(), 0.0F));
  for (const std::int64_t count : {1, 2}) {
    const auto got = run_scopes(kernels_, *parameters_, tensor(x_), tensor(dy_), count, &forgotten);
    EXPECT_EQ(0, std::memcmp(got.data(), want.data(), want.size() * sizeof(float))) << count;
    EXPECT_LT(forgotten, kept);
  }
}

TEST_F(TapeTest, HowManyRowsTheHeadTakesAtOnceChangesNoBit) {
  const std::vector<float> values = random_floats(kWidth * kWidth, 5);
  std::ranges::copy(values, parameters_->find("w")->value);
  const Linear head{.weight = parameters_->find("w")->view(), .bias = {}};
  const RowTarget targets[] = {{0, 1, 3, 0.5}, {0, 2, 19, 1}, {1, 1, 0, 0.25}};
  std::vector<float> want;
  for (const std::int64_t rows : {3, 2, 1}) {
    HeadLoss loss({kernels_, pool_, arena_, *parameters_, MatmulMode::kServing}, head, rows);
    Objective objective;
    parameters_->zero_gradients();
    std::vector<float> change(x_.size(), 0.0F);
    const auto losses = loss.backward(tensor(x_), targets, objective, tensor(change));
    const auto logprobs = loss.logprobs(tensor(x_), targets);
    for (std::size_t r = 0; r < losses.size(); ++r) {
      EXPECT_EQ(losses[r].logprob, logprobs[r]);
      EXPECT_EQ(losses[r].loss, targets[r].weight * -logprobs[r]);
    }
    change.insert(change.end(), parameters_->gradients().begin(), parameters_->gradients().end());
    if (want.empty()) want = change;
    EXPECT_EQ(0, std::memcmp(change.data(), want.data(), want.size() * sizeof(float))) << rows;
  }
  // A row's derivatives sum to nothing: softmax less one, times the weight.
  double sum = 0;
  for (std::size_t k = 0; k < kWidth; ++k)
    for (std::size_t n = 0; n < kWidth; ++n)
      sum += static_cast<double>(parameters_->find("w")->gradient[n * kWidth + k]);
  EXPECT_NEAR(sum, 0, 1e-5);
}

}  // namespace
}  // namespace bantam
