// bantam generate: the continuation of a text or of token ids, without any template.
#include "chat/local_chat.h"
#include "cli/answer_printer.h"
#include "cli/commands.h"
#include "cli/model_arguments.h"
#include "cli/model_finder.h"

namespace bantam {
namespace {

class GenerateCommand : public Command {
 public:
  GenerateCommand()
      : Command({.name = "generate",
                 .summary = "Continue a text or a list of token ids",
                 .example = "  bantam generate -m seed --prompt 'one day, a little girl' "
                            "--max-tokens 40 --temperature 0\n"
                            "  bantam generate -m seed --ids 1,419,201 --json",
                 .details = "The prompt goes to the model as it is, special tokens parsed; `bantam "
                            "run` applies the\nmodel's chat template instead."}) {
    add_engine_options(options(), engine_, ModelOption::kFlag);
    options().add(prompt_,
                  {.flag = "--prompt", .letter = 'p', .value = "TEXT", .help = "what to continue"});
    options().add(
        ids_,
        {.flag = "--ids", .value = "1,2,3", .help = "token ids to continue, instead of --prompt"},
        {.low = 0, .high = std::int64_t{1} << 30});
    sampling_.sampling.temperature = 0.0;
    add_sampling_options(options(), sampling_);
  }

  Result<void> run(CommandContext& context) override {
    if (prompt_.has_value() == ids_.has_value()) {
      return fail(ErrorKind::kUsage, "missing_argument", "give --prompt or --ids, one of them");
    }
    TRY(finish_sampling(sampling_));
    LocalChatOptions options{.engine = engine_options(engine_, context)};
    const std::filesystem::path path = TRY(choose_model(engine_, options.engine));
    const auto model = TRY(LocalChat::open(path, options));
    ChatRequest request;
    request.prompt = prompt_;
    if (ids_) request.prompt_ids.emplace(ids_->begin(), ids_->end());
    request.sampling = sampling_.sampling;
    request.stop = sampling_.stop;
    return print_answer(*model, request, context.console);
  }

 private:
  EngineArguments engine_;
  SamplingArguments sampling_;
  std::optional<std::string> prompt_;
  std::optional<std::vector<std::int64_t>> ids_;
};

}  // namespace

std::unique_ptr<Command> generate_command() { return std::make_unique<GenerateCommand>(); }

}  // namespace bantam
