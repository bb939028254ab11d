// Options that the commands which run a model share.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/options.h"
#include "cli/command.h"
#include "runtime/engine.h"
#include "runtime/sampling.h"

namespace bantam {

struct EngineArguments {
  std::string model;  // path or name, or BASE:ADAPTER
  std::optional<std::string> adapter;
  bool any_base = false;
  std::int64_t context = 0;  // tokens; 0: the model's own
  std::string kv = "f16";
  std::string isa;
  bool affinity = false;
  bool check = false;
};

// --adapter, --any-base, --context, --kv, --isa, --affinity, --check, and the model as -m (which
// may be left out where it is optional) or as the first positional.
enum class ModelOption : std::uint8_t { kFlag, kOptionalFlag, kPositional };
void add_engine_options(Options& options, EngineArguments& arguments, ModelOption model);
EngineOptions engine_options(const EngineArguments& arguments, const CommandContext& context);
// The model's path; an adapter that its name has goes into the options. kUsage
// "conflicting_options" for two adapters, and the errors of resolve_model_choice().
Result<std::filesystem::path> choose_model(const EngineArguments& arguments,
                                           EngineOptions& options);

// --max-tokens, --temperature, --top-k …: one flag an option of runtime/sampling.h, with the
// defaults that `sampling` holds.
struct SamplingArguments {
  SamplingOptions sampling;
  StopOptions stop;
  std::vector<std::string> bias;  // "ID:VALUE"
};
void add_sampling_options(Options& options, SamplingArguments& arguments);
// The bias words parsed into sampling.logit_bias.
Result<void> finish_sampling(SamplingArguments& arguments);

}  // namespace bantam
