// bantam merge: an adapter melted into its base, as one GGUF file.
#include <algorithm>
#include <filesystem>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "base/file.h"
#include "base/thread_pool.h"
#include "cli/commands.h"
#include "cli/model_arguments.h"
#include "cli/model_finder.h"
#include "cli/text.h"
#include "compress/merge.h"
#include "runtime/kl_divergence.h"
#include "runtime/loaded_model.h"
#include "tune/publish.h"

namespace bantam {
namespace {

using Texts = std::vector<std::vector<std::int32_t>>;

class MergeCommand : public Command {
 public:
  MergeCommand()
      : Command({.name = "merge",
                 .summary = "Melt an adapter into its base, as one file",
                 .example = "  bantam merge base.gguf tuned.gguf --adapter tone.gguf\n"
                            "  bantam merge seed:tone tuned.gguf --type Q8_0 --file book.txt",
                 .details = "Says what it costs: how far the merged model's predictions are from "
                            "those of base and\nadapter apart, over --file or else over text that "
                            "they write themselves. With --any-base the\nbase may be the original "
                            "of the file that was trained on. A type of few bits rounds away\nmost "
                            "of a small change: then keep the adapter apart."}) {
    add_engine_options(options(), engine_, ModelOption::kPositional);
    options().add(out_, {.value = "OUT.gguf", .help = "the file to write", .required = true});
    options().add(type_, {.flag = "--type",
                          .letter = 't',
                          .value = "T",
                          .help = "storage type or mix, as `bantam quantize` has them"});
    options().add(text_, {.flag = "--file", .value = "FILE", .help = "a text to compare over"});
    options().add(tokens_,
                  {.flag = "--compare", .value = "N", .unit = "tokens", .help = "to compare over"},
                  {.low = 2, .high = 1 << 24});
    options().add(rows_,
                  {.flag = "--rows",
                   .value = "ROWS",
                   .help = "rows whose texts and ids the file must have as the base has them; "
                           "absent: some of ours"});
    options().add(calibration_,
                  {.flag = "--calibrate",
                   .value = "N",
                   .unit = "tokens",
                   .help = "that show what layers are given, so that a type of blocks "
                           "makes up for its rounding; 0: it rounds to nearest"},
                  {.low = 0, .high = 1 << 24});
  }

  Result<void> run(CommandContext& context) override {
    const Recipe* recipe = TRY(find_recipe(type_));
    EngineOptions options = engine_options(engine_, context);
    const std::filesystem::path path = TRY(choose_model(engine_, options));
    if (options.adapter.empty())
      return fail(ErrorKind::kUsage, "missing_argument",
                  "say which adapter: --adapter ADAPTER, or BASE:ADAPTER");
    const LoadedModel apart = TRY(open_model(path, options));
    const Texts texts = TRY(take_texts(apart, 0, tokens_));
    Console& console = context.console;
    ThreadPool pool(static_cast<std::size_t>(context.threads));
    std::optional<Compensation> compensation;
    if (calibration_ > 0 && dtype_info(recipe->base).block_elements > 1) {
      console.note("looking at what the layers are given");
      compensation = TRY(Compensation::collect(
          apart.engine->decoder(), TRY(take_texts(apart, tokens_, calibration_)), pool));
      if (compensation->left_out() > 0)
        console.warn(
            fmt::format("{} inputs of layers are too wide to be looked at in {}: what they "
                        "are given to rounds to nearest",
                        compensation->left_out(), human_bytes(Compensation::kMostBytes)));
    }
    std::optional<ConvertReport> written;
    const auto write = [&](const std::filesystem::path& to) -> Result<void> {
      auto merged = merge_adapter(apart.engine->decoder(),
                                  {.out = to,
                                   .recipe = recipe,
                                   .progress =
                                       [&](const ConvertProgress& progress) {
                                         console.progress("Merging", progress.done, progress.total);
                                         return true;
                                       }},
                                  compensation ? &*compensation : nullptr, pool);
      console.clear_progress();
      written = TRY(std::move(merged));
      return {};
    };
    TRY(publish_merged(apart, options, pool, write));
    const ConvertReport& report = *written;
    console.note("comparing the file with base and adapter");
    options.adapter.clear();
    const LoadedModel merged = TRY(open_model(out_, options));
    const KlDivergence kl = TRY(measure_kl_divergence(*apart.engine, *merged.engine, texts, {}));
    TRY(console.print(fmt::format(
        "{}: {}, {:.2f} bits a weight\nKL divergence from base and adapter apart: {:.3g} ± {:.1g} "
        "nats a token, same first choice {:.2f} %, over {} tokens\n",
        out_, human_bytes(report.file_bytes), report.bits_per_weight, kl.mean, kl.error,
        100 * kl.same_choice, kl.positions)));
    return console.document(JsonObject{{"path", out_},
                                       {"type", recipe->name},
                                       {"file_bytes", report.file_bytes},
                                       {"bits_per_weight", report.bits_per_weight},
                                       {"relative_error", report.relative_error},
                                       {"kl", kl.mean},
                                       {"kl_error", kl.error},
                                       {"same_choice", kl.same_choice},
                                       {"tokens", kl.positions}});
  }

 private:
  static constexpr std::size_t kMaxTextBytes = std::size_t{64} << 20;
  static constexpr std::string_view kProofRows =
      "{\"prompt\":\"What is 2 + 2?\",\"completion\":\"Four: 4.\"}\n"
      "{\"prompt\":\"<|im_start|> Größe 漢字\\n\\t\",\"completion\":\" yes\\n\"}\n";

  // The file gets its name once texts and ids are those of base and adapter; numbers may differ, as
  // the weights do. Ids alone have nothing to be proven.
  Result<void> publish_merged(
      const LoadedModel& apart, EngineOptions engine, ThreadPool& pool,
      const std::function<Result<void>(const std::filesystem::path&)>& write) const {
    if (apart.tokenizer == nullptr) return write(out_);
    engine.adapter.clear();
    const auto chat_template = ChatTemplate::from_model(apart.file->metadata, *apart.tokenizer);
    const RenderOptions render{.context = apart.engine->context_length(),
                               .too_long = TooLong::kDrop};
    const RowRenderer renderer = TRY(
        RowRenderer::create(*apart.tokenizer, chat_template ? &*chat_template : nullptr, render));
    const auto rows = rows_ ? TRY(read_rows(*rows_, {})).rows
                            : TRY(parse_rows(kProofRows, RowFormat::kJson, "proof", {})).rows;
    const auto nothing = TRY(Parameters::create({}));
    Learner learner(apart.engine->decoder(), *nothing, apart.engine->kernels(), pool,
                    {.kv_type = engine.kv_type});
    return publish({.out = out_,
                    .base = {},
                    .engine = std::move(engine),
                    .render = render,
                    .rows = rows,
                    .tolerance = std::numeric_limits<double>::infinity()},
                   {.tokenizer = *apart.tokenizer, .renderer = renderer, .learner = learner},
                   write);
  }

  // Tokens to compare over, or others to calibrate with.
  Result<Texts> take_texts(const LoadedModel& model, std::int64_t skip, std::int64_t count) const {
    return text_ ? texts_of_file(model, skip, count) : own_texts(model, skip, count);
  }

  // Part of the file, in pieces as long as the context.
  Result<Texts> texts_of_file(const LoadedModel& model, std::int64_t skip,
                              std::int64_t count) const {
    if (model.tokenizer == nullptr)
      return fail(ErrorKind::kUsage, "no_tokenizer", "the model has no vocabulary for --file");
    const std::string text = TRY(read_file(*text_, kMaxTextBytes));
    std::vector<std::int32_t> ids = model.tokenizer->encode(text, {.add_specials = true});
    const auto begin = std::min(ids.size(), static_cast<std::size_t>(skip));
    ids.erase(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(begin));
    ids.resize(std::min(ids.size(), static_cast<std::size_t>(count)));
    if (ids.empty())
      return std::unexpected(fail(ErrorKind::kMalformed, "text_too_short",
                                  "the file has {} tokens; more than {} are needed", begin, skip)
                                 .error()
                                 .in(*text_)
                                 .with_hint("take fewer with --compare, or --calibrate 0"));
    Texts texts;
    const auto context = static_cast<std::size_t>(model.engine->context_length());
    for (std::size_t at = 0; at < ids.size(); at += context) {
      const std::size_t end = std::min(at + context, ids.size());
      texts.emplace_back(ids.begin() + static_cast<std::ptrdiff_t>(at),
                         ids.begin() + static_cast<std::ptrdiff_t>(end));
    }
    return texts;
  }

  // What base and adapter write at temperature 1, from fixed seeds.
  static Result<Texts> own_texts(const LoadedModel& model, std::int64_t skip, std::int64_t count) {
    GenerationRequest request;
    request.prompt = {0};
    if (model.tokenizer != nullptr) {
      const SpecialTokens& specials = model.tokenizer->specials();
      request.prompt = {specials.bos.value_or(specials.eos.value_or(0))};
      request.end_tokens = specials.end_of_generation;
    }
    Texts texts;
    for (std::int64_t left = count; left > 0;) {
      texts.push_back(request.prompt);
      request.sampling.seed = static_cast<std::uint64_t>(skip) + texts.size();
      request.stop.max_tokens = left - 1;
      if (left > 1)
        TRY(model.engine->generate(request, {}, [&](const TokenEvent& event) {
          texts.back().push_back(event.id);
          return true;
        }));
      left -= static_cast<std::int64_t>(texts.back().size());
    }
    return texts;
  }

  EngineArguments engine_;
  std::string out_, type_ = "F16";
  std::optional<std::string> text_, rows_;
  std::int64_t tokens_ = 1024, calibration_ = 4096;
};

}  // namespace

std::unique_ptr<Command> merge_command() { return std::make_unique<MergeCommand>(); }

}  // namespace bantam
