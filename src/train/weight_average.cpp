#include "train/weight_average.h"

#include <algorithm>
#include <utility>

namespace bantam {

WeightAverage::WeightAverage(std::unique_ptr<Optimizer> steps, const Parameters& parameters,
                             ThreadPool& pool, double keep)
    : steps_(std::move(steps)), parameters_(parameters), pool_(pool), keep_(keep) {}

Result<std::unique_ptr<WeightAverage>> WeightAverage::create(std::unique_ptr<Optimizer> steps,
                                                             const Parameters& parameters,
                                                             ThreadPool& pool, double keep) {
  if (!(keep >= 0 && keep < 1))
    return fail(ErrorKind::kUsage, "keep_invalid",
                "an average of weights keeps a part of what it was: expected a number from 0 to "
                "below 1, found {}",
                keep);
  auto made =
      std::unique_ptr<WeightAverage>(new WeightAverage(std::move(steps), parameters, pool, keep));
  const std::span<const float> values = parameters.values();
  TRY(made->arena_.reserve(values.size_bytes() + Arena::kAlignment));
  made->average_ = made->arena_.alloc_span<float>(values.size());
  std::ranges::copy(values, made->average_.begin());
  return made;
}

void WeightAverage::step(std::int64_t step, float rate, float scale) {
  CHECK(!exchanged_);
  steps_->step(step, rate, scale);
  const auto count = static_cast<double>(step);
  const auto rest = static_cast<float>(1 - std::min(keep_, count / (count + 9)));
  const std::span<const float> values = parameters_.values();
  constexpr std::size_t kGrain = 1 << 14;
  pool_.parallel_for(values.size(), kGrain, [&](std::size_t begin, std::size_t end, std::size_t) {
    for (std::size_t i = begin; i < end; ++i) average_[i] += rest * (values[i] - average_[i]);
  });
}

std::vector<Optimizer::State> WeightAverage::state() {
  CHECK(!exchanged_);
  std::vector<State> states = steps_->state();
  states.push_back({"average", std::as_writable_bytes(average_)});
  return states;
}

void WeightAverage::exchange() {
  std::ranges::swap_ranges(average_, parameters_.values());
  exchanged_ = !exchanged_;
}

}  // namespace bantam
