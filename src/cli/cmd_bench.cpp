// bantam bench: how fast a model runs on this machine.
#include <algorithm>

#include "base/cpu_info.h"
#include "cli/bench_report.h"
#include "cli/commands.h"
#include "cli/model_arguments.h"
#include "cli/model_finder.h"
#include "cli/text.h"
#include "compress/random_weights.h"
#include "formats/gguf_writer.h"
#include "models/registry.h"
#include "models/shapes.h"
#include "runtime/loaded_model.h"
#include "tune/train_benchmark.h"

namespace bantam {
namespace {

class BenchCommand : public Command {
 public:
  BenchCommand()
      : Command({.name = "bench",
                 .summary = "Measure how fast a model runs here",
                 .example = "  bantam bench -m seed --prompt 128 --gen 64\n"
                            "  bantam bench -m model.gguf --batch 1,4,16 --json\n"
                            "  bantam bench --shape llama-3.2-3b --type Q4_K_M\n"
                            "  bantam bench --train --shape bantam-7m --full\n"
                            "  bantam bench --train --shape tinyllama-1.1b --mem 1.5\n"
                            "  bantam bench --peaks",
                 .details = "Each figure is the best of --repeats runs on random tokens, and is "
                            "given with its share of\nwhat the machine can do at most, measured "
                            "just before: the rate at which memory is read,\nand the rate of "
                            "multiplying and adding (two operations). The limit is what would be\n"
                            "reached if nothing but the model's matrices took time.\n"
                            "--shape measures a model that is not here: random weights of its "
                            "shape are made in memory,\nand speed does not depend on what the "
                            "weights are.\n--train measures training steps, of an adapter or, with "
                            "--full, of all parameters: forward is what\nscoring the same examples "
                            "takes, backward the rest of the gradients' time."}) {
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
    options().add(shape_, {.flag = "--shape",
                           .value = "NAME",
                           .help = "measure random weights of this model's shape instead of a "
                                   "model"});
    options().add(type_, {.flag = "--type",
                          .letter = 't',
                          .value = "T",
                          .help = "storage type or mix of a shape's weights, as `bantam quantize` "
                                  "has them; default Q4_K_M"});
    options().add(save_, {.flag = "--save",
                          .value = "FILE",
                          .help = "write a shape's weights to this GGUF file and measure nothing"});
    add_training_options();
    options().add(list_shapes_, {.flag = "--list-shapes", .help = "the shapes that there are"});
    options().add(peaks_, {.flag = "--peaks",
                           .help = "measure what this machine can do with 1, 2, 4 … threads; "
                                   "needs no model"});
  }

  Result<void> run(CommandContext& context) override {
    TRY(check_arguments());
    benchmark_.engine = engine_options(engine_, context);
    if (batch_) benchmark_.batch = *batch_;
    if (list_shapes_) return list_shapes(context.console);
    if (save_) return save(context);

    std::vector<Peaks> peaks;
    JsonObject document;
    if (peaks_) {
      const KernelTable* kernels = TRY(choose_kernels(benchmark_.engine.isa));
      peaks = measure_peaks(*kernels, context);
      TRY(context.console.print(peaks_text(kernels->name, peaks)));
      document = {{"isa", kernels->name}, {"peaks", peaks_document(peaks.back())}};
    }
    if (training_.wanted) {
      const TrainBenchmarkReport report = TRY(measure_training(context));
      TRY(context.console.print(training_text(report)));
      document = training_document(report);
    } else if (!engine_.model.empty() || shape_) {
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
  // Of --train.
  struct TrainingArguments {
    bool wanted = false, full = false;
    std::int64_t rank = 16, tokens = 4096, length = 256;
    std::string optimizer = "adamw";
    double memory = 0;
  };

  void add_training_options() {
    Options& all = options();
    all.add(training_.wanted, {.flag = "--train", .help = "measure training instead"});
    all.add(training_.full,
            {.flag = "--full",
             .help = "with --train: all parameters, which the forward pass reads as --type says "
                     "(default F32)"});
    all.add(training_.rank,
            {.flag = "--rank", .value = "N", .help = "with --train: of the adapter"},
            {.low = 1, .high = 4096});
    all.add(training_.tokens,
            {.flag = "--tokens", .value = "N", .unit = "tokens", .help = "with --train: of a step"},
            {.low = 2, .high = std::int64_t{1} << 24});
    all.add(training_.length,
            {.flag = "--length",
             .value = "N",
             .unit = "tokens",
             .help = "with --train: of an example, at most what the context holds"},
            {.low = 2, .high = std::int64_t{1} << 20});
    all.add(training_.optimizer, {.flag = "--optimizer",
                                  .value = "NAME",
                                  .help = "with --train",
                                  .choices = {"adamw", "adamw8", "muon"}});
    all.add(training_.memory,
            {.flag = "--mem",
             .value = "X",
             .unit = "GB",
             .help = "with --train: most to take; 0: nine tenths of what is free"},
            {.low = 0.0, .high = 1e6});
  }

  Result<void> check_arguments() const {
    if (shape_ && !engine_.model.empty())
      return fail(ErrorKind::kUsage, "conflicting_options",
                  "--shape and --model exclude each other");
    if (training_.wanted && engine_.model.empty() && !shape_)
      return fail(ErrorKind::kUsage, "missing_argument", "--train needs -m MODEL or --shape NAME");
    if (training_.full && !training_.wanted)
      return fail(ErrorKind::kUsage, "missing_argument", "--full needs --train");
    if (!shape_ && !training_.full && (save_ || type_))
      return fail(ErrorKind::kUsage, "missing_argument", "{} needs --shape NAME",
                  save_ ? "--save" : "--type");
    if (engine_.model.empty() && !shape_ && !peaks_ && !list_shapes_)
      return fail(ErrorKind::kUsage, "missing_argument",
                  "there is nothing to measure: give -m MODEL, --shape NAME or --peaks");
    return {};
  }

  static Result<void> list_shapes(Console& console) {
    TRY(console.print(shapes_text()));
    return console.document(shapes_document());
  }

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

  // The weights of --shape, if they fit into memory.
  Result<std::shared_ptr<const WeightFile>> make_weights(CommandContext& context) const {
    const ModelShape* shape = TRY(find_shape(*shape_));
    // All of a model that is trained is made of floats first.
    const Recipe* recipe = TRY(find_recipe(training_.full ? "F32" : type_.value_or("Q4_K_M")));
    const std::shared_ptr<WeightFile> outline = TRY(shape_outline(*shape));
    const ArchSpec spec = TRY(TRY(find_family(outline->metadata))->read_spec(*outline));
    const std::uint64_t bytes = TRY(planned_bytes(*outline, *recipe));
    TRY(check_memory(spec, benchmark_, bytes, read_cpu_info().available_memory_bytes));
    context.console.note(fmt::format("making {} of random weights: {} as {}", human_bytes(bytes),
                                     shape->name, recipe->name));
    ThreadPool pool(benchmark_.engine.threads);
    return TRY(random_weights(*outline, *recipe, pool));
  }

  Result<void> save(CommandContext& context) const {
    const std::shared_ptr<const WeightFile> file = TRY(make_weights(context));
    TRY(write_gguf(*save_, *file));
    TRY(context.console.print(fmt::format("{}: {}\n", *save_, human_bytes(file->tensor_bytes()))));
    return context.console.document(
        JsonObject{{"path", *save_}, {"tensor_bytes", file->tensor_bytes()}});
  }

  Result<BenchmarkReport> measure_model(CommandContext& context) {
    const std::shared_ptr<const WeightFile> file =
        shape_ ? TRY(make_weights(context))
               : TRY(open_weights(TRY(choose_model(engine_, benchmark_.engine))));
    const std::shared_ptr<const Decoder> decoder = TRY(open_decoder(file, benchmark_.engine));
    // What a request may have; an engine knows best.
    const std::int64_t context_length =
        TRY(Engine::create(decoder, benchmark_.engine))->context_length();
    if (benchmark_.prompt < 0) benchmark_.prompt = std::min<std::int64_t>(512, context_length);
    const std::int64_t longest = std::max(benchmark_.prompt, benchmark_.generate + 1);
    if (longest > context_length) {
      return fail(ErrorKind::kUsage, "context_length_exceeded",
                  "{} tokens were asked for and the context holds {}", longest, context_length);
    }
    return run_benchmark(decoder, benchmark_, [&](std::string_view part) {
      context.console.note(fmt::format("measuring: {}", part));
    });
  }

  Result<TrainBenchmarkReport> measure_training(CommandContext& context) {
    TrainBenchmarkOptions wishes{.batch_tokens = training_.tokens,
                                 .length = training_.length,
                                 .repeats = benchmark_.repeats,
                                 .learner = {.kv_type = benchmark_.engine.kv_type},
                                 .memory = static_cast<std::uint64_t>(training_.memory * 1e9),
                                 .threads = benchmark_.engine.threads,
                                 .isa = std::string(benchmark_.engine.isa)};
    wishes.adapter.rank = training_.rank;
    wishes.adapter.alpha = 2 * static_cast<double>(training_.rank);
    wishes.adamw.eight_bits = training_.optimizer == "adamw8";
    if (training_.optimizer == "muon") wishes.muon.emplace();
    if (training_.full) wishes.full = TRY(find_recipe(type_.value_or("F32")))->base;
    std::shared_ptr<const WeightFile> file =
        shape_ ? TRY(make_weights(context))
               : TRY(open_weights(TRY(choose_model(engine_, benchmark_.engine))));
    return run_train_benchmark(std::move(file), wishes, [&](std::string_view part) {
      context.console.note(fmt::format("measuring: {}", part));
    });
  }

  EngineArguments engine_;
  BenchmarkOptions benchmark_;
  std::optional<std::vector<std::int64_t>> batch_;
  std::optional<std::string> shape_, type_, save_;
  TrainingArguments training_;
  bool peaks_ = false, list_shapes_ = false;
};

}  // namespace

std::unique_ptr<Command> bench_command() { return std::make_unique<BenchCommand>(); }

}  // namespace bantam
