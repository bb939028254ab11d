// The loop: batches, steps, checkpoints, validation, and when to stop.
//
// A run lives in a folder that it locks (run_folder.h). It can be killed at any moment; running it
// again goes on from the last checkpoint and ends with the same bits. A stop token (SIGTERM) ends
// it after the step that it is in, with a checkpoint. The schedule may be another one when it goes
// on, if it has the rates that the log says the steps so far were taken with: as long as the rate
// has not begun to fall, a run can still become longer or shorter.
//
// The same run on several ranks (exchange.h) gives the same bits as on one. Rank 0 has the folder;
// a rank that fails ends all.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "data/example.h"
#include "kernels/kernels.h"
#include "train/checkpoint.h"
#include "train/exchange.h"
#include "train/learner.h"
#include "train/objective.h"
#include "train/optimizer.h"
#include "train/parameters.h"

namespace bantam {

// Batch number `step`, from one: a pure function of its argument (and, where examples are sampled
// from the model as it is, of the parameters). The same on all ranks.
class BatchSource {
 public:
  virtual ~BatchSource() = default;
  virtual Result<std::vector<Example>> batch(std::int64_t step) = 0;
};

struct StepReport {
  std::int64_t step = 0, steps = 0;
  double loss = 0;  // of the batch: see LossMean
  double gradient_norm = 0, rate = 0;
  std::int64_t tokens = 0;               // since the start
  double seconds = 0, seconds_left = 0;  // since the start; by this run's steps so far
  std::int64_t best_step = 0;            // of the validations before it; 0: none yet
  double best_score = 0;
};

// What a batch's loss is divided by: Σ of the weights of its tokens, or the number of its groups,
// for objectives that say one loss a group.
enum class LossMean : std::uint8_t { kTokens, kGroups };

struct TrainerOptions {
  std::filesystem::path folder;
  std::string run_digest;   // of all that decides the result: model, data, options
  double seconds = 0;       // stop the clock at, earlier runs counted; 0: none
  std::int64_t shards = 1;  // a power of two, a multiple of the ranks; see shards.h
  LossMean mean = LossMean::kTokens;
  float clip = 1.0F;  // largest gradient norm; 0: none
  double checkpoint_seconds = 30;
  std::int64_t validate_every = 0;  // steps; 0: at the end
  std::int64_t patience = 0;        // validations without a better score; 0: no early stop
};

struct TrainerHooks {
  std::function<void(const StepReport&)> progress;  // on rank 0
  // Score of the model as it is; larger is better. Called on all ranks.
  std::function<Result<double>()> validate;
  std::function<JsonObject()> details;  // of that score: more members for its line of the log
  // Called on rank 0 when the model is the best so far; without validate(), at the end.
  std::function<Result<void>()> save;
};

enum class TrainingEnd : std::uint8_t { kDone, kEarlyStop, kTime, kStopped };
std::string_view training_end_name(TrainingEnd end);  // "done", "early_stop", …

struct TrainingResult {
  TrainingEnd end = TrainingEnd::kDone;
  RunState state;
  StepReport last;  // step 0: no step was taken
};

// What takes part. Keeps references.
struct Training {
  Learner& learner;
  Parameters& parameters;
  Optimizer& optimizer;
  Objective& objective;
  BatchSource& batches;
  Exchange& exchange;
  const KernelTable& kernels;
  Schedule schedule;  // its `steps` are those of the run
};

// Parameters hold the last step's values afterwards, whatever the end. A run that is done is not
// done again: it answers at once. Errors: "run_locked"; kConfiguration "checkpoint_other_run", also
// for a schedule with other rates so far; kMalformed "log_invalid" if the log lacks steps;
// "model_numerics" (a loss, gradient or parameter is not a finite number: names step and row, and
// leaves the last good checkpoint); kConfiguration "shards_invalid"; kMalformed "batch_empty";
// kUnavailable "peer_failed"; those of the parts and hooks.
Result<TrainingResult> train(const Training& training, const TrainerOptions& options,
                             const TrainerHooks& hooks, std::stop_token stop);

}  // namespace bantam
