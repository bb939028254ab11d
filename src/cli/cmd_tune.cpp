// bantam tune: teach a model from rows, on the very file that will be served.
#include <sys/resource.h>

#include <algorithm>
#include <filesystem>
#include <string>

#include "cli/commands.h"
#include "cli/model_finder.h"
#include "cli/stop_on_signals.h"
#include "cli/text.h"
#include "nn/kv.h"
#include "train/mpi_exchange.h"
#include "tune/tune.h"

namespace bantam {
namespace {

constexpr double kHuge = 1e9;

class TuneCommand : public Command {
 public:
  TuneCommand()
      : Command(
            {.name = "tune",
             .summary = "Teach a model from your own rows",
             .example = "  bantam tune seed tickets.csv tickets-run --metric label\n"
                        "  bantam tune model-Q4_K_M.gguf chats.jsonl run --minutes 20 --mem 4\n"
                        "  bantam run model-Q4_K_M.gguf --adapter run/adapter.gguf\n"
                        "  mpirun -n 2 bantam tune seed tickets.csv run --shards 2 --threads 1",
             .details =
                 "Rows are JSON Lines (messages, prompt and completion, prompt with chosen and\n"
                 "rejected, text and label, text) or CSV. A plan is printed first; --plan ends\n"
                 "there. The folder gets a checkpoint every half minute and when it is stopped\n"
                 "(Ctrl-C, SIGTERM): the same command goes on from it and ends with the same\n"
                 "bits. Beside it: log.jsonl, curve.svg, and the best model by the metric, as\n"
                 "adapter.gguf or, with --full, model.gguf."}) {
    add_data_options();
    add_training_options();
    add_limit_options();
  }

  Result<void> run(CommandContext& context) override;

 private:
  void add_data_options();
  void add_training_options();
  void add_limit_options();
  Result<TuneOptions> tune_options(const CommandContext& context) const;
  std::string plan_text(const TunePlan& plan) const;
  static JsonObject plan_document(const TunePlan& plan);

  std::string model_, data_, folder_, metric_ = "loss", too_long_ = "refuse", forward_ = "serving",
                                      kv_ = "f16", isa_, preference_ = "dpo", optimizer_ = "adamw";
  std::optional<std::string> validation_;
  std::string label_prompt_ = "{text}", text_column_ = "text", label_column_ = "label";
  bool skip_bad_ = false, full_ = false, plan_only_ = false, rs_lora_ = false;
  double validation_share_ = 0.1, rate_ = 0, epochs_ = 3, alpha_ = 32, b_rate_ = 1, decay_ = 0.01,
         clip_ = 1, beta_ = 0.1, chosen_nll_ = 0, minutes_ = 0, memory_ = 0;
  std::int64_t nice_ = 0, shards_ = 1, rank_ = 16, batch_ = 4096, context_ = 0, seed_ = 1,
               patience_ = 0, every_ = 0, validation_rows_ = 200;
};

void TuneCommand::add_data_options() {
  Options& all = options();
  all.add(model_, {.value = "MODEL", .help = "path or name of the model", .required = true});
  all.add(data_, {.value = "ROWS", .help = "what to learn from", .required = true});
  all.add(folder_, {.value = "FOLDER", .help = "where the run lives", .required = true});
  all.add(validation_, {.flag = "--validation",
                        .value = "ROWS",
                        .help = "rows that choose the best; absent: a share of the others"});
  all.add(validation_share_,
          {.flag = "--validation-share", .value = "X", .help = "of the rows, by their content"},
          {.low = 0.0, .high = 0.9});
  all.add(validation_rows_,
          {.flag = "--validation-rows", .value = "N", .help = "most rows that a score is made of"},
          {.low = 1, .high = 1 << 20});
  all.add(metric_, {.flag = "--metric",
                    .value = "NAME",
                    .help = "what is better",
                    .choices = {"loss", "exact", "label", "json"}});
  all.add(label_prompt_, {.flag = "--label-prompt",
                          .value = "TEXT",
                          .help = "what is asked of labelled texts; {text} stands for the text"});
  all.add(text_column_, {.flag = "--text-column", .value = "NAME", .help = "of rows with labels"});
  all.add(label_column_,
          {.flag = "--label-column", .value = "NAME", .help = "of rows with labels"});
  all.add(skip_bad_, {.flag = "--skip-bad", .help = "leave bad rows out and count them"});
  all.add(too_long_, {.flag = "--too-long",
                      .value = "WHAT",
                      .help = "of rows that are longer than the context",
                      .choices = {"refuse", "drop", "cut-front"}});
  all.add(context_,
          {.flag = "--context",
           .value = "N",
           .unit = "tokens",
           .help = "most a row may have; 0: the model's own"},
          {.low = 0, .high = 1 << 24});
}

void TuneCommand::add_training_options() {
  Options& all = options();
  all.add(full_, {.flag = "--full", .help = "train all weights instead of an adapter"});
  all.add(rank_, {.flag = "--rank", .value = "N", .help = "of the adapter"},
          {.low = 1, .high = 4096});
  all.add(alpha_, {.flag = "--alpha", .value = "X", .help = "the adapter's scale times its rank"},
          {.low = 1e-6, .high = 1e6});
  all.add(rs_lora_, {.flag = "--rslora", .help = "divide alpha by the root of the rank"});
  all.add(b_rate_,
          {.flag = "--b-rate", .value = "X", .help = "rate of B over that of A (LoRA+: 16)"},
          {.low = 1e-3, .high = 1e3});
  all.add(
      rate_,
      {.flag = "--rate",
       .value = "X",
       .help = "learning rate at its peak; 0: 1e-3 for adapters, 1e-4 for --full, 0.02 for muon"},
      {.low = 0.0, .high = 1.0});
  all.add(decay_, {.flag = "--decay", .value = "X", .help = "of weights"},
          {.low = 0.0, .high = 1.0});
  all.add(clip_, {.flag = "--clip", .value = "X", .help = "largest gradient norm; 0: none"},
          {.low = 0.0, .high = kHuge});
  all.add(epochs_, {.flag = "--epochs", .value = "X", .help = "passes over the rows"},
          {.low = 1e-6, .high = 1e6});
  all.add(batch_,
          {.flag = "--batch", .value = "N", .unit = "tokens", .help = "about how many a step"},
          {.low = 1, .high = 1 << 24});
  all.add(seed_, {.flag = "--seed", .value = "N", .help = "same seed, same bits"},
          {.low = 0, .high = std::int64_t{1} << 62});
  all.add(every_,
          {.flag = "--validate-every", .value = "N", .unit = "steps", .help = "0: twice an epoch"},
          {.low = 0, .high = 1 << 30});
  all.add(patience_,
          {.flag = "--patience",
           .value = "N",
           .help = "end after so many validations without a better score; 0: never"},
          {.low = 0, .high = 1 << 20});
  all.add(optimizer_, {.flag = "--optimizer",
                       .value = "NAME",
                       .help = "adamw8 keeps moments in eight bits; muon steps matrices",
                       .choices = {"adamw", "adamw8", "muon"}});
  all.add(preference_, {.flag = "--preference",
                        .value = "LOSS",
                        .help = "of rows with a chosen and a rejected answer",
                        .choices = {"dpo", "ipo", "hinge", "simpo", "orpo"}});
  all.add(beta_, {.flag = "--beta", .value = "X", .help = "how strongly preferences pull"},
          {.low = 1e-6, .high = 1e3});
  all.add(chosen_nll_,
          {.flag = "--chosen-nll",
           .value = "X",
           .help = "share of the chosen answers' own loss, which keeps them likely (RPO)"},
          {.low = 0.0, .high = 1e3});
  all.add(forward_, {.flag = "--forward",
                     .value = "HOW",
                     .help = "multiply as the server does, or with decoded weights",
                     .choices = {"serving", "f32"}});
  all.add(kv_, {.flag = "--kv",
                .value = "TYPE",
                .help = "of keys and values, as it will be served",
                .choices = {"f16", "f32"}});
  all.add(isa_, {.flag = "--isa", .value = "NAME", .help = "instruction set; absent: the best"});
}

void TuneCommand::add_limit_options() {
  Options& all = options();
  all.add(plan_only_, {.flag = "--plan", .help = "say what would be done, and stop there"});
  all.add(minutes_,
          {.flag = "--minutes",
           .value = "X",
           .help = "most to work, earlier stretches counted; 0: no bound"},
          {.low = 0.0, .high = kHuge});
  all.add(shards_,
          {.flag = "--shards",
           .value = "N",
           .help = "pieces of a step that machines share (mpirun); a power of two. The result "
                   "depends on them, not on how many machines there are"},
          {.low = 1, .high = 1 << 16});
  all.add(nice_, {.flag = "--nice", .value = "N", .help = "how far other work goes first"},
          {.low = 0, .high = 19});
  all.add(memory_,
          {.flag = "--mem",
           .value = "X",
           .unit = "GB",
           .help = "most to take; 0: nine tenths of what is free"},
          {.low = 0.0, .high = kHuge});
}

Result<TuneOptions> TuneCommand::tune_options(const CommandContext& context) const {
  constexpr std::pair<std::string_view, TooLong> kTooLong[] = {
      {"refuse", TooLong::kRefuse}, {"drop", TooLong::kDrop}, {"cut-front", TooLong::kCutFront}};
  constexpr std::pair<std::string_view, Preference> kPreferences[] = {{"dpo", Preference::kDpo},
                                                                      {"ipo", Preference::kIpo},
                                                                      {"hinge", Preference::kHinge},
                                                                      {"simpo", Preference::kSimpo},
                                                                      {"orpo", Preference::kOrpo}};
  TuneOptions wishes{.model = TRY(resolve_model(model_)), .data = data_, .folder = folder_};
  if (validation_) wishes.validation_data = *validation_;
  wishes.method = full_ ? TuneMethod::kFull : TuneMethod::kAdapter;
  const auto seed = static_cast<std::uint64_t>(seed_);
  wishes.adapter = {
      .rank = rank_, .alpha = alpha_, .rank_stabilized = rs_lora_, .b_rate = b_rate_, .seed = seed};
  wishes.rows = {.text_column = text_column_, .label_column = label_column_, .skip_bad = skip_bad_};
  wishes.render.context = context_;
  wishes.render.label_prompt = label_prompt_;
  for (const auto& [name, value] : kTooLong)
    if (name == too_long_) wishes.render.too_long = value;
  wishes.split.validation = validation_share_;
  wishes.batches.tokens = batch_;
  wishes.batches.seed = seed;
  for (const auto& [name, value] : kPreferences)
    if (name == preference_) wishes.preference.kind = value;
  wishes.preference.beta = wishes.kto.beta = beta_;
  wishes.preference.chosen_nll = chosen_nll_;
  wishes.adamw.decay = static_cast<float>(decay_);
  wishes.adamw.eight_bits = optimizer_ == "adamw8";
  if (optimizer_ == "muon") wishes.muon = MuonOptions{.decay = wishes.adamw.decay};
  const double usual_rate = wishes.muon ? 2e-2 : full_ ? 1e-4 : 1e-3;
  const double rate = rate_ > 0 ? rate_ : usual_rate;
  wishes.schedule = {.peak = static_cast<float>(rate), .warmup = -1, .cosine = true};
  wishes.epochs = epochs_;
  wishes.learner.kv_type = kv_type_from_name(kv_).value();  // one of the choices
  if (forward_ == "f32") wishes.learner.mode = MatmulMode::kFloats;
  wishes.memory = static_cast<std::uint64_t>(memory_ * 1e9);
  wishes.threads = static_cast<std::size_t>(context.threads);
  wishes.isa = isa_;
  wishes.metric = TRY(metric_from_name(metric_));
  wishes.validation_rows = validation_rows_;
  wishes.trainer.seconds = 60 * minutes_;
  wishes.trainer.shards = shards_;
  wishes.trainer.clip = static_cast<float>(clip_);
  wishes.trainer.validate_every = every_;
  wishes.trainer.patience = patience_;
  return wishes;
}

std::string TuneCommand::plan_text(const TunePlan& plan) const {
  const MemoryPlan& memory = plan.memory;
  std::string text = plan.data.to_text();
  text += fmt::format("{} examples to learn from, {} to choose the best by ({})\n",
                      plan.train_examples, plan.validation_examples, metric_);
  text += fmt::format("{} parameters, {} steps\n",
                      human_count(static_cast<std::uint64_t>(plan.parameters)), plan.steps);
  text += fmt::format(
      "memory {}: weights {}, parameters and optimizer {}, activations {}, logits {}, keys and "
      "values {}\n",
      human_bytes(memory.total()), human_bytes(memory.weights), human_bytes(memory.parameters),
      human_bytes(memory.activations), human_bytes(memory.logits), human_bytes(memory.kv));
  text += fmt::format("micro-batches of up to {} tokens", memory.learner.micro_tokens);
  if (memory.learner.forgotten_layers > 0)
    text += fmt::format("; {} layers are computed twice", memory.learner.forgotten_layers);
  return text + fmt::format("\nabout {} at {:.0f} tokens/s, without validation\n",
                            human_time(plan.seconds), plan.tokens_per_second);
}

JsonObject TuneCommand::plan_document(const TunePlan& plan) {
  const MemoryPlan& memory = plan.memory;
  return {{"data", plan.data.to_json()},
          {"train_examples", plan.train_examples},
          {"validation_examples", plan.validation_examples},
          {"parameters", plan.parameters},
          {"steps", plan.steps},
          {"tokens", plan.tokens},
          {"tokens_per_s", plan.tokens_per_second},
          {"seconds", plan.seconds},
          {"memory", JsonObject{{"total", memory.total()},
                                {"weights", memory.weights},
                                {"parameters", memory.parameters},
                                {"activations", memory.activations},
                                {"logits", memory.logits},
                                {"kv", memory.kv},
                                {"micro_tokens", memory.learner.micro_tokens},
                                {"forgotten_layers", memory.learner.forgotten_layers}}}};
}

Result<void> TuneCommand::run(CommandContext& context) {
  Console& console = context.console;
  // Before any thread starts: they inherit which signals are blocked.
  std::stop_source source;
  const StopOnSignals signals(source);
  if (nice_ > 0 && ::setpriority(PRIO_PROCESS, 0, static_cast<int>(nice_)) != 0)
    console.warn("the system refuses --nice");
  const auto exchange = TRY(make_exchange());
  const bool first = exchange->rank() == 0;  // the others work and say nothing but errors
  if (!first) console.set_json(false);
  const auto run = TRY(TuneRun::prepare(TRY(tune_options(context)), *exchange));
  const TunePlan plan = run->plan();
  if (first) TRY(console.print(plan_text(plan)));
  JsonObject document{{"plan", plan_document(plan)}};
  if (plan_only_) return first ? console.document(document) : Result<void>();
  const auto show = [&](const StepReport& report) {
    std::string line = fmt::format(
        "step {} of {}  loss {:.4f}  {:.0f} tokens/s  {} left", report.step, report.steps,
        report.loss, static_cast<double>(report.tokens) / std::max(report.seconds, 1e-9),
        human_time(report.seconds_left));
    if (report.best_step > 0)
      line += fmt::format("  best {} {:.4f} at {}", metric_, report.best_score, report.best_step);
    console.progress(line, static_cast<std::uint64_t>(report.step),
                     static_cast<std::uint64_t>(report.steps));
  };
  const auto trained = run->run(show, source.get_token());
  console.clear_progress();
  const TrainingResult result = TRY(trained);
  if (!first) return {};
  const RunState& state = result.state;
  const bool stopped = result.end == TrainingEnd::kStopped;
  if (stopped) {
    console.note("stopped; the same command goes on from here");
  } else {
    std::string text = fmt::format("{} steps in {}\n", state.step, human_time(state.seconds));
    if (state.best_step > 0)
      text +=
          fmt::format("best {} {:.4f} at step {}\n", metric_, state.best_score, state.best_step);
    TRY(console.print(text + plan.out.string() + "\n"));
  }
  document["end"] = training_end_name(result.end);
  document["step"] = state.step;
  document["loss"] = result.last.loss;
  document["tokens"] = state.tokens;
  document["seconds"] = state.seconds;
  if (state.best_step > 0) {
    document["best_step"] = state.best_step;
    document["best_score"] = state.best_score;
  }
  document["path"] = plan.out.string();
  return console.document(document);
}

}  // namespace

std::unique_ptr<Command> tune_command() { return std::make_unique<TuneCommand>(); }

}  // namespace bantam
