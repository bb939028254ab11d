// bantam tune: teach a model from rows, on the very file that will be served.
#include <sys/resource.h>

#include <algorithm>
#include <filesystem>
#include <string>

#include "cli/commands.h"
#include "cli/stop_on_signals.h"
#include "cli/text.h"
#include "cli/tune_arguments.h"
#include "train/mpi_exchange.h"
#include "tune/tune.h"

namespace bantam {
namespace {

class TuneCommand : public Command {
 public:
  TuneCommand()
      : Command(
            {.name = "tune",
             .summary = "Teach a model from your own rows",
             .example =
                 "  bantam tune seed tickets.csv tickets-run --metric label\n"
                 "  bantam tune model-Q4_K_M.gguf chats.jsonl run --minutes 20 --mem 4\n"
                 "  bantam run model-Q4_K_M.gguf --adapter run/adapter.gguf\n"
                 "  bantam tune seed chats.jsonl run --teacher larger.gguf --data-share 0.3\n"
                 "  bantam tune seed sums.jsonl run --rejection 8 --verifier number\n"
                 "  mpirun -n 2 bantam tune seed tickets.csv run --shards 2 --threads 1",
             .details =
                 "Rows are JSON Lines (messages, prompt and completion, prompt with chosen and\n"
                 "rejected, text and label, text) or CSV. A plan is printed first; --plan ends\n"
                 "there. The folder gets a checkpoint every half minute and when it is stopped\n"
                 "(Ctrl-C, SIGTERM): the same command goes on from it and ends with the same\n"
                 "bits. Beside it: log.jsonl, curve.svg, and the best model by the metric, as\n"
                 "adapter.gguf, with --dora as the folder adapter, with --full as model.gguf.\n"
                 "Teachers, preferences, replay and the rest: docs/tune.md."}) {
    arguments_.add_to(options());
  }

  Result<void> run(CommandContext& context) override;

 private:
  std::string plan_text(const TunePlan& plan) const;
  static JsonObject plan_document(const TunePlan& plan);

  TuneArguments arguments_;
};

std::string TuneCommand::plan_text(const TunePlan& plan) const {
  const MemoryPlan& memory = plan.memory;
  std::string text = plan.data.to_text();
  text += fmt::format("{} examples to learn from, {} to choose the best by ({})\n",
                      plan.train_examples, plan.validation_examples, arguments_.metric());
  if (plan.left_out > 0) text += fmt::format("{} examples were not selected\n", plan.left_out);
  if (plan.replay_examples > 0)
    text += fmt::format("{} examples to replay\n", plan.replay_examples);
  if (const RejectionCounts& sampled = plan.sampled; sampled.answers > 0)
    text +=
        fmt::format("of {} answers to {} rows {} are right, and {} rows have one; {} kept\n",
                    sampled.answers, sampled.rows, sampled.accepted, sampled.solved, sampled.kept);
  if (plan.by_bytes) text += "the teacher has other tokens: it is asked byte by byte\n";
  if (plan.unaligned > 0)
    text += fmt::format("{} rows are left out: the teacher sees other answers\n", plan.unaligned);
  if (plan.makes_cache) text += "the teacher's targets are drawn before the first step\n";
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
          {"left_out", plan.left_out},
          {"replay_examples", plan.replay_examples},
          {"sampled", JsonObject{{"rows", plan.sampled.rows},
                                 {"answers", plan.sampled.answers},
                                 {"accepted", plan.sampled.accepted},
                                 {"solved", plan.sampled.solved},
                                 {"kept", plan.sampled.kept}}},
          {"unaligned", plan.unaligned},
          {"by_bytes", plan.by_bytes},
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
  if (arguments_.nice() > 0 &&
      ::setpriority(PRIO_PROCESS, 0, static_cast<int>(arguments_.nice())) != 0)
    console.warn("the system refuses --nice");
  const auto exchange = TRY(make_exchange());
  const bool first = exchange->rank() == 0;  // the others work and say nothing but errors
  if (!first) console.set_json(false);
  const auto run = TRY(TuneRun::prepare(TRY(arguments_.read(context.threads)), *exchange));
  const TunePlan plan = run->plan();
  if (first) TRY(console.print(plan_text(plan)));
  JsonObject document{{"plan", plan_document(plan)}};
  if (arguments_.plan_only()) return first ? console.document(document) : Result<void>();
  const auto show = [&](const StepReport& report) {
    std::string line = fmt::format(
        "step {} of {}  loss {:.4f}  {:.0f} tokens/s  {} left", report.step, report.steps,
        report.loss, static_cast<double>(report.tokens) / std::max(report.seconds, 1e-9),
        human_time(report.seconds_left));
    if (report.best_step > 0)
      line += fmt::format("  best {} {:.4f} at {}", arguments_.metric(), report.best_score,
                          report.best_step);
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
      text += fmt::format("best {} {:.4f} at step {}\n", arguments_.metric(), state.best_score,
                          state.best_step);
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
