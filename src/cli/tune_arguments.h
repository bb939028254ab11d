// The options of `bantam tune`, and what they mean.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/options.h"
#include "base/result.h"
#include "cli/row_arguments.h"
#include "tune/tune.h"

namespace bantam {

class TuneArguments {
 public:
  // Registers all; outlives `options`.
  void add_to(Options& options);
  // What was wished for; `threads` of the program's own options. Errors: those of resolve_model();
  // kUsage for options that do not go together.
  Result<TuneOptions> read(std::int64_t threads) const;

  const std::string& metric() const { return metric_; }
  bool plan_only() const { return plan_only_; }
  std::int64_t nice() const { return nice_; }

 private:
  void add_rows(Options& all);
  void add_training(Options& all);
  void add_adapter(Options& all);
  void add_schedule(Options& all);
  void add_preferences(Options& all);
  void add_teacher(Options& all);
  void add_rejection(Options& all);
  void add_limits(Options& all);
  void read_rows(TuneOptions& wishes) const;
  void read_steps(TuneOptions& wishes) const;
  void read_preferences(TuneOptions& wishes) const;
  Result<void> read_teacher(TuneOptions& wishes) const;
  void read_rejection(TuneOptions& wishes) const;

  std::string model_, data_, folder_,
      metric_ = "loss", forward_ = "serving", kv_ = "f16", type_ = "f32", isa_, preference_ = "dpo",
      optimizer_ = "adamw", shape_ = "cosine", divergence_ = "forward", verifier_ = "exact",
      rejection_keep_ = "right";
  std::optional<std::string> validation_, replay_, reference_, teacher_, teacher_cache_, original_,
      verifier_command_;
  RowArguments rows_;
  bool full_ = false, plan_only_ = false, rs_lora_ = false, dora_ = false;
  double validation_share_ = 0.1, replay_share_ = 0.25, select_share_ = 1, rate_ = 0, floor_ = 0,
         hold_ = 0, epochs_ = 3, alpha_ = 32, b_rate_ = 1, decay_ = 0.01, average_ = 0, clip_ = 1,
         beta_ = 0.1, chosen_nll_ = 0, smoothing_ = 0, margin_ = 0, mix_ = 0.5, temperature_ = 1,
         data_share_ = 0, rejection_temperature_ = 0.8, verifier_seconds_ = 10, kto_good_ = 1,
         kto_bad_ = 1, minutes_ = 0, memory_ = 0, checkpoint_ = 30;
  std::int64_t nice_ = 0, shards_ = 1, rank_ = 16, batch_ = 4096, context_ = 0, seed_ = 1,
               patience_ = 0, every_ = 0, validation_rows_ = 200, warmup_ = -1, short_first_ = 0,
               teacher_samples_ = 8, on_policy_ = 0, rejection_ = 0, rejection_most_ = 4;
};

}  // namespace bantam
