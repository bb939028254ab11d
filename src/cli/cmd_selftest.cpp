// bantam selftest: does the program keep its promises on this machine?
#include <algorithm>

#include "cli/commands.h"
#include "cli/model_arguments.h"
#include "cli/model_finder.h"
#include "runtime/determinism.h"
#include "runtime/loaded_model.h"

namespace bantam {
namespace {

constexpr std::string_view kList =
    "bantam selftest determinism -m MODEL\n"
    "  The same request gives the same bits whatever the chunks, the batch, the threads, the\n"
    "  instruction set, and whether its beginning was cached.\n";

std::string difference_text(const DeterminismOutcome& outcome) {
  const DeterminismDifference& difference = *outcome.difference;
  if (difference.logit < 0)
    return fmt::format("prompt {}, after position {}: the reference was not the same twice",
                       difference.prompt, difference.position);
  return fmt::format("prompt {}, after position {}: logit {} is {:.9g}, not {:.9g}",
                     difference.prompt, difference.position, difference.logit, difference.found,
                     difference.expected);
}

std::string text_of(const DeterminismReport& report) {
  std::string text =
      fmt::format("reference: kernels {}, 1 thread, one prompt at a time\n", report.reference.isa);
  text += "  prompt  tokens  hash of its logits\n";
  for (std::size_t i = 0; i < report.prompts.size(); ++i)
    text += fmt::format("  {:>6}  {:>6}  {:016x}\n", i, report.prompts[i].tokens,
                        report.prompts[i].hash);
  text += "  setting              prompts  logit rows  seconds  result\n";
  for (const DeterminismOutcome& outcome : report.outcomes)
    text += fmt::format("  {:<20} {:>7}  {:>10}  {:>7.1f}  {}\n", outcome.setting.what,
                        outcome.setting.prompts, outcome.rows, outcome.seconds,
                        outcome.difference ? difference_text(outcome) : "the same bits");
  return text;
}

Json document_of(const DeterminismReport& report) {
  JsonArray prompts, settings;
  for (const DeterminismReport::Prompt& prompt : report.prompts) {
    JsonArray generated(prompt.generated.begin(), prompt.generated.end());
    prompts.push_back(JsonObject{{"tokens", prompt.tokens},
                                 {"generated", std::move(generated)},
                                 {"hash", fmt::format("{:016x}", prompt.hash)}});
  }
  for (const DeterminismOutcome& outcome : report.outcomes) {
    const DeterminismSetting& setting = outcome.setting;
    JsonObject entry{{"what", setting.what},       {"isa", setting.isa},
                     {"threads", setting.threads}, {"batch", setting.batch},
                     {"chunk", setting.chunk},     {"reused_prefix", setting.reused_prefix},
                     {"prompts", setting.prompts}, {"rows", outcome.rows},
                     {"seconds", outcome.seconds}, {"same", !outcome.difference.has_value()}};
    if (outcome.difference) {
      entry["difference"] = JsonObject{{"prompt", outcome.difference->prompt},
                                       {"position", outcome.difference->position},
                                       {"logit", outcome.difference->logit},
                                       {"expected", outcome.difference->expected},
                                       {"found", outcome.difference->found}};
    }
    settings.push_back(std::move(entry));
  }
  return JsonObject{{"test", "determinism"},
                    {"same", report.same()},
                    {"isa", report.reference.isa},
                    {"prompts", std::move(prompts)},
                    {"settings", std::move(settings)}};
}

class SelftestCommand : public Command {
 public:
  SelftestCommand()
      : Command({.name = "selftest",
                 .summary = "Prove on this machine what the program promises",
                 .example = "  bantam selftest determinism -m seed --quick\n"
                            "  bantam selftest determinism -m model.gguf --json",
                 .details = "Without a test it lists those there are. Exit code 70 if a promise is "
                            "broken; the error\nnames the first number that is not as it should "
                            "be.\n\ndeterminism: continues random prompts with one thread, each "
                            "alone, and then again with other\nthread counts, chunks, batches, "
                            "instruction sets (unless --isa names one) and after a reused\n"
                            "prefix. All logits that are looked at must have the same bits. "
                            "--threads has no effect."}) {
    options().add(test_, {.value = "TEST", .help = "what to prove", .choices = {"determinism"}});
    add_engine_options(options(), engine_, ModelOption::kOptionalFlag);
    options().add(quick_, {.flag = "--quick", .help = "fewer and shorter prompts"});
  }

  Result<void> run(CommandContext& context) override {
    if (!test_) {
      TRY(context.console.print(kList));
      return context.console.document(JsonObject{{"tests", JsonArray{"determinism"}}});
    }
    if (engine_.model.empty())
      return fail(ErrorKind::kUsage, "missing_argument", "-m says which model to prove it on");
    EngineOptions engine = engine_options(engine_, context);
    const LoadedModel model = TRY(open_model(TRY(choose_model(engine_, engine)), engine));
    const DeterminismReport report = TRY(check_determinism(
        model.engine->decoder(),
        {.kv_type = engine.kv_type,
         .isa = engine.isa,
         .context = engine.context_length,
         .quick = quick_},
        [&](std::string_view part) { context.console.note(fmt::format("computing: {}", part)); }));
    TRY(context.console.print(text_of(report)));
    TRY(context.console.document(document_of(report)));
    const auto broken = std::ranges::find_if(report.outcomes, [](const DeterminismOutcome& each) {
      return each.difference.has_value();
    });
    if (broken == report.outcomes.end()) return {};
    return fail(ErrorKind::kInternal, "not_deterministic", "with {}: {}", broken->setting.what,
                difference_text(*broken));
  }

 private:
  std::optional<std::string> test_;
  EngineArguments engine_;
  bool quick_ = false;
};

}  // namespace

std::unique_ptr<Command> selftest_command() { return std::make_unique<SelftestCommand>(); }

}  // namespace bantam
