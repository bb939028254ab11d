// bantam parity: is what was trained what will be served?
#include <filesystem>
#include <string>
#include <utility>

#include "base/file.h"
#include "cli/commands.h"
#include "cli/loopback_server.h"
#include "cli/model_arguments.h"
#include "cli/model_finder.h"
#include "cli/row_arguments.h"
#include "data/report.h"
#include "tune/parity.h"
#include "tune/text_model.h"

namespace bantam {
namespace {

constexpr std::size_t kMaxTemplateBytes = std::size_t{1} << 20;

// The template that a PEFT folder brings along, which is what its adapter was trained with.
Result<std::optional<std::string>> template_of_adapter(const std::filesystem::path& adapter) {
  const std::filesystem::path jinja = adapter / "chat_template.jinja";
  const std::filesystem::path config = adapter / "tokenizer_config.json";
  std::error_code ignored;
  if (std::filesystem::exists(jinja, ignored)) return TRY(read_file(jinja, kMaxTemplateBytes));
  if (!std::filesystem::exists(config, ignored)) return std::nullopt;
  const auto document = parse_json(TRY(read_file(config, std::size_t{64} << 20)));
  if (!document) return std::unexpected(document.error().in(config.string()));
  const JsonObject* object = document->if_object();
  const Json* text = object == nullptr ? nullptr : object->if_contains("chat_template");
  if (text == nullptr || !text->is_string()) return std::nullopt;
  return std::string(text->as_string());
}

class ParityCommand : public Command {
 public:
  ParityCommand()
      : Command(
            {.name = "parity",
             .summary = "Prove that what was trained is what will be served",
             .example = "  bantam parity seed run/adapter.gguf rows.jsonl\n"
                        "  bantam parity base.gguf run/adapter.gguf rows.csv --export merged.gguf "
                        "--tolerance 0.05",
             .details =
                 "Compares, for every row, the trainer's ids, prompts and log-probabilities with "
                 "those of the\nfile opened afresh and with those that the server answers over "
                 "HTTP, on a port of its own.\nEnds with code 65 and the first difference if there "
                 "is one. With --export the file that\nwill be served is another one. An adapter "
                 "that came with a template was trained with it."}) {
    add_engine_options(options(), engine_, ModelOption::kPositional);
    options().add(words_, {.value = "[ADAPTER] ROWS", .help = "what was trained, and rows"});
    options().add(export_, {.flag = "--export",
                            .value = "FILE",
                            .help = "the model that will be served, if it is another file"});
    options().add(tolerance_,
                  {.flag = "--tolerance",
                   .value = "X",
                   .unit = "nats",
                   .help = "that a log-probability may differ by; 0: by no bit"},
                  {.low = 0.0, .high = 1e3});
    options().add(
        most_, {.flag = "--most", .value = "N", .help = "compare N rows, evenly from all; 0: all"},
        {.low = 0, .high = std::int64_t{1} << 40});
    add_row_options(options(), rows_);
  }

  Result<void> run(CommandContext& context) override {
    if (words_.empty() || words_.size() > 2)
      return fail(ErrorKind::kUsage, "missing_argument", "say MODEL [ADAPTER] ROWS");
    EngineOptions engine = engine_options(engine_, context);
    const std::filesystem::path path = TRY(choose_model(engine_, engine));
    if (words_.size() == 2) {
      if (!engine.adapter.empty())
        return fail(ErrorKind::kUsage, "conflicting_options", "two adapters are named");
      engine.adapter = words_[0];
    }
    const RowFile file = TRY(read_rows(words_.back(), row_options(rows_)));
    for (const std::string& problem : file.first_problems)
      context.console.warn("left out: " + problem);

    TextModel trained = TRY(open_text_model({.model = path, .adapter = engine.adapter}));
    TRY(take_adapters_template(engine.adapter, trained));
    const RenderOptions render = render_options(
        rows_, engine_.context > 0 ? engine_.context : trained.decoder->spec().context_length);
    const RowRenderer renderer =
        TRY(RowRenderer::create(*trained.tokenizer, trained.template_or_null(), render));
    ThreadPool pool(engine.threads, engine.placement);
    const auto nothing = TRY(Parameters::create({}));
    Learner learner(*trained.decoder, *nothing, *TRY(choose_kernels(engine.isa)), pool,
                    {.kv_type = engine.kv_type});

    const auto served = TRY(open_served(path, engine, renderer.now()));
    const auto server = TRY(serve_on_loopback(served));
    const auto compared = check_parity(
        some_rows(file.rows),
        {.tokenizer = *trained.tokenizer, .renderer = renderer, .learner = learner},
        {.file = *served, .server = *server}, render,
        {.tolerance = tolerance_, .progress = [&](std::int64_t done, std::int64_t all) {
           context.console.progress("comparing", static_cast<std::uint64_t>(done),
                                    static_cast<std::uint64_t>(all));
         }});
    context.console.clear_progress();
    const ParityReport report = TRY(compared);
    if (report.rows == 0)
      return std::unexpected(fail(ErrorKind::kMalformed, "data_empty", "no row is left to compare")
                                 .error()
                                 .in(words_.back()));
    if (auto same = require_parity(report); !same) {
      const bool numbers = export_ && report.first->what == "logprobs";
      return std::unexpected(numbers ? std::move(same).error().with_hint(
                                           "other weights differ: say by how much with --tolerance")
                                     : std::move(same).error());
    }
    TRY(context.console.print(report.to_text()));
    return context.console.document(report.to_json());
  }

 private:
  static Result<void> take_adapters_template(const std::filesystem::path& adapter,
                                             TextModel& model) {
    const auto text = TRY(template_of_adapter(adapter));
    if (!text) return {};
    Metadata metadata = model.file->metadata;
    metadata.set_string("tokenizer.chat_template", *text);
    auto parsed = ChatTemplate::from_model(metadata, *model.tokenizer);
    if (!parsed) return std::unexpected(parsed.error().in(adapter.string()));
    model.chat_template.emplace(std::move(*parsed));
    return {};
  }

  Result<std::shared_ptr<LocalChat>> open_served(std::filesystem::path path, EngineOptions engine,
                                                 const std::tm& now) const {
    if (export_) {
      path = TRY(resolve_model(*export_));
      engine.adapter.clear();
    }
    LocalChatOptions options{.engine = std::move(engine)};
    options.name = "exported";
    options.now = now;
    return LocalChat::open(path, options);
  }

  std::vector<Row> some_rows(const std::vector<Row>& rows) const {
    if (most_ == 0 || most_ >= static_cast<std::int64_t>(rows.size())) return rows;
    std::vector<Row> some;
    const auto most = static_cast<std::size_t>(most_);
    for (std::size_t i = 0; i < most; ++i) some.push_back(rows[rows.size() * i / most]);
    return some;
  }

  EngineArguments engine_;
  RowArguments rows_;
  std::vector<std::string> words_;
  std::optional<std::string> export_;
  double tolerance_ = 0;
  std::int64_t most_ = 0;
};

}  // namespace

std::unique_ptr<Command> parity_command() { return std::make_unique<ParityCommand>(); }

}  // namespace bantam
