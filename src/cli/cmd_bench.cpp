// bantam bench: how fast a model runs on this machine.
#include <algorithm>

#include "cli/commands.h"
#include "cli/model_arguments.h"
#include "cli/model_finder.h"
#include "cli/text.h"
#include "runtime/benchmark.h"
#include "runtime/loaded_model.h"

namespace bantam {
namespace {

class BenchCommand : public Command {
 public:
  BenchCommand()
      : Command({.name = "bench",
                 .summary = "Measure how fast a model runs here",
                 .example = "  bantam bench -m seed --prompt 128 --gen 64\n"
                            "  bantam bench -m model.gguf --batch 1,4,16 --json",
                 .details = "Each figure is the best of --repeats runs on random tokens. The "
                            "memory's read rate is measured\njust before, and generation is also "
                            "given as a share of it."}) {
    add_engine_options(options(), engine_, ModelOption::kFlag);
    options().add(benchmark_.prompt,
                  {.flag = "--prompt",
                   .value = "N",
                   .unit = "tokens",
                   .help = "length of the prompt; -1: 512, or what the context holds"},
                  {.low = -1, .high = std::int64_t{1} << 20});
    options().add(benchmark_.generate,
                  {.flag = "--gen", .value = "N", .unit = "tokens", .help = "to generate"},
                  {.low = 0, .high = std::int64_t{1} << 20});
    options().add(batch_,
                  {.flag = "--batch",
                   .value = "1,4,16",
                   .help = "sequences that generate together; default 1"},
                  {.low = 1, .high = 256});
    options().add(benchmark_.repeats,
                  {.flag = "--repeats", .value = "N", .help = "runs of each part"},
                  {.low = 1, .high = 100});
  }

  Result<void> run(CommandContext& context) override {
    benchmark_.engine = engine_options(engine_, context);
    if (batch_) benchmark_.batch = *batch_;
    const std::filesystem::path path = TRY(resolve_model(engine_.model));
    const LoadedModel model = TRY(open_model(path, benchmark_.engine));
    if (benchmark_.prompt < 0) {
      benchmark_.prompt = std::min<std::int64_t>(512, model.engine->context_length());
    }
    const std::int64_t longest = std::max(benchmark_.prompt, benchmark_.generate + 1);
    if (longest > model.engine->context_length()) {
      return fail(ErrorKind::kUsage, "context_length_exceeded",
                  "{} tokens were asked for and the context holds {}", longest,
                  model.engine->context_length());
    }
    // The model's own decoder, so that what is measured is what is served.
    const std::shared_ptr<const Decoder> decoder = TRY(load_decoder(model.file));
    const BenchmarkReport report =
        TRY(run_benchmark(decoder, benchmark_, [&](std::string_view part) {
          context.console.note(fmt::format("measuring: {}", part));
        }));
    TRY(context.console.print(text(report)));
    return context.console.document(document(report));
  }

 private:
  std::string text(const BenchmarkReport& report) const {
    std::string out =
        fmt::format("kernels {}, {} threads; memory reads {}/s\n", report.isa, report.threads,
                    human_bytes(static_cast<std::uint64_t>(report.read_bytes_per_second)));
    if (benchmark_.prompt > 0) {
      out += fmt::format("prompt of {:>5}        {:10.1f} tokens/s\n", benchmark_.prompt,
                         report.prompt_tokens_per_second);
    }
    for (const BenchmarkRate& rate : report.generate) {
      out += fmt::format(
          "generate, {:>3} at once {:10.1f} tokens/s  weights read at {}/s, {:.0f} % "
          "of the memory's rate\n",
          rate.sequences, rate.tokens_per_second,
          human_bytes(static_cast<std::uint64_t>(rate.weight_bytes_per_second)),
          100 * rate.share_of_read_bandwidth);
    }
    return out + fmt::format("memory: weights {}, keys and values {}, resident {}\n",
                             human_bytes(report.weight_bytes), human_bytes(report.kv_bytes),
                             human_bytes(report.resident_bytes));
  }

  Json document(const BenchmarkReport& report) const {
    JsonArray batch;
    for (const BenchmarkRate& rate : report.generate) {
      batch.push_back(JsonObject{{"n", rate.sequences},
                                 {"tokens_per_s", rate.tokens_per_second},
                                 {"weight_bytes_per_s", rate.weight_bytes_per_second},
                                 {"share_of_read_bandwidth", rate.share_of_read_bandwidth}});
    }
    JsonObject document{{"isa", report.isa},
                        {"threads", report.threads},
                        {"peaks", JsonObject{{"read_bytes_per_s", report.read_bytes_per_second}}},
                        {"prompt", JsonObject{{"tokens", benchmark_.prompt},
                                              {"tokens_per_s", report.prompt_tokens_per_second}}},
                        {"memory", JsonObject{{"weight_bytes", report.weight_bytes},
                                              {"kv_bytes", report.kv_bytes},
                                              {"resident_bytes", report.resident_bytes}}}};
    if (!batch.empty()) document["gen"] = batch.front();
    document["batch"] = std::move(batch);
    return document;
  }

  EngineArguments engine_;
  BenchmarkOptions benchmark_;
  std::optional<std::vector<std::int64_t>> batch_;
};

}  // namespace

std::unique_ptr<Command> bench_command() { return std::make_unique<BenchCommand>(); }

}  // namespace bantam
