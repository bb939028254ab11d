// bantam bench: how fast a model runs on this machine.
#include <algorithm>

#include "base/cpu_info.h"
#include "cli/bench_report.h"
#include "cli/commands.h"
#include "cli/model_arguments.h"
#include "cli/model_finder.h"
#include "runtime/loaded_model.h"

namespace bantam {
namespace {

class BenchCommand : public Command {
 public:
  BenchCommand()
      : Command({.name = "bench",
                 .summary = "Measure how fast a model runs here",
                 .example = "  bantam bench -m seed --prompt 128 --gen 64\n"
                            "  bantam bench -m model.gguf --batch 1,4,16 --json\n"
                            "  bantam bench --peaks",
                 .details = "Each figure is the best of --repeats runs on random tokens, and is "
                            "given with its share of\nwhat the machine can do at most, measured "
                            "just before: the rate at which memory is read,\nand the rate of "
                            "multiplying and adding (two operations). The limit is what would be\n"
                            "reached if nothing but the model's matrices took time."}) {
    add_engine_options(options(), engine_, ModelOption::kOptionalFlag);
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
    options().add(peaks_, {.flag = "--peaks",
                           .help = "measure what this machine can do with 1, 2, 4 … threads; "
                                   "needs no model"});
  }

  Result<void> run(CommandContext& context) override {
    benchmark_.engine = engine_options(engine_, context);
    if (batch_) benchmark_.batch = *batch_;
    if (engine_.model.empty() && !peaks_) {
      return fail(ErrorKind::kUsage, "missing_argument",
                  "there is nothing to measure: give -m MODEL or --peaks");
    }
    std::vector<Peaks> peaks;
    JsonObject document;
    if (peaks_) {
      const KernelTable* kernels = TRY(choose_kernels(benchmark_.engine.isa));
      peaks = measure_peaks(*kernels, context);
      TRY(context.console.print(peaks_text(kernels->name, peaks)));
      document = {{"isa", kernels->name}, {"peaks", peaks_document(peaks.back())}};
    }
    if (!engine_.model.empty()) {
      const BenchmarkReport report = TRY(measure_model(context));
      TRY(context.console.print(report_text(report, benchmark_)));
      document = report_document(report, benchmark_);
    }
    if (peaks_) {
      JsonArray by_threads;
      for (const Peaks& each : peaks) by_threads.push_back(peaks_document(each));
      document["peaks"].as_object()["by_threads"] = std::move(by_threads);
    }
    return context.console.document(document);
  }

 private:
  std::vector<Peaks> measure_peaks(const KernelTable& kernels, CommandContext& context) const {
    PeakMeter meter(kernels);
    std::vector<Peaks> peaks;
    const std::size_t most = ThreadPool(benchmark_.engine.threads).size();
    for (const std::size_t threads : thread_counts(most)) {
      context.console.note(fmt::format("measuring: the peaks of {} threads", threads));
      ThreadPool pool(threads);
      peaks.push_back(meter.measure(pool));
    }
    return peaks;
  }

  Result<BenchmarkReport> measure_model(CommandContext& context) {
    const std::filesystem::path path = TRY(resolve_model(engine_.model));
    const LoadedModel model = TRY(open_model(path, benchmark_.engine));
    if (benchmark_.prompt < 0)
      benchmark_.prompt = std::min<std::int64_t>(512, model.engine->context_length());
    const std::int64_t longest = std::max(benchmark_.prompt, benchmark_.generate + 1);
    if (longest > model.engine->context_length()) {
      return fail(ErrorKind::kUsage, "context_length_exceeded",
                  "{} tokens were asked for and the context holds {}", longest,
                  model.engine->context_length());
    }
    // The model's own decoder, so that what is measured is what is served.
    const std::shared_ptr<const Decoder> decoder = TRY(load_decoder(model.file));
    return run_benchmark(decoder, benchmark_, [&](std::string_view part) {
      context.console.note(fmt::format("measuring: {}", part));
    });
  }

  EngineArguments engine_;
  BenchmarkOptions benchmark_;
  std::optional<std::vector<std::int64_t>> batch_;
  bool peaks_ = false;
};

}  // namespace

std::unique_ptr<Command> bench_command() { return std::make_unique<BenchCommand>(); }

}  // namespace bantam
