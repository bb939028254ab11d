// The output head and the loss together, some rows at a time, so that the logits of all tokens
// (T, V) are never there at once.
//
// Logits come from CpuOps::linear, as those of the scorer do, and log-probabilities from the same
// function of runtime/logits.h: they are the scorer's bit for bit. Nothing depends on how many rows
// are taken at once. (The idea: Wijmans et al., "Cut your losses in large-vocabulary language
// models", 2024. We keep whole rows of logits and so need no second pass.)
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "nn/cpu_ops.h"
#include "train/linear_backward.h"
#include "train/objective.h"

namespace bantam {

struct RowLoss {
  double logprob = 0;  // log p of the target
  double loss = 0;     // what the objective says
};

class HeadLoss {
 public:
  // Keeps the context's references and `head`. `rows` of logits are there at once; 0: as many as
  // take some megabytes.
  HeadLoss(const BackwardContext& context, const Linear& head, std::int64_t rows = 0);

  // log p of each row's target. hidden (rows, E).
  std::vector<double> logprobs(const FloatTensor& hidden, std::span<const RowTarget> targets);

  // In the order of the rows. Adds d loss / d hidden to `d_hidden` (rows, E), and to the gradients
  // of the head's parameters.
  std::vector<RowLoss> backward(const FloatTensor& hidden, std::span<const RowTarget> targets,
                                Objective& objective, const FloatTensor& d_hidden);

 private:
  // visit(first row, hidden of some rows, their logits)
  template <typename Visit>
  void for_each_chunk(const FloatTensor& hidden, const Visit& visit);

  BackwardContext context_;
  const Linear& head_;
  std::int64_t rows_;
  CpuOps ops_;
};

}  // namespace bantam
