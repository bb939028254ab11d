// bantam score: how likely a model finds a text, and the logits behind it.
#include <algorithm>

#include "base/file.h"
#include "cli/commands.h"
#include "cli/model_arguments.h"
#include "cli/model_finder.h"
#include "cli/score_rows.h"
#include "runtime/loaded_model.h"
#include "runtime/scorer.h"

namespace bantam {
namespace {

constexpr std::size_t kMaxTextBytes = std::size_t{1} << 30;
constexpr std::size_t kMaxChoiceBytes = std::size_t{16} << 20;

class ScoreCommand : public Command {
 public:
  ScoreCommand()
      : Command({.name = "score",
                 .summary = "Measure how likely a model finds a text",
                 .example = "  bantam score -m seed --text 'once upon a time' --json\n"
                            "  bantam score -m seed --file book.txt\n"
                            "  bantam score -m seed --text 'The sky is' --choices choices.txt\n"
                            "  bantam score -m seed:tickets --rows held-out.csv --metric label",
                 .details =
                     "Log-probabilities are natural ones; the first token has none. A text "
                     "longer than the\ncontext is scored in windows that overlap by half. A "
                     "choices file has one continuation a line.\nRows are those of `bantam tune`, "
                     "all of them are measured on; the interval is one of 95 %."}) {
    add_engine_options(options(), engine_, ModelOption::kFlag);
    options().add(text_, {.flag = "--text", .value = "TEXT", .help = "the text"});
    options().add(ids_, {.flag = "--ids", .value = "1,2,3", .help = "its token ids, instead"},
                  {.low = 0, .high = std::int64_t{1} << 30});
    options().add(file_, {.flag = "--file", .value = "FILE", .help = "a file with it, instead"});
    options().add(logits_, {.flag = "--logits",
                            .value = "WHICH",
                            .help = "add the logits after the last or after all tokens to the "
                                    "document",
                            .choices = {"none", "last", "all"}});
    options().add(
        choices_,
        {.flag = "--choices", .value = "FILE", .help = "compare these continuations of the text"});
    add_score_rows_options(options(), rows_);
  }

  Result<void> run(CommandContext& context) override {
    const int sources = (text_ ? 1 : 0) + (ids_ ? 1 : 0) + (file_ ? 1 : 0) + (rows_.rows ? 1 : 0);
    if (sources != 1) {
      return fail(ErrorKind::kUsage, "missing_argument",
                  "give --text, --ids, --file or --rows, one of them");
    }
    EngineOptions options = engine_options(engine_, context);
    const std::filesystem::path path = TRY(choose_model(engine_, options));
    const LoadedModel model = TRY(open_model(path, options));
    if (rows_.rows) return score_rows(model, options, rows_, context.console);
    if (file_) text_ = TRY(read_file(*file_, kMaxTextBytes));
    std::vector<std::int32_t> ids;
    if (ids_) {
      ids.assign(ids_->begin(), ids_->end());
    } else {
      ids = TRY(encode(model, *text_));
    }
    return choices_ ? score_and_compare(model, context.console)
                    : score_text(model, ids, context.console);
  }

 private:
  static Result<std::vector<std::int32_t>> encode(const LoadedModel& model,
                                                  const std::string& text) {
    if (model.tokenizer == nullptr) {
      return fail(ErrorKind::kUsage, "no_tokenizer",
                  "the model has no vocabulary; give --ids instead of text");
    }
    return model.tokenizer->encode(text, {.add_specials = true, .parse_specials = true});
  }

  Result<void> score_text(const LoadedModel& model, const std::vector<std::int32_t>& ids,
                          Console& console) {
    const std::vector<double> logprobs =
        TRY(score_tokens(*model.engine, ids, {}, [&](std::int64_t done, std::int64_t total) {
          console.progress("scoring", static_cast<std::uint64_t>(done),
                           static_cast<std::uint64_t>(total));
        }));
    console.clear_progress();
    TRY(console.print(
        fmt::format("tokens      {}\nperplexity  {:.6g}\n", ids.size(), perplexity(logprobs))));
    JsonArray id_list, logprob_list;
    for (const std::int32_t id : ids) id_list.emplace_back(id);
    for (const double logprob : logprobs) logprob_list.emplace_back(logprob);
    JsonObject document{{"ids", std::move(id_list)},
                        {"logprobs", std::move(logprob_list)},
                        {"perplexity", perplexity(logprobs)}};
    if (logits_ != "none" && console.json()) {
      JsonArray rows;
      TRY(model.engine->score(ids, logits_ == "last", {},
                              [&](std::int64_t, std::span<const float> logits) {
                                JsonArray row(logits.begin(), logits.end());
                                rows.emplace_back(std::move(row));
                                return true;
                              }));
      document["logits"] = std::move(rows);
    }
    return console.document(document);
  }

  Result<void> score_and_compare(const LoadedModel& model, Console& console) {
    if (!text_) {
      return fail(ErrorKind::kUsage, "invalid_value", "--choices goes with --text or --file");
    }
    std::vector<std::string> texts;
    const std::string file = TRY(read_file(*choices_, kMaxChoiceBytes));
    for (std::size_t at = 0; at < file.size();) {
      const std::size_t end = std::min(file.find('\n', at), file.size());
      if (end > at) texts.push_back(file.substr(at, end - at));
      at = end + 1;
    }
    if (texts.empty()) {
      return std::unexpected(fail(ErrorKind::kMalformed, "choices_invalid", "the file has no lines")
                                 .error()
                                 .in(*choices_));
    }
    // The tokens that all have in common are the beginning; a choice may change how the end of the
    // text is split.
    std::vector<std::vector<std::int32_t>> sequences;
    const std::vector<std::int32_t> beginning = TRY(encode(model, *text_));
    std::size_t shared = beginning.size();
    for (const std::string& text : texts) {
      sequences.push_back(TRY(encode(model, *text_ + text)));
      const auto end = std::ranges::mismatch(beginning, sequences.back()).in1;
      shared = std::min(shared, static_cast<std::size_t>(end - beginning.begin()));
    }
    if (shared == 0) {
      return fail(ErrorKind::kUsage, "prompt_empty",
                  "the choices have no token in common with the text; give a longer text");
    }
    const std::vector<ScoredChoice> scores =
        TRY(score_choices(*model.engine, sequences, static_cast<std::int64_t>(shared), {}));
    JsonArray list;
    for (std::size_t i = 0; i < texts.size(); ++i) {
      TRY(console.print(fmt::format("{:10.4f}  {:7.3f} %  {}\n", scores[i].logprob,
                                    100 * scores[i].probability, texts[i])));
      list.push_back(JsonObject{{"text", texts[i]},
                                {"logprob", scores[i].logprob},
                                {"tokens", scores[i].tokens},
                                {"probability", scores[i].probability}});
    }
    return console.document(JsonObject{{"choices", std::move(list)}});
  }

  EngineArguments engine_;
  std::optional<std::string> text_, file_, choices_;
  std::optional<std::vector<std::int64_t>> ids_;
  std::string logits_ = "none";
  ScoreRowsArguments rows_;
};

}  // namespace

std::unique_ptr<Command> score_command() { return std::make_unique<ScoreCommand>(); }

}  // namespace bantam
