// From text to a model: tokenizer, first weights, training, a GGUF file to chat with.
//
//   Result<std::unique_ptr<PretrainRun>> run = PretrainRun::prepare(options, *alone());
//   … show (*run)->plan() …
//   Result<TrainingResult> result = (*run)->run(progress, stop);
//
// The same options on the same texts give the same file, to the bit: with any number of threads, on
// any machine, alone or by several ranks (for the same `shards`), and after any number of kills.
// How long a run shall be can be changed on the way, as long as its rate has not begun to fall
// (Schedule::hold): then it ends with the bits of one that was as long from the start.
// What it leaves in its folder (train/run_folder.h) besides checkpoint and log: model.gguf,
// tokenizer.json where the vocabulary is byte-level BPE, and curve.svg.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"
#include "data/batches.h"
#include "data/render.h"
#include "models/shapes.h"
#include "train/exchange.h"
#include "train/initialise.h"
#include "train/memory_plan.h"
#include "train/optimizer.h"
#include "train/trainer.h"
#include "tune/held_out.h"
#include "tune/pretrain_data.h"

namespace bantam {

// The vocabulary: another model's, or one made of the rows that are learned from (each file's as
// they are, whatever its share), as large as the shape says.
struct PretrainVocabulary {
  std::filesystem::path from;  // what load_tokenizer() takes; empty: made
  std::string pretokenizer = "qwen2";
  // Control tokens besides <|endoftext|>, which stands before and after every document, and the
  // marks that the template writes (template_marks()).
  std::vector<std::string> control = {};
};

struct PretrainOptions {
  std::filesystem::path folder;
  std::string name;  // general.name; empty: the folder's
  // vocab 0: that of the tokenizer, which then has to come from somewhere.
  ModelShape shape;
  PretrainDataOptions data;
  PretrainVocabulary vocabulary;
  // Jinja; absent: what the vocabulary brings, or kChatMl.
  std::optional<std::string> template_text;
  // context 0: the shape's. learn_prompts: all of a conversation is learned, and not only what the
  // assistant says; of documents all is, always. Held-out conversations are scored by what the
  // assistant says.
  RenderOptions render;
  InitOptions init;
  BatchOptions batches;     // tokens, seed; sources follow from the data
  std::int64_t tokens = 0;  // to learn from in all; 0: so many epochs of the first file
  double epochs = 1;
  // For matrices; nothing: AdamW for all.
  std::optional<MuonOptions> muon = MuonOptions{.others_rate = 1};
  AdamwOptions adamw = {.beta2 = 0.95F, .decay = 0.1F};
  // `steps` follows from the tokens; `warmup` is 40, or a quarter of the steps, if it is negative.
  Schedule schedule = {.peak = 0.02F, .warmup = -1, .hold = 0.4};
  double average = 0;        // what WeightAverage keeps of it a step; 0: none
  DType type = DType::kF32;  // of the file's matrices: F32 or F16
  LearnerOptions learner;    // micro_tokens: the most
  std::uint64_t memory = 0;  // bytes; 0: nine tenths of what is free
  std::size_t threads = 0;   // 0: one a usable core
  std::string isa;           // "": the best there is
  // seconds, shards, clip, checkpoint_seconds, validate_every (0: twenty times a run), patience;
  // the rest is filled in.
  TrainerOptions trainer;
};

// What will be done, for people to agree to before it is.
struct PretrainPlan {
  std::vector<PretrainSourcePlan> sources;
  std::string tokenizer;     // Tokenizer::description()
  double bytes_a_token = 0;  // of what is learned from
  MemoryPlan memory;
  std::int64_t parameters = 0, steps = 0, tokens = 0;  // tokens: of all steps
  std::int64_t held_out_rows = 0, held_out_tokens = 0;
  double tokens_per_second = 0;  // of a measured micro-batch
  double seconds = 0;            // by that
  std::vector<std::string> warnings;
  std::filesystem::path out;
};

class PretrainRun {
 public:
  // Scores are those of the last validation, none before it.
  using Progress = std::function<void(const StepReport&, std::span<const HeldOutScore>)>;

  // Reads and checks everything, makes vocabulary and first weights, and measures a step; changes
  // nothing on disk. `exchange` outlives the run. Errors: those of the parts (rows, train_bpe(),
  // shape_outline(), initial_weights(), plan_memory() …); kUsage "pretrain_invalid" for options
  // that do not go together; kMalformed "data_empty".
  static Result<std::unique_ptr<PretrainRun>> prepare(const PretrainOptions& options,
                                                      Exchange& exchange);
  virtual ~PretrainRun() = default;

  virtual const PretrainPlan& plan() const = 0;
  // Of the model as it was last validated.
  virtual std::span<const HeldOutScore> scores() const = 0;
  // Once.
  virtual Result<TrainingResult> run(const Progress& progress, std::stop_token stop) = 0;
};

}  // namespace bantam
