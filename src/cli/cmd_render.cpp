// bantam render: the exact text that a chat template makes of a conversation.
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>

#include "base/file.h"
#include "chat/chat_template.h"
#include "cli/commands.h"
#include "cli/model_finder.h"
#include "cli/row_arguments.h"
#include "data/report.h"
#include "formats/weight_file.h"
#include "tokenizer/tokenizer.h"
#include "tune/text_model.h"

namespace bantam {
namespace {

constexpr std::size_t kMaxTemplateBytes = std::size_t{1} << 20;
constexpr std::size_t kMaxInputBytes = std::size_t{64} << 20;

class RenderCommand : public Command {
 public:
  RenderCommand()
      : Command({.name = "render",
                 .summary = "Show the text that a chat template makes of a conversation",
                 .example = "  bantam render -m seed conversation.json\n"
                            "  bantam render -t template.jinja conversation.json --json\n"
                            "  bantam render -m seed --show-mask rows.jsonl",
                 .details =
                     "Every member of the JSON object in INPUTS.json (messages, tools, "
                     "add_generation_prompt, …)\nis a variable of the template. With -m the "
                     "model's special tokens (bos_token, eos_token)\nare variables too, "
                     "unless INPUTS.json sets them. Prints the text, and nothing after it.\nWith "
                     "--show-mask "
                     "rows are rendered as `bantam tune` renders them, and what it would learn of "
                     "them\nis green on a terminal, or between ⟦ and ⟧."}) {
    options().add(
        template_,
        {.flag = "--template", .letter = 't', .value = "FILE", .help = "a Jinja chat template"});
    options().add(model_, {.flag = "--model",
                           .letter = 'm',
                           .value = "MODEL",
                           .help = "the template of this model, instead"});
    options().add(now_, {.flag = "--now",
                         .value = "TIME",
                         .help = "what a template that asks for the time is told, as \"2025-03-07 "
                                 "09:05\"; absent: the time it is",
                         .environment = "BANTAM_NOW"});
    options().add(show_mask_, {.flag = "--show-mask",
                               .value = "ROWS",
                               .help = "show what would be learned of these rows, with -m"});
    options().add(
        most_, {.flag = "--most", .value = "N", .help = "of --show-mask, evenly from all; 0: all"},
        {.low = 0, .high = std::int64_t{1} << 40});
    add_row_options(options(), rows_);
    options().add(inputs_,
                  {.value = "INPUTS.json", .help = "the template's variables, as one JSON object"});
  }

  Result<void> run(CommandContext& context) override {
    if (template_.has_value() == model_.has_value())
      return fail(ErrorKind::kUsage, "missing_argument", "give --template or --model, one of them");
    if (show_mask_) return show_rows(context.console);
    if (!inputs_) return fail(ErrorKind::kUsage, "missing_argument", "INPUTS.json is missing");
    const std::tm now = TRY(time_now());
    const std::string input_text = TRY(read_file(*inputs_, kMaxInputBytes));
    Result<Json> inputs = parse_json(input_text);
    if (!inputs) return std::unexpected(inputs.error().in(*inputs_));
    const std::string text =
        template_ ? TRY(read_file(*template_, kMaxTemplateBytes)) : TRY(take_model(*inputs));

    const Result<std::string> rendered = render_template(text, *inputs, now);
    if (!rendered) return std::unexpected(rendered.error().in(template_ ? *template_ : *model_));
    TRY(context.console.print(*rendered));
    return context.console.document(JsonObject{{"text", *rendered}});
  }

 private:
  Result<void> show_rows(Console& console) const {
    if (!model_ || inputs_)
      return fail(ErrorKind::kUsage, "missing_argument", "--show-mask goes with --model alone");
    const RowFile file = TRY(read_rows(*show_mask_, row_options(rows_)));
    for (const std::string& problem : file.first_problems) console.warn("left out: " + problem);
    const TextModel model = TRY(open_text_model({.model = TRY(resolve_model(*model_))}));
    const RowRenderer renderer =
        TRY(RowRenderer::create(*model.tokenizer, model.template_or_null(),
                                render_options(rows_, model.decoder->spec().context_length)));
    const std::size_t all = file.rows.size();
    const std::size_t shown = most_ > 0 ? std::min(all, static_cast<std::size_t>(most_)) : all;
    const bool colour = ::isatty(STDOUT_FILENO) == 1;
    RenderCounts counts;
    JsonArray list;
    for (std::size_t i = 0; i < shown; ++i) {
      for (const Example& example : TRY(renderer.render(file.rows[all * i / shown], counts))) {
        const auto learned =
            std::ranges::count_if(example.weights, [](float weight) { return weight > 0; });
        TRY(console.print(fmt::format("line {}, {} of {} tokens are learned:\n{}\n", example.source,
                                      learned, example.ids.size(),
                                      show_mask(*model.tokenizer, example, colour))));
        list.push_back(
            JsonObject{{"line", example.source},
                       {"ids", JsonArray(example.ids.begin(), example.ids.end())},
                       {"weights", JsonArray(example.weights.begin(), example.weights.end())},
                       {"text", show_mask(*model.tokenizer, example, false)}});
      }
    }
    for (const std::string& warning : count_warnings(counts)) console.warn(warning);
    return console.document(JsonObject{{"examples", std::move(list)}});
  }

  // The model's template; its special tokens become variables that `inputs` does not set.
  Result<std::string> take_model(Json& inputs) const {
    const std::filesystem::path path = TRY(resolve_model(*model_));
    const auto file = TRY(open_weights(path));
    if (!file->metadata.contains("tokenizer.chat_template"))
      return std::unexpected(
          fail(ErrorKind::kNotFound, "no_template", "the model has no chat template")
              .error()
              .in(path.string())
              .with_hint("give one with --template"));
    const auto tokenizer = TRY(load_tokenizer(path));
    if (JsonObject* variables = inputs.if_object()) {
      const SpecialTokens& specials = tokenizer->specials();
      const std::pair<std::string_view, std::optional<TokenId>> named[] = {
          {"bos_token", specials.bos},
          {"eos_token", specials.eos},
          {"unk_token", specials.unknown},
          {"pad_token", specials.pad}};
      for (const auto& [name, id] : named)
        if (id && !variables->contains(name)) (*variables)[name] = tokenizer->piece(*id);
    }
    return file->metadata.string("tokenizer.chat_template");
  }

  Result<std::tm> time_now() const {
    std::tm local{};
    if (!now_) {
      const std::time_t now = std::time(nullptr);
      localtime_r(&now, &local);
      return local;
    }
    const char* end = strptime(now_->c_str(), "%Y-%m-%d %H:%M", &local);
    if (!end || *end != '\0')
      return fail(ErrorKind::kUsage, "invalid_value",
                  "--now must be a time as \"2025-03-07 09:05\", not {}", quoted(*now_));
    local.tm_isdst = -1;
    std::mktime(&local);  // fills in the day of the week and of the year
    return local;
  }

  std::optional<std::string> template_, model_, now_, inputs_, show_mask_;
  std::int64_t most_ = 0;
  RowArguments rows_;
};

}  // namespace

std::unique_ptr<Command> render_command() { return std::make_unique<RenderCommand>(); }

}  // namespace bantam
