// Examples in, losses and gradients out: a pass over a decoder, in as many pieces as memory wants.
//
// A micro-batch is a list of whole examples, each a sequence of its own in the step (nn/ops.h), so
// nothing is padded and no token sees another example: packing needs no mask, and an example's loss
// has the same bits wherever it is packed (law 3). The gradients of a batch do not depend on how it
// is cut into micro-batches either, only on the order of its examples and on how they are shared
// out to calls.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"
#include "data/example.h"
#include "models/decoder.h"
#include "train/head_loss.h"
#include "train/objective.h"
#include "train/parameters.h"
#include "train/tape_ops.h"

namespace bantam {

struct LearnerOptions {
  KvType kv_type;                          // as the model will be served
  MatmulMode mode = MatmulMode::kServing;  // kFloats: --forward f32
  std::int64_t micro_tokens = 2048;        // most tokens a micro-batch, a single group aside
  std::int64_t forgotten_layers = 0;       // of the first ones: computed twice, not kept
};

struct ExampleLoss {
  double loss = 0;          // what the objective says; of a group, with its first example
  double nll = 0;           // Σ weight · -log p, in order of position, by the example's own weights
  double weight = 0;        // Σ of those weights
  std::int64_t tokens = 0;  // of the example
};

// One thread: the one that may use the pool.
class Learner {
 public:
  // Keeps references.
  Learner(const Decoder& decoder, Parameters& parameters, const KernelTable& kernels,
          ThreadPool& pool, const LearnerOptions& options);
  ~Learner();
  Learner(const Learner&) = delete;
  Learner& operator=(const Learner&) = delete;

  // Adds the gradient of scale · Σ losses to the parameters' gradients; answers in order.
  // kInternal "model_numerics" names the first example whose loss is not a finite number: the
  // gradients are of no use then. "example_invalid" (kMalformed) names one with fewer ids than two,
  // an id that the model lacks, or more ids than its context; nothing has been added then.
  // "kv_full", "out_of_memory".
  Result<std::vector<ExampleLoss>> accumulate(std::span<const Example> examples,
                                              Objective& objective, double scale);
  // log p of ids[1], ids[2], … of each example, and no gradients: what validation, references and
  // caches are made of. The scorer's numbers, to the bit.
  Result<std::vector<std::vector<double>>> logprobs(std::span<const Example> examples);

  // Makes images of the parameters as they are (parameters.h), for others that run the decoder.
  void refresh();

  // Held from the system: activations, gradients of activations, keys and values.
  std::uint64_t bytes() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace bantam
