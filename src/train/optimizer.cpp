#include "train/optimizer.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "kernels/gradients.h"

namespace bantam {
namespace {

class Adamw final : public Optimizer {
 public:
  static Result<std::unique_ptr<Optimizer>> create(Parameters& parameters,
                                                   const KernelTable& kernels, ThreadPool& pool,
                                                   const AdamwOptions& options) {
    auto made = std::unique_ptr<Adamw>(new Adamw(parameters, kernels, pool, options));
    const std::size_t count = parameters.values().size();
    TRY(made->arena_.reserve(2 * count * sizeof(float) + 2 * Arena::kAlignment));
    made->first_ = made->arena_.alloc_span<float>(count);
    made->second_ = made->arena_.alloc_span<float>(count);
    std::ranges::fill(made->first_, 0.0F);
    std::ranges::fill(made->second_, 0.0F);
    return made;
  }

  void step(std::int64_t step, float rate, float scale) override {
    constexpr std::size_t kGrain = 1 << 14;
    const auto count = static_cast<double>(step);
    AdamwStep one{.beta1 = options_.beta1,
                  .beta2 = options_.beta2,
                  .epsilon = options_.epsilon,
                  .bias1 = static_cast<float>(1 - std::pow(options_.beta1, count)),
                  .bias2 = static_cast<float>(1 - std::pow(options_.beta2, count)),
                  .scale = scale};
    for (const Parameter& parameter : parameters_.all()) {
      one.rate = rate * parameter.rate;
      one.decay = parameter.role == ParameterRole::kVector ? 0.0F : options_.decay;
      const std::size_t first =
          static_cast<std::size_t>(parameter.value - parameters_.values().data());
      pool_.parallel_for(static_cast<std::size_t>(parameter.size()), kGrain,
                         [&](std::size_t begin, std::size_t end, std::size_t) {
                           kernels_.adamw(one, parameter.gradient + begin,
                                          first_.data() + first + begin,
                                          second_.data() + first + begin, parameter.value + begin,
                                          static_cast<std::int64_t>(end - begin));
                         });
    }
  }

  std::vector<State> state() override {
    return {{"adamw.first", std::as_writable_bytes(first_)},
            {"adamw.second", std::as_writable_bytes(second_)}};
  }

 private:
  Adamw(Parameters& parameters, const KernelTable& kernels, ThreadPool& pool,
        const AdamwOptions& options)
      : parameters_(parameters), kernels_(kernels), pool_(pool), options_(options) {}

  Parameters& parameters_;
  const KernelTable& kernels_;
  ThreadPool& pool_;
  AdamwOptions options_;
  Arena arena_;
  std::span<float> first_, second_;
};

}  // namespace

Result<std::unique_ptr<Optimizer>> make_adamw(Parameters& parameters, const KernelTable& kernels,
                                              ThreadPool& pool, const AdamwOptions& options) {
  return Adamw::create(parameters, kernels, pool, options);
}

float Schedule::rate(std::int64_t step) const {
  if (step <= warmup)
    return static_cast<float>(static_cast<double>(peak) * static_cast<double>(step) /
                              static_cast<double>(warmup));
  const auto left = static_cast<double>(std::max<std::int64_t>(1, steps - warmup));
  const double done = std::min(1.0, static_cast<double>(step - warmup) / left);
  if (done <= hold) return peak;
  const double share = (done - hold) / (1 - hold);
  const double height = cosine ? (1 + std::cos(std::numbers::pi * share)) / 2 : 1 - share;
  const auto low = static_cast<double>(floor);
  return static_cast<float>(static_cast<double>(peak) * (low + (1 - low) * height));
}

}  // namespace bantam
