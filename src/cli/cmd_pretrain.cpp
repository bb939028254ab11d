// bantam pretrain: from text to a model.
#include <sys/resource.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <string>

#include "base/file.h"
#include "cli/commands.h"
#include "cli/model_finder.h"
#include "cli/stop_on_signals.h"
#include "cli/text.h"
#include "models/registry.h"
#include "models/shapes.h"
#include "nn/kv.h"
#include "train/mpi_exchange.h"
#include "tune/pretrain.h"

namespace bantam {
namespace {

constexpr double kHuge = 1e12;
constexpr std::size_t kMaxTemplateBytes = std::size_t{1} << 20;

// "FILE" or "FILE=SHARE"; what exists under the whole word is a file.
PretrainSource source_of(const std::string& word) {
  std::error_code ignored;
  const std::size_t at = word.rfind('=');
  if (at == std::string::npos || std::filesystem::exists(word, ignored)) return {.path = word};
  double share = 0;
  const auto [end, failed] =
      std::from_chars(word.data() + at + 1, word.data() + word.size(), share);
  if (failed != std::errc() || end != word.data() + word.size()) return {.path = word};
  // A share of zero is no share at all: let the reader of the files say so.
  return {.path = word.substr(0, at), .share = share == 0 ? -1 : share};
}

std::vector<std::string> family_names() {
  std::vector<std::string> names;
  for (const Family& family : families()) names.emplace_back(family.architecture);
  return names;
}

class PretrainCommand : public Command {
 public:
  PretrainCommand()
      : Command(
            {.name = "pretrain",
             .summary = "Make a model from nothing but text",
             .example = "  bantam pretrain my-model stories.jsonl chats.jsonl --epochs 4\n"
                        "  bantam pretrain my-model stories.jsonl=7 chats.jsonl=3 --tokens 20e6\n"
                        "  bantam run my-model/model.gguf",
             .details =
                 "Rows are what `bantam tune` takes: documents, conversations, texts with labels.\n"
                 "A plan is printed first; --plan ends there. The same command goes on where it\n"
                 "was stopped (Ctrl-C, SIGTERM, a crash) and ends with the same bits; so does the\n"
                 "same command anywhere else. With more or fewer --tokens it goes on, too, as "
                 "long\n"
                 "as the rate is at its peak (--hold). Held-out texts are scored in nats a token "
                 "and in\n"
                 "bits a byte; the best model so far is FOLDER/model.gguf, the log is log.jsonl,\n"
                 "the picture curve.svg. `bantam quantize` makes it smaller, `bantam tune --full`\n"
                 "goes on with it on other rows."}) {
    add_data_options();
    add_model_options();
    add_training_options();
    add_limit_options();
  }

  Result<void> run(CommandContext& context) override;

 private:
  void add_data_options();
  void add_model_options();
  void add_training_options();
  void add_limit_options();
  Result<ModelShape> shape() const;
  Result<PretrainOptions> pretrain_options(const CommandContext& context) const;
  Result<void> report(Console& console, const PretrainRun& run, const TrainingResult& result,
                      JsonObject document) const;

  std::string folder_, name_, shape_ = "bantam-7m", family_, optimizer_ = "muon",
                              too_long_ = "refuse", pretokenizer_ = "qwen2", forward_ = "serving",
                              kv_ = "f16", type_ = "f32", isa_;
  std::vector<std::string> files_, validation_, control_;
  std::optional<std::string> template_, tokenizer_;
  bool skip_bad_ = false, learn_prompts_ = false, plan_only_ = false, no_zero_ = false,
       cosine_ = false;
  double validation_share_ = 0.02, tokens_ = 0, epochs_ = 1, rate_ = 0, others_rate_ = 0.02,
         decay_ = 0.1, hold_ = 0.4, average_ = 0, embedding_deviation_ = 0.02, clip_ = 1,
         minutes_ = 0, memory_ = 0;
  std::int64_t validation_rows_ = 200, layers_ = 0, width_ = 0, heads_ = 0, kv_heads_ = 0,
               head_width_ = 0, ffn_ = 0, vocab_ = 0, context_ = 0, length_ = 0, batch_ = 8192,
               warmup_ = -1, seed_ = 1, every_ = 0, patience_ = 0, shards_ = 1, nice_ = 0;
};

void PretrainCommand::add_data_options() {
  Options& all = options();
  all.add(folder_, {.value = "FOLDER", .help = "where the run lives", .required = true});
  all.add(files_, {.value = "FILE[=SHARE]",
                   .help = "what to learn from, and its share of the tokens. Without shares every "
                           "file is seen as often as the others",
                   .required = true});
  all.add(validation_, {.flag = "--validation",
                        .value = "FILE",
                        .help = "rows to score by, never learned from, whatever file they are in; "
                                "may be repeated. Absent: a share of the rows"});
  all.add(validation_share_,
          {.flag = "--validation-share", .value = "X", .help = "of the rows, by their content"},
          {.low = 0.0, .high = 0.9});
  all.add(validation_rows_,
          {.flag = "--validation-rows", .value = "N", .help = "most rows of a file to score by"},
          {.low = 1, .high = 1 << 20});
  all.add(template_, {.flag = "--template",
                      .value = "FILE",
                      .help = "chat template (Jinja); absent: the tokenizer's own, or ChatML"});
  all.add(tokenizer_, {.flag = "--tokenizer",
                       .value = "FROM",
                       .help = "a model or tokenizer whose vocabulary to take, instead of making "
                               "one of the texts"});
  all.add(control_, {.flag = "--control",
                     .value = "TOKEN",
                     .help = "a control token besides those of the template; may be repeated"});
  all.add(pretokenizer_, {.flag = "--pretokenizer",
                          .value = "NAME",
                          .help = "how a new vocabulary cuts text (tokenizer.ggml.pre)"});
  all.add(learn_prompts_, {.flag = "--learn-prompts",
                           .help = "learn all of a conversation, not only the assistant's part"});
  all.add(skip_bad_, {.flag = "--skip-bad", .help = "leave bad rows out and count them"});
  all.add(too_long_, {.flag = "--too-long",
                      .value = "WHAT",
                      .help = "of rows that are longer than the context; documents are cut into "
                              "several",
                      .choices = {"refuse", "drop", "cut-front"}});
  all.add(length_,
          {.flag = "--length",
           .value = "N",
           .unit = "tokens",
           .help = "most an example may have; 0: the model's context"},
          {.low = 0, .high = 1 << 24});
}

void PretrainCommand::add_model_options() {
  Options& all = options();
  const auto size = [&](std::int64_t& target, std::string_view flag, std::string_view help) {
    all.add(target, {.flag = flag, .value = "N", .help = help}, {.low = 0, .high = 1 << 24});
  };
  all.add(name_, {.flag = "--name", .value = "NAME", .help = "of the model; absent: the folder's"});
  all.add(shape_, {.flag = "--shape",
                   .value = "NAME",
                   .help = "sizes of a known model (`bantam bench --list-shapes`); those below "
                           "replace its own where they are not 0"});
  std::vector<std::string> names = family_names();
  names.emplace_back("");
  all.add(family_, {.flag = "--family",
                    .value = "NAME",
                    .help = "architecture; absent: the shape's",
                    .choices = std::move(names)});
  size(layers_, "--layers", "layers");
  size(width_, "--width", "of the stream between them");
  size(heads_, "--heads", "of queries");
  size(kv_heads_, "--kv-heads", "of keys and values");
  size(head_width_, "--head-width", "of each of them");
  size(ffn_, "--ffn", "width of the feed-forward");
  size(vocab_, "--vocab", "tokens of the vocabulary");
  size(context_, "--context", "most tokens of prompt and answer together");
  all.add(embedding_deviation_,
          {.flag = "--embedding-deviation", .value = "X", .help = "of the first embedding"},
          {.low = 0.0, .high = 10.0});
  all.add(no_zero_, {.flag = "--no-zero-outputs",
                     .help = "begin with random matrices also where layers add to the stream"});
  all.add(type_, {.flag = "--type",
                  .value = "T",
                  .help = "of the matrices, as they are trained and saved",
                  .choices = {"f32", "f16", "bf16", "q8_0"}});
}

void PretrainCommand::add_training_options() {
  Options& all = options();
  all.add(tokens_,
          {.flag = "--tokens", .value = "X", .help = "to learn from in all; 0: by --epochs"},
          {.low = 0.0, .high = kHuge});
  all.add(epochs_, {.flag = "--epochs", .value = "X", .help = "passes over the first file"},
          {.low = 1e-6, .high = 1e6});
  all.add(batch_,
          {.flag = "--batch", .value = "N", .unit = "tokens", .help = "about how many a step"},
          {.low = 1, .high = 1 << 24});
  all.add(optimizer_, {.flag = "--optimizer",
                       .value = "NAME",
                       .help = "muon steps matrices, and AdamW the rest; adamw all",
                       .choices = {"muon", "adamw"}});
  all.add(rate_,
          {.flag = "--rate",
           .value = "X",
           .help = "learning rate at its peak; 0: 0.02 for muon, 2e-3 for adamw"},
          {.low = 0.0, .high = 1.0});
  all.add(
      others_rate_,
      {.flag = "--others-rate", .value = "X", .help = "with muon: that of embeddings and norms"},
      {.low = 0.0, .high = 1.0});
  all.add(decay_, {.flag = "--decay", .value = "X", .help = "of matrices"},
          {.low = 0.0, .high = 1.0});
  all.add(warmup_,
          {.flag = "--warmup",
           .value = "N",
           .unit = "steps",
           .help = "-1: 40, or a quarter of a short run"},
          {.low = -1, .high = 1 << 30});
  all.add(hold_,
          {.flag = "--hold",
           .value = "X",
           .help = "share of the steps at the peak, before the rate falls to zero"},
          {.low = 0.0, .high = 1.0});
  all.add(cosine_, {.flag = "--cosine", .help = "fall like half a cosine, not in a line"});
  all.add(clip_, {.flag = "--clip", .value = "X", .help = "largest gradient norm; 0: none"},
          {.low = 0.0, .high = kHuge});
  all.add(average_,
          {.flag = "--average",
           .value = "X",
           .help = "keep an average of the weights, of which each step replaces 1 - X (0.99: over "
                   "some hundred steps), and score and save that; 0: none"},
          {.low = 0.0, .high = 1.0});
  all.add(seed_, {.flag = "--seed", .value = "N", .help = "same seed, same bits"},
          {.low = 0, .high = std::int64_t{1} << 62});
  all.add(
      every_,
      {.flag = "--validate-every", .value = "N", .unit = "steps", .help = "0: twenty times a run"},
      {.low = 0, .high = 1 << 30});
  all.add(patience_,
          {.flag = "--patience",
           .value = "N",
           .help = "end after so many validations without a better score; 0: never"},
          {.low = 0, .high = 1 << 20});
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

void PretrainCommand::add_limit_options() {
  Options& all = options();
  all.add(plan_only_, {.flag = "--plan", .help = "say what would be done, and stop there"});
  all.add(minutes_,
          {.flag = "--minutes",
           .value = "X",
           .help = "most to work, earlier stretches counted; 0: no bound. The rate falls by "
                   "--tokens all the same, so choose those by what the plan measures"},
          {.low = 0.0, .high = kHuge});
  all.add(shards_,
          {.flag = "--shards",
           .value = "N",
           .help = "pieces of a step that machines share (mpirun); a power of two"},
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

Result<ModelShape> PretrainCommand::shape() const {
  ModelShape shape = *TRY(find_shape(shape_));
  const std::pair<std::int64_t, std::int64_t ModelShape::*> kSizes[] = {
      {layers_, &ModelShape::layers},         {width_, &ModelShape::width},
      {heads_, &ModelShape::heads},           {kv_heads_, &ModelShape::kv_heads},
      {head_width_, &ModelShape::head_width}, {ffn_, &ModelShape::ffn_width},
      {vocab_, &ModelShape::vocab},           {context_, &ModelShape::context}};
  for (const auto& [value, size] : kSizes)
    if (value > 0) shape.*size = value;
  if (tokenizer_ && vocab_ == 0) shape.vocab = 0;  // as large as that tokenizer's
  for (const Family& family : families())
    if (family.architecture == family_) shape.family = family.architecture;
  return shape;
}

Result<PretrainOptions> PretrainCommand::pretrain_options(const CommandContext& context) const {
  constexpr std::pair<std::string_view, TooLong> kTooLong[] = {
      {"refuse", TooLong::kRefuse}, {"drop", TooLong::kDrop}, {"cut-front", TooLong::kCutFront}};
  PretrainOptions wishes{.folder = folder_, .name = name_, .shape = TRY(shape())};
  for (const std::string& word : files_) wishes.data.sources.push_back(source_of(word));
  for (const std::string& file : validation_) wishes.data.validation.emplace_back(file);
  wishes.data.split.validation = validation_share_;
  wishes.data.validation_rows = validation_rows_;
  wishes.data.rows.skip_bad = skip_bad_;
  // A name of a model, or a file or folder of any tokenizer.
  if (tokenizer_) {
    std::error_code ignored;
    wishes.vocabulary.from = std::filesystem::exists(*tokenizer_, ignored)
                                 ? std::filesystem::path(*tokenizer_)
                                 : TRY(resolve_model(*tokenizer_));
  }
  wishes.vocabulary.pretokenizer = pretokenizer_;
  wishes.vocabulary.control = control_;
  if (template_) wishes.template_text = TRY(read_file(*template_, kMaxTemplateBytes));
  wishes.render.context = length_;
  wishes.render.learn_prompts = learn_prompts_;
  for (const auto& [name, value] : kTooLong)
    if (name == too_long_) wishes.render.too_long = value;
  const auto seed = static_cast<std::uint64_t>(seed_);
  wishes.init = {.seed = seed,
                 .embedding_deviation = embedding_deviation_,
                 .head_deviation = embedding_deviation_,
                 .zero_outputs = !no_zero_};
  wishes.batches.tokens = batch_;
  wishes.batches.seed = seed;
  wishes.tokens = static_cast<std::int64_t>(tokens_);
  wishes.epochs = epochs_;
  const bool muon = optimizer_ == "muon";
  const double rate = rate_ > 0 ? rate_ : muon ? 0.02 : 2e-3;
  wishes.adamw.decay = static_cast<float>(decay_);
  if (muon) {
    wishes.muon->decay = static_cast<float>(decay_);
    wishes.muon->others_rate = static_cast<float>(others_rate_ / rate);
  } else {
    wishes.muon.reset();
  }
  wishes.schedule = {
      .peak = static_cast<float>(rate), .warmup = warmup_, .hold = hold_, .cosine = cosine_};
  wishes.average = average_;
  wishes.type = dtype_from_name(type_).value();             // one of the choices
  wishes.learner.kv_type = kv_type_from_name(kv_).value();  // one of the choices
  if (forward_ == "f32") wishes.learner.mode = MatmulMode::kFloats;
  wishes.memory = static_cast<std::uint64_t>(memory_ * 1e9);
  wishes.threads = static_cast<std::size_t>(context.threads);
  wishes.isa = isa_;
  wishes.trainer.seconds = 60 * minutes_;
  wishes.trainer.shards = shards_;
  wishes.trainer.clip = static_cast<float>(clip_);
  wishes.trainer.validate_every = every_;
  wishes.trainer.patience = patience_;
  return wishes;
}

std::string plan_text(const PretrainPlan& plan) {
  std::string text;
  for (const PretrainSourcePlan& source : plan.sources)
    text += fmt::format(
        "{}: {} rows of {}, {} tokens ({:.0f} % learned), {}; {:.1f} % of the run, seen {:.2f} "
        "times; {} rows held out\n",
        source.name, source.rows, row_shape_name(source.shape),
        human_count(static_cast<std::uint64_t>(source.tokens)),
        100 * static_cast<double>(source.learned_tokens) / static_cast<double>(source.tokens),
        human_bytes(static_cast<std::uint64_t>(source.bytes)), 100 * source.share, source.passes,
        source.held_out);
  text += fmt::format("{}; {:.2f} bytes a token\n", plan.tokenizer, plan.bytes_a_token);
  text += fmt::format("scored by {} held-out tokens\n", plan.held_out_tokens);
  text += fmt::format("{} parameters, {} steps, {} tokens: {:.1f} a parameter\n",
                      human_count(static_cast<std::uint64_t>(plan.parameters)), plan.steps,
                      human_count(static_cast<std::uint64_t>(plan.tokens)),
                      static_cast<double>(plan.tokens) / static_cast<double>(plan.parameters));
  const MemoryPlan& memory = plan.memory;
  text += fmt::format(
      "memory {}: parameters and optimizer {}, activations {}, logits {}, keys and values {}\n"
      "micro-batches of up to {} tokens",
      human_bytes(memory.total()), human_bytes(memory.parameters), human_bytes(memory.activations),
      human_bytes(memory.logits), human_bytes(memory.kv), memory.learner.micro_tokens);
  if (memory.learner.forgotten_layers > 0)
    text += fmt::format("; {} layers are computed twice", memory.learner.forgotten_layers);
  return text + fmt::format("\nabout {} at {:.0f} tokens/s, without validation\n",
                            human_time(plan.seconds), plan.tokens_per_second);
}

JsonObject plan_document(const PretrainPlan& plan) {
  JsonArray sources, warnings;
  for (const PretrainSourcePlan& source : plan.sources)
    sources.push_back(JsonObject{{"name", source.name},
                                 {"shape", row_shape_name(source.shape)},
                                 {"rows", source.rows},
                                 {"skipped", source.skipped},
                                 {"held_out", source.held_out},
                                 {"examples", source.examples},
                                 {"tokens", source.tokens},
                                 {"learned_tokens", source.learned_tokens},
                                 {"bytes", source.bytes},
                                 {"share", source.share},
                                 {"passes", source.passes}});
  for (const std::string& warning : plan.warnings) warnings.emplace_back(warning);
  const MemoryPlan& memory = plan.memory;
  return {{"sources", std::move(sources)},
          {"tokenizer", plan.tokenizer},
          {"bytes_a_token", plan.bytes_a_token},
          {"held_out_tokens", plan.held_out_tokens},
          {"parameters", plan.parameters},
          {"steps", plan.steps},
          {"tokens", plan.tokens},
          {"tokens_per_s", plan.tokens_per_second},
          {"seconds", plan.seconds},
          {"warnings", std::move(warnings)},
          {"memory", JsonObject{{"total", memory.total()},
                                {"parameters", memory.parameters},
                                {"activations", memory.activations},
                                {"logits", memory.logits},
                                {"kv", memory.kv},
                                {"micro_tokens", memory.learner.micro_tokens},
                                {"forgotten_layers", memory.learner.forgotten_layers}}}};
}

std::string progress_line(const StepReport& report, std::span<const HeldOutScore> scores) {
  std::string line =
      fmt::format("step {} of {}  loss {:.4f}  {:.0f} tokens/s  {} left", report.step, report.steps,
                  report.loss, static_cast<double>(report.tokens) / std::max(report.seconds, 1e-9),
                  human_time(report.seconds_left));
  if (!scores.empty())
    line += fmt::format("  held out {:.4f} nats, {:.4f} bits a byte", scores.back().nats,
                        scores.back().bits_per_byte);
  return line;
}

Result<void> PretrainCommand::report(Console& console, const PretrainRun& run,
                                     const TrainingResult& result, JsonObject document) const {
  const RunState& state = result.state;
  if (result.end == TrainingEnd::kStopped) {
    console.note("stopped; the same command goes on from here");
  } else {
    std::string text = fmt::format("{} steps, {} tokens in {}\n", state.step,
                                   human_count(static_cast<std::uint64_t>(state.tokens)),
                                   human_time(state.seconds));
    for (const HeldOutScore& score : run.scores())
      text += fmt::format("{}: {:.4f} nats a token, {:.4f} bits a byte\n", score.name, score.nats,
                          score.bits_per_byte);
    if (state.best_step > 0)
      text +=
          fmt::format("best held-out score {:.4f} at step {}\n", state.best_score, state.best_step);
    TRY(console.print(text + run.plan().out.string() + "\n"));
  }
  document["end"] = training_end_name(result.end);
  document["step"] = state.step;
  document["loss"] = result.last.loss;
  document["tokens"] = state.tokens;
  document["seconds"] = state.seconds;
  if (!run.scores().empty()) document["held_out"] = scores_json(run.scores())["texts"];
  if (state.best_step > 0) {
    document["best_step"] = state.best_step;
    document["best_score"] = state.best_score;
  }
  document["path"] = run.plan().out.string();
  return console.document(document);
}

Result<void> PretrainCommand::run(CommandContext& context) {
  Console& console = context.console;
  // Before any thread starts: they inherit which signals are blocked.
  std::stop_source source;
  const StopOnSignals signals(source);
  if (nice_ > 0 && ::setpriority(PRIO_PROCESS, 0, static_cast<int>(nice_)) != 0)
    console.warn("the system refuses --nice");
  const auto exchange = TRY(make_exchange());
  const bool first = exchange->rank() == 0;  // the others work and say nothing but errors
  if (!first) console.set_json(false);
  const auto run = TRY(PretrainRun::prepare(TRY(pretrain_options(context)), *exchange));
  const PretrainPlan& plan = run->plan();
  if (first) {
    for (const std::string& warning : plan.warnings) console.warn(warning);
    TRY(console.print(plan_text(plan)));
  }
  JsonObject document{{"plan", plan_document(plan)}};
  if (plan_only_) return first ? console.document(document) : Result<void>();
  const auto show = [&](const StepReport& report, std::span<const HeldOutScore> scores) {
    console.progress(progress_line(report, scores), static_cast<std::uint64_t>(report.step),
                     static_cast<std::uint64_t>(report.steps));
  };
  const auto trained = run->run(show, source.get_token());
  console.clear_progress();
  const TrainingResult result = TRY(trained);
  return first ? report(console, *run, result, std::move(document)) : Result<void>();
}

}  // namespace

std::unique_ptr<Command> pretrain_command() { return std::make_unique<PretrainCommand>(); }

}  // namespace bantam
