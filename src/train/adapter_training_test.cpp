// Adapters from training to serving: what was measured is what the file does.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>

#include "models/adapter.h"
#include "support/random_model.h"
#include "train/learner.h"
#include "train/losses.h"
#include "train/trainable.h"

namespace bantam {
namespace {

namespace fs = std::filesystem;

class AdapterTraining : public testing::Test {
 protected:
  AdapterTraining() { fs::create_directories(folder_); }
  ~AdapterTraining() override { fs::remove_all(folder_); }

  std::vector<std::vector<double>> logprobs(const Decoder& decoder) {
    Parameters& none = *nothing_;
    return Learner(decoder, none, kernels_, pool_, {}).logprobs(pairs_).value();
  }

  // Steps down the gradient of the preference; the loss of the pair before each.
  std::vector<double> train(TrainableModel& model, int steps) {
    const auto objective = make_preference({.beta = 0.5});
    Learner learner(*model.decoder, *model.parameters, kernels_, pool_, {});
    std::vector<double> losses;
    for (int step = 0; step < steps; ++step) {
      model.parameters->zero_gradients();
      losses.push_back(learner.accumulate(pairs_, *objective, 1).value()[0].loss);
      for (const Parameter& parameter : model.parameters->all())
        for (std::size_t i = 0; i < parameter.values().size(); ++i)
          parameter.values()[i] -= 0.05F * parameter.gradients()[i];
    }
    return losses;
  }

  const fs::path folder_ =
      fs::temp_directory_path() / fmt::format("bantam-adapter-training-{}", ::getpid());
  const KernelTable& kernels_ = *choose_kernels("").value();
  ThreadPool pool_{1};
  std::unique_ptr<Parameters> nothing_ = Parameters::create({}).value();
  std::vector<Example> pairs_{{.ids = {1, 20, 30, 40, 50}, .weights = {0, 0, 0, 1, 1}},
                              {.ids = {1, 20, 30, 60}, .weights = {0, 0, 0, 1}}};
};

TEST_F(AdapterTraining, SavedAdaptersServeTheBitsThatWereTrained) {
  for (const DType type : {DType::kF16, DType::kQ8_0}) {
    const std::shared_ptr<const WeightFile> file = support::make_random_model({.dtype = type});
    const auto base = load_decoder(file).value();
    // The model itself is the reference, so that the first loss is that of equals.
    const auto before = logprobs(*base);
    pairs_[0].reference = before[0][2] + before[0][3];
    pairs_[1].reference = before[1][2];
    TrainableModel model = train_adapter(file, {.rank = 3, .rank_stabilized = true}).value();
    EXPECT_EQ(logprobs(*model.decoder), before);
    const std::vector<double> losses = train(model, 6);
    EXPECT_DOUBLE_EQ(losses.front(), std::log(2.0));
    EXPECT_LT(losses.back(), 0.9 * losses.front());

    const auto trained = logprobs(*model.decoder);
    EXPECT_NE(trained, before);
    ASSERT_TRUE(
        save_adapter(folder_ / "a.gguf", *model.decoder, AdapterFormat::kGguf, DType::kF32));
    ASSERT_TRUE(save_adapter(folder_ / "a", *model.decoder, AdapterFormat::kPeft, DType::kF32));
    EXPECT_EQ(logprobs(*attach_adapter(base, folder_ / "a.gguf").value()), trained);
    EXPECT_EQ(logprobs(*attach_adapter(base, folder_ / "a").value()), trained);
  }
}

// Magnitudes: where they begin nothing has changed; their gradient is that of finite differences;
// and a PEFT folder, which alone has a place for them, serves the bits that were trained.
TEST_F(AdapterTraining, OfMagnitudesIsDora) {
  for (const DType type : {DType::kF32, DType::kQ8_0}) {
    const std::shared_ptr<const WeightFile> file =
        support::make_random_model({.biases = true, .dtype = type});
    const auto base = load_decoder(file).value();
    TrainableModel model = train_adapter(file, {.rank = 3, .magnitude = true}).value();
    EXPECT_EQ(logprobs(*model.decoder), logprobs(*base));
    train(model, 4);
    model.parameters->refresh(pool_);
    const auto trained = logprobs(*model.decoder);
    EXPECT_NE(trained, logprobs(*base));

    const auto objective = make_preference({.beta = 0.5});
    Learner learner(*model.decoder, *model.parameters, kernels_, pool_, {});
    const auto loss = [&] {
      model.parameters->zero_gradients();
      return learner.accumulate(pairs_, *objective, 1).value()[0].loss;
    };
    if (type == DType::kF32) {
      for (const char* name : {"blk.0.attn_q.weight", "blk.1.ffn_down.weight"}) {
        const Parameter& lengths = *model.parameters->find(std::string(name) + ".lora_magnitude");
        loss();
        const std::vector<float> gradients(lengths.gradients().begin(), lengths.gradients().end());
        double largest = 0, worst = 0;
        for (std::size_t i = 0; i < gradients.size(); i += 5) {
          const float here = lengths.values()[i];
          const auto slope = [&](float step) {
            lengths.values()[i] = here + step;
            const double above = loss();
            lengths.values()[i] = here - step;
            const double below = loss();
            lengths.values()[i] = here;
            return (above - below) / (2 * double{step});
          };
          largest = std::max(largest, std::abs(double{gradients[i]}));
          worst = std::max(worst, std::abs(slope(0.01F) - double{gradients[i]}));
        }
        EXPECT_GT(largest, 1e-4) << name;
        EXPECT_LT(worst, 0.02 * largest) << name;
      }
      model.parameters->refresh(pool_);
    }
    const auto refused =
        save_adapter(folder_ / "d.gguf", *model.decoder, AdapterFormat::kGguf, DType::kF32);
    EXPECT_EQ(refused.error().code, "adapter_cannot_hold");
    EXPECT_FALSE(check_adapter_format(*model.decoder, AdapterFormat::kGguf).has_value());
    ASSERT_TRUE(check_adapter_format(*model.decoder, AdapterFormat::kPeft).has_value());
    ASSERT_TRUE(save_adapter(folder_ / "d", *model.decoder, AdapterFormat::kPeft, DType::kF32));
    EXPECT_EQ(logprobs(*attach_adapter(base, folder_ / "d").value()), trained);
  }
}

}  // namespace
}  // namespace bantam
