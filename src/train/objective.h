// What is asked of a model: how the loss follows from the logits of each row.
//
// Every objective is a sum over rows, where a row is a token that is predicted. There are two
// places to come in, and all of SFT, preference and distillation losses are made of them:
//   weigh()  sees the log-probabilities of a group of examples (a chosen and a rejected answer,
//            say) and sets each row's weight: the gradient is that of Σ weight · -log p(token)
//   row()    sees the logits of a row and puts their derivative in their place (distillation)
// begin() and begin_rows() say which rows come, to whoever has to prepare something for them.
// The defaults are supervised fine-tuning: the examples' own weights, cross-entropy.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "data/example.h"
#include "kernels/kernels.h"

namespace bantam {

// One row of the head: which example and position its target is, and its weight in the loss.
struct RowTarget {
  std::int64_t example = 0;   // of those given to the learner
  std::int64_t position = 0;  // of the target in it, from 1
  std::int32_t id = 0;        // the target
  double weight = 0;
};

class Objective {
 public:
  virtual ~Objective() = default;

  // Examples come in runs of this many that belong together and are never parted.
  virtual std::int64_t group() const { return 1; }

  // Whether weigh() has to see log-probabilities, which costs the head once more.
  virtual bool needs_logprobs() const { return false; }

  // One group. logprobs[e][i] is log p of ids[i + 1] of example e, 0 where its weight is 0, and
  // empty unless needed. Sets weights[e][i], of ids[i]: comes with the examples' own. Returns the
  // group's loss, or nothing if that is Σ weight · -log p.
  virtual std::optional<double> weigh(std::span<const Example> group,
                                      std::span<const std::vector<double>> logprobs,
                                      std::span<std::vector<float>> weights);

  // Called for every micro-batch after weigh() and before its rows. `examples` are those that the
  // learner was given, `targets` the micro-batch's rows, in order of example and position. An error
  // ends the step.
  virtual Result<void> begin(std::span<const Example> examples, std::span<const RowTarget> targets);

  // Which of them are asked for next, by row(), in any order.
  virtual void begin_rows(std::span<const RowTarget> targets);

  // logits (V) → d loss / d logits, in place; returns the row's loss. `total` is log Σ exp of the
  // logits. The default is weight · -log p(target). May be called by several threads at once.
  virtual double row(const KernelTable& kernels, const RowTarget& target, double total,
                     std::span<float> logits);
};

}  // namespace bantam
