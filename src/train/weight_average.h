// A running average of the parameters, which is often a better model than the last step's.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"
#include "tensor/arena.h"
#include "train/optimizer.h"
#include "train/parameters.h"

namespace bantam {

// An optimizer that does another one's steps and keeps the average of what comes out; so a
// checkpoint has it, too. After step n
//   average = k average + (1 - k) values     k = min(keep, n / (n + 9))
// so that the first values of a run are soon forgotten, and a short run has an average as well.
class WeightAverage final : public Optimizer {
 public:
  // Keeps references to the parameters and the pool. `keep` is in [0, 1): 0.997 is an average over
  // some 330 steps. kUsage "keep_invalid", kTooLarge "out_of_memory".
  static Result<std::unique_ptr<WeightAverage>> create(std::unique_ptr<Optimizer> steps,
                                                       const Parameters& parameters,
                                                       ThreadPool& pool, double keep);

  void step(std::int64_t step, float rate, float scale) override;
  // The other's, and the average. Not while exchanged.
  std::vector<State> state() override;

  // Puts the average where the parameters are, to validate or save, and what was there aside; the
  // second time everything is as before. CHECKs that no step comes in between.
  void exchange();

 private:
  WeightAverage(std::unique_ptr<Optimizer> steps, const Parameters& parameters, ThreadPool& pool,
                double keep);

  std::unique_ptr<Optimizer> steps_;
  const Parameters& parameters_;
  ThreadPool& pool_;
  double keep_;
  bool exchanged_ = false;
  Arena arena_;
  std::span<float> average_;
};

}  // namespace bantam
