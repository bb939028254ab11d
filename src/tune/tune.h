// From a user's rows to a better model: data, plan, training, validation, files.
//
//   Result<std::unique_ptr<TuneRun>> run = TuneRun::prepare(options, *alone());
//   … show (*run)->plan() …
//   Result<TrainingResult> result = (*run)->run(progress, stop);
//
// What it leaves in its folder (train/run_folder.h) besides checkpoint and log: adapter.gguf,
// the folder adapter (of DoRA) or model.gguf, the best by the metric; curve.svg; and sampled.jsonl
// with rejection sampling.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"
#include "data/batches.h"
#include "data/render.h"
#include "data/report.h"
#include "data/split.h"
#include "train/exchange.h"
#include "train/losses.h"
#include "train/memory_plan.h"
#include "train/optimizer.h"
#include "train/trainable.h"
#include "train/trainer.h"
#include "tune/rejection.h"
#include "tune/text_model.h"
#include "tune/validation.h"

namespace bantam {

// Which rows are learned from; see tune/selection.h.
struct SelectionOptions {
  double share = 1;     // of the rows, in (0, 1]; 1: all
  ModelName reference;  // has seen such data; none: by the middle
};

// Whom a model learns from besides its rows. With the teacher's cache it need not be there.
struct TeacherOptions {
  ModelName model;
  std::filesystem::path cache;  // of sampled targets (tune/target_cache.h); made if it is not there
  std::int64_t samples = 8;     // a token, of the cache
  DistillationOptions loss;
  std::int64_t on_policy = 0;  // every so many steps the answers are the student's own; 0: none
  std::uint64_t seed = 1;      // of samples
  bool given() const { return model.given() || !cache.empty(); }
};

enum class TuneMethod : std::uint8_t { kAdapter, kFull };

struct TuneOptions {
  std::filesystem::path model, data, folder;
  // Rows for validation; empty: the share `split` says, of the data.
  std::filesystem::path validation_data;
  // Rows of what should not be forgotten, and how many of them an epoch, as a part of the others.
  std::filesystem::path replay;
  double replay_share = 0.25;
  SelectionOptions selection;
  TuneMethod method = TuneMethod::kAdapter;
  DType type = DType::kF32;  // of kFull: what is_trained_type() allows
  AdapterOptions adapter;
  // What the base was packed from: the adapter begins with what that has lost (train/residual.h).
  std::filesystem::path original;
  RowOptions rows;
  RenderOptions render;  // context 0: the model's
  SplitOptions split;
  BatchOptions batches;
  PreferenceOptions preference;  // of rows with a chosen and a rejected answer
  KtoOptions kto;                // of rows with answers that were liked or not
  TeacherOptions teacher;        // of rows with answers that are simply learned
  RejectionOptions rejection;    // learn from what the model itself says right, or wrong
  VerifierOptions verifier;
  AdamwOptions adamw;
  std::optional<MuonOptions> muon;  // for matrices, instead of AdamW for all
  Schedule schedule;   // `steps` follows from the epochs, `warmup` from them if it is negative
  double average = 0;  // `keep` of train/weight_average.h; what is measured and saved; 0: none
  double epochs = 3;
  LearnerOptions learner;    // micro_tokens: the most
  std::uint64_t memory = 0;  // bytes; 0: nine tenths of what is free
  std::size_t threads = 0;   // 0: one a usable core
  std::string isa;           // "": the best there is
  Metric metric = Metric::kLoss;
  std::int64_t validation_rows = 200;  // most
  // seconds, shards, clip, checkpoint_seconds, validate_every (0: twice an epoch), patience; the
  // rest is filled in.
  TrainerOptions trainer;
};

// What will be done, for people to agree to before it is.
struct TunePlan {
  DataReport data;
  MemoryPlan memory;
  std::int64_t train_examples = 0, replay_examples = 0, validation_examples = 0;
  std::int64_t left_out = 0;   // examples that were not selected
  std::int64_t unaligned = 0;  // rows that a teacher with other tokens sees otherwise: left out
  bool by_bytes = false;       // the teacher has other tokens
  RejectionCounts sampled;
  bool makes_cache = false;  // of the teacher's targets, before the first step
  std::int64_t steps = 0, parameters = 0, tokens = 0;  // tokens: of all steps
  double tokens_per_second = 0;                        // of a measured micro-batch
  double seconds = 0;                                  // by that
  std::filesystem::path out;                           // what the best is written to
};

class TuneRun {
 public:
  // Reads and checks everything, samples answers if they are wished for, and measures a step;
  // changes nothing on disk. `exchange` outlives the run. The reference of preferences is the model
  // as it is before the first step. Errors: those of the parts, "memory_budget"; kMalformed
  // "data_empty" if no row is left to learn from.
  static Result<std::unique_ptr<TuneRun>> prepare(const TuneOptions& options, Exchange& exchange);
  virtual ~TuneRun() = default;

  virtual const TunePlan& plan() const = 0;
  // Once.
  virtual Result<TrainingResult> run(const std::function<void(const StepReport&)>& progress,
                                     std::stop_token stop) = 0;
};

}  // namespace bantam
