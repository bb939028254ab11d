#include "cli/model_arguments.h"

#include <charconv>
#include <limits>

#include "cli/model_finder.h"

namespace bantam {
namespace {

template <typename Number>
bool read_number(std::string_view text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size();
}

std::vector<std::string> kv_type_names() {
  std::vector<std::string> names;
  for (const KvTypeInfo& info : all_kv_types()) names.emplace_back(info.name);
  return names;
}

}  // namespace

void add_engine_options(Options& options, EngineArguments& arguments, ModelOption model) {
  const bool flag = model != ModelOption::kPositional;
  options.add(arguments.model, {.flag = flag ? "--model" : "",
                                .letter = flag ? 'm' : '\0',
                                .value = "MODEL",
                                .help = "a GGUF file, a Hugging Face folder, or a name that "
                                        "`bantam list` shows",
                                .required = model != ModelOption::kOptionalFlag});
  options.add(arguments.adapter,
              {.flag = "--adapter",
               .value = "ADAPTER",
               .help = "a LoRA of the model: a GGUF file or a PEFT folder. MODEL:ADAPTER says the "
                       "same"});
  options.add(arguments.any_base,
              {.flag = "--any-base",
               .help = "take an adapter that was made for other weights, if it fits"});
  options.add(arguments.context,
              {.flag = "--context",
               .value = "N",
               .unit = "tokens",
               .help = "most that prompt and answer may have together; 0: what the model was "
                       "trained for"},
              {.low = 0, .high = std::int64_t{1} << 30});
  options.add(arguments.kv, {.flag = "--kv",
                             .value = "TYPE",
                             .help = "how keys and values are kept; q4_h is q4_0 after a Hadamard "
                                     "rotation",
                             .choices = kv_type_names()});
  options.add(arguments.isa, {.flag = "--isa",
                              .value = "NAME",
                              .help = "instruction set of the kernels (`bantam doctor` lists "
                                      "those there are); empty: the best",
                              .environment = "BANTAM_ISA"});
  options.add(
      arguments.affinity,
      {.flag = "--affinity",
       .help = "keep each thread on a core of its own; for a machine that does nothing else"});
  options.add(arguments.check,
              {.flag = "--check",
               .help = "before anything else, make sure that every weight is a finite number"});
}

EngineOptions engine_options(const EngineArguments& arguments, const CommandContext& context) {
  EngineOptions options{.threads = static_cast<std::size_t>(context.threads),
                        .placement = arguments.affinity ? ThreadPool::Placement::kPinned
                                                        : ThreadPool::Placement::kFree,
                        .isa = arguments.isa,
                        .kv_type = kv_type_from_name(arguments.kv).value(),  // one of the choices
                        .context_length = arguments.context};
  options.any_base = arguments.any_base;
  if (arguments.adapter) options.adapter = *arguments.adapter;
  if (arguments.check) {
    options.check = [&console = context.console](std::uint64_t done, std::uint64_t total) {
      console.progress("Checking the weights", done, total);
      if (done == total) console.clear_progress();
    };
  }
  return options;
}

Result<std::filesystem::path> choose_model(const EngineArguments& arguments,
                                           EngineOptions& options) {
  const ModelChoice choice = TRY(resolve_model_choice(arguments.model));
  if (choice.adapter.empty()) return choice.model;
  if (!options.adapter.empty())
    return fail(ErrorKind::kUsage, "conflicting_options",
                "{} names an adapter, and so does --adapter", quoted(arguments.model));
  options.adapter = choice.adapter;
  return choice.model;
}

void add_sampling_options(Options& options, SamplingArguments& arguments) {
  SamplingOptions& sampling = arguments.sampling;
  constexpr std::int64_t kMany = std::int64_t{1} << 30;
  options.add(arguments.stop.max_tokens,
              {.flag = "--max-tokens",
               .value = "N",
               .unit = "tokens",
               .help = "most to generate; -1: until the context is full"},
              {.low = -1, .high = kMany});
  options.add(arguments.stop.strings,
              {.flag = "--stop", .value = "TEXT", .help = "end before this text; may be repeated"});
  options.add(sampling.temperature,
              {.flag = "--temperature",
               .value = "X",
               .help = "0 takes the most likely token, higher is more varied"},
              {.low = 0.0, .high = 2.0});
  options.add(sampling.seed, {.flag = "--seed",
                              .value = "N",
                              .help = "same seed, same text; absent: one is drawn and reported"});
  options.add(sampling.top_k,
              {.flag = "--top-k", .value = "N", .help = "draw among the N most likely; 0: all"},
              {.low = 0, .high = kMany});
  options.add(sampling.top_p,
              {.flag = "--top-p", .value = "X", .help = "draw among the most likely that sum to X"},
              {.low = 1e-9, .high = 1.0});
  options.add(
      sampling.min_p,
      {.flag = "--min-p", .value = "X", .help = "drop what is less likely than X times the best"},
      {.low = 0.0, .high = 1.0});
  options.add(sampling.typical_p,
              {.flag = "--typical-p", .value = "X", .help = "locally typical sampling; 1: off"},
              {.low = 1e-9, .high = 1.0});
  options.add(sampling.repetition_penalty,
              {.flag = "--repetition-penalty",
               .value = "X",
               .help = "divides the logits of recent tokens; 1: off"},
              {.low = 1e-9, .high = 10.0});
  options.add(sampling.frequency_penalty,
              {.flag = "--frequency-penalty",
               .value = "X",
               .help = "subtracted once an occurrence; 0: off"},
              {.low = -2.0, .high = 2.0});
  options.add(sampling.presence_penalty,
              {.flag = "--presence-penalty",
               .value = "X",
               .help = "subtracted from what has occurred; 0: off"},
              {.low = -2.0, .high = 2.0});
  options.add(sampling.penalty_window,
              {.flag = "--penalty-window",
               .value = "N",
               .unit = "tokens",
               .help = "that penalties look back; -1: all"},
              {.low = -1, .high = kMany});
  options.add(sampling.dry_multiplier,
              {.flag = "--dry",
               .value = "X",
               .help = "strength of the penalty on verbatim repeats; 0: off"},
              {.low = 0.0, .high = 100.0});
  options.add(
      sampling.xtc_probability,
      {.flag = "--xtc", .value = "X", .help = "probability of leaving out the top choices; 0: off"},
      {.low = 0.0, .high = 1.0});
  options.add(sampling.xtc_threshold,
              {.flag = "--xtc-threshold", .value = "X", .help = "what counts as a top choice"},
              {.low = 0.0, .high = 0.5});
  options.add(arguments.bias, {.flag = "--logit-bias",
                               .value = "ID:X",
                               .help = "adds X (-100 to 100) to a token's logit; may be repeated"});
}

Result<void> finish_sampling(SamplingArguments& arguments) {
  for (const std::string& word : arguments.bias) {
    const std::size_t colon = word.find(':');
    std::pair<std::int32_t, double> bias;
    if (colon == std::string::npos ||
        !read_number(std::string_view(word).substr(0, colon), bias.first) ||
        !read_number(std::string_view(word).substr(colon + 1), bias.second)) {
      return fail(ErrorKind::kUsage, "invalid_value", "--logit-bias wants ID:VALUE, not {}",
                  quoted(word));
    }
    arguments.sampling.logit_bias.push_back(bias);
  }
  return {};
}

}  // namespace bantam
