#include "cli/tune_arguments.h"

#include <array>
#include <string_view>
#include <utility>

#include "cli/model_finder.h"
#include "nn/kv.h"

namespace bantam {
namespace {

constexpr double kHuge = 1e9;

// The names of an option's choices, and what they mean.
template <typename Value, std::size_t count>
using Names = std::array<std::pair<std::string_view, Value>, count>;

template <typename Value, std::size_t count>
std::vector<std::string> choices(const Names<Value, count>& names) {
  std::vector<std::string> all;
  for (const auto& [name, value] : names) all.emplace_back(name);
  return all;
}

template <typename Value, std::size_t count>
Value choice(const Names<Value, count>& names, std::string_view name) {
  for (const auto& [known, value] : names)
    if (known == name) return value;
  CHECK(false, "{} is not one of the choices", name);
}

constexpr Names<Preference, 5> kPreferences = {{{"dpo", Preference::kDpo},
                                                {"ipo", Preference::kIpo},
                                                {"hinge", Preference::kHinge},
                                                {"simpo", Preference::kSimpo},
                                                {"orpo", Preference::kOrpo}}};

constexpr Names<VerifierKind, 4> kVerifiers = {{{"exact", VerifierKind::kExact},
                                                {"json", VerifierKind::kJson},
                                                {"number", VerifierKind::kNumber},
                                                {"command", VerifierKind::kCommand}}};
constexpr Names<Divergence, 5> kDivergences = {{{"forward", Divergence::kForward},
                                                {"reverse", Divergence::kReverse},
                                                {"js", Divergence::kJensenShannon},
                                                {"skew", Divergence::kSkew},
                                                {"tv", Divergence::kTotalVariation}}};

ModelName named(ModelChoice choice) { return {std::move(choice.model), std::move(choice.adapter)}; }

}  // namespace

void TuneArguments::add_to(Options& all) {
  add_rows(all);
  add_adapter(all);
  add_training(all);
  add_schedule(all);
  add_preferences(all);
  add_teacher(all);
  add_rejection(all);
  add_limits(all);
}

void TuneArguments::add_rows(Options& all) {
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
  add_row_options(all, rows_);
  all.add(context_,
          {.flag = "--context",
           .value = "N",
           .unit = "tokens",
           .help = "most a row may have; 0: the model's own"},
          {.low = 0, .high = 1 << 24});
  all.add(replay_, {.flag = "--replay",
                    .value = "ROWS",
                    .help = "rows mixed in so that what they teach is not forgotten"});
  all.add(replay_share_,
          {.flag = "--replay-share",
           .value = "X",
           .help = "how many of them an epoch, as a part of the others"},
          {.low = 1e-6, .high = 1e6});
  all.add(select_share_,
          {.flag = "--select-share",
           .value = "X",
           .help = "learn from this part of the rows: those whose loss before the first step is "
                   "nearest to the median, or, with a reference, the most above its"},
          {.low = 1e-6, .high = 1.0});
  all.add(reference_, {.flag = "--select-reference",
                       .value = "MODEL",
                       .help = "a model with the same tokens that has seen such rows"});
  all.add(short_first_,
          {.flag = "--short-first",
           .value = "N",
           .unit = "epochs",
           .help = "that go from short rows to long ones, at the beginning"},
          {.low = 0, .high = 1 << 20});
}

void TuneArguments::add_adapter(Options& all) {
  all.add(full_, {.flag = "--full", .help = "train all weights instead of an adapter"});
  all.add(type_, {.flag = "--type",
                  .value = "T",
                  .help = "with --full: of the matrices, as they are trained and saved",
                  .choices = {"f32", "f16", "bf16", "q8_0"}});
  all.add(rank_, {.flag = "--rank", .value = "N", .help = "of the adapter"},
          {.low = 1, .high = 4096});
  all.add(alpha_, {.flag = "--alpha", .value = "X", .help = "the adapter's scale times its rank"},
          {.low = 1e-6, .high = 1e6});
  all.add(rs_lora_, {.flag = "--rslora", .help = "divide alpha by the root of the rank"});
  all.add(b_rate_,
          {.flag = "--b-rate", .value = "X", .help = "rate of B over that of A (LoRA+: 16)"},
          {.low = 1e-3, .high = 1e3});
  all.add(dora_, {.flag = "--dora",
                  .help = "rows of adapted weights have lengths that train, too; written as a "
                          "PEFT folder, as GGUF has no place for them"});
  all.add(original_,
          {.flag = "--original",
           .value = "MODEL",
           .help = "what MODEL was packed from: the adapter begins with what that lost"});
}

void TuneArguments::add_training(Options& all) {
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
  all.add(average_,
          {.flag = "--average",
           .value = "X",
           .help = "keep this part of a running average of the weights at each step, and measure "
                   "and save that (0.99: over some hundred steps); 0: none"},
          {.low = 0.0, .high = 0.999999});
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

void TuneArguments::add_schedule(Options& all) {
  all.add(
      rate_,
      {.flag = "--rate",
       .value = "X",
       .help = "learning rate at its peak; 0: 1e-3 for adapters, 1e-4 for --full, 0.02 for muon"},
      {.low = 0.0, .high = 1.0});
  all.add(warmup_,
          {.flag = "--warmup",
           .value = "N",
           .unit = "steps",
           .help = "in which the rate rises; -1: a twentieth of all"},
          {.low = -1, .high = 1 << 30});
  all.add(hold_,
          {.flag = "--hold",
           .value = "X",
           .help = "part of the steps after those that stay at the peak; 1: constant"},
          {.low = 0.0, .high = 1.0});
  all.add(shape_, {.flag = "--shape",
                   .value = "NAME",
                   .help = "how the rate falls then",
                   .choices = {"cosine", "line"}});
  all.add(floor_,
          {.flag = "--floor", .value = "X", .help = "what it falls to, as a part of the peak"},
          {.low = 0.0, .high = 1.0});
}

void TuneArguments::add_preferences(Options& all) {
  all.add(preference_, {.flag = "--preference",
                        .value = "LOSS",
                        .help = "of rows with a chosen and a rejected answer",
                        .choices = choices(kPreferences)});
  all.add(beta_, {.flag = "--beta", .value = "X", .help = "how strongly preferences pull"},
          {.low = 1e-6, .high = 1e3});
  all.add(chosen_nll_,
          {.flag = "--chosen-nll",
           .value = "X",
           .help = "share of the chosen answers' own loss, which keeps them likely (RPO)"},
          {.low = 0.0, .high = 1e3});
  all.add(smoothing_,
          {.flag = "--smoothing",
           .value = "X",
           .help = "share of pairs that are taken to be the wrong way round, for dpo"},
          {.low = 0.0, .high = 0.49});
  all.add(kto_good_,
          {.flag = "--liked-weight", .value = "X", .help = "of answers that were liked (KTO)"},
          {.low = 0.0, .high = 1e3});
  all.add(kto_bad_, {.flag = "--disliked-weight", .value = "X", .help = "of answers that were not"},
          {.low = 0.0, .high = 1e3});
  all.add(margin_, {.flag = "--margin", .value = "X", .help = "between the answers, for simpo"},
          {.low = 0.0, .high = kHuge});
}

void TuneArguments::add_teacher(Options& all) {
  all.add(teacher_, {.flag = "--teacher",
                     .value = "MODEL",
                     .help = "learn what this model says of the answers. One with other tokens is "
                             "asked byte by byte"});
  all.add(divergence_, {.flag = "--divergence",
                        .value = "NAME",
                        .help = "of the student from the teacher: KL forward or reverse, "
                                "Jensen-Shannon, skew KL, total variation",
                        .choices = choices(kDivergences)});
  all.add(mix_,
          {.flag = "--divergence-mix",
           .value = "X",
           .help = "the teacher's part of the mixture, for js and skew (0.1 is usual there)"},
          {.low = 1e-6, .high = 1 - 1e-6});
  all.add(temperature_,
          {.flag = "--temperature", .value = "X", .help = "at which both are compared"},
          {.low = 0.01, .high = 100.0});
  all.add(data_share_,
          {.flag = "--data-share",
           .value = "X",
           .help = "of the rows' own loss; the teacher has the rest"},
          {.low = 0.0, .high = 1.0});
  all.add(teacher_cache_,
          {.flag = "--teacher-cache",
           .value = "FILE",
           .help = "tokens drawn from the teacher, made once; later it need not be there"});
  all.add(teacher_samples_,
          {.flag = "--teacher-samples",
           .value = "N",
           .unit = "tokens",
           .help = "drawn for each token of an answer, four bytes each"},
          {.low = 1, .high = 8});
  all.add(on_policy_,
          {.flag = "--on-policy",
           .value = "N",
           .unit = "steps",
           .help = "in every Nth the teacher judges answers of the student's own; 0: never"},
          {.low = 0, .high = 1 << 30});
}

void TuneArguments::add_rejection(Options& all) {
  all.add(rejection_,
          {.flag = "--rejection",
           .value = "N",
           .unit = "answers",
           .help = "sample so many to each row and learn from those that are right; the folder "
                   "gets them as sampled.jsonl. 0: learn from the rows"},
          {.low = 0, .high = 1024});
  all.add(rejection_keep_,
          {.flag = "--rejection-keep",
           .value = "WHICH",
           .help = "right answers, or wrong ones, each as a pair with the row's own",
           .choices = {"right", "pairs"}});
  all.add(rejection_most_,
          {.flag = "--rejection-most", .value = "N", .help = "kept of a row's; all differ"},
          {.low = 1, .high = 1024});
  all.add(rejection_temperature_,
          {.flag = "--rejection-temperature", .value = "X", .help = "of sampling"},
          {.low = 0.0, .high = 2.0});
  all.add(verifier_, {.flag = "--verifier",
                      .value = "NAME",
                      .help = "what right means: the same text, JSON value or last number as the "
                              "row's, or what a command says",
                      .choices = choices(kVerifiers)});
  all.add(verifier_command_,
          {.flag = "--verifier-command",
           .value = "WORDS",
           .help = "a program and its arguments, between blanks, without a shell: gets the answer "
                   "on its input, the row's in $BANTAM_WANTED, and ends with 0 if it is right"});
  all.add(verifier_seconds_,
          {.flag = "--verifier-seconds",
           .value = "X",
           .unit = "seconds",
           .help = "after which the command is killed and the answer wrong"},
          {.low = 0.01, .high = 3600.0});
}

void TuneArguments::add_limits(Options& all) {
  all.add(plan_only_, {.flag = "--plan", .help = "say what would be done, and stop there"});
  all.add(minutes_,
          {.flag = "--minutes",
           .value = "X",
           .help = "most to work, earlier stretches counted; 0: no bound"},
          {.low = 0.0, .high = kHuge});
  all.add(checkpoint_,
          {.flag = "--checkpoint",
           .value = "X",
           .unit = "seconds",
           .help = "least time between checkpoints; 0: one a step"},
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

void TuneArguments::read_rows(TuneOptions& wishes) const {
  if (validation_) wishes.validation_data = *validation_;
  if (replay_) wishes.replay = *replay_;
  wishes.replay_share = replay_share_;
  wishes.selection.share = select_share_;
  wishes.rows = row_options(rows_);
  wishes.render = render_options(rows_, context_);
  wishes.split.validation = validation_share_;
  wishes.batches.tokens = batch_;
  wishes.batches.seed = static_cast<std::uint64_t>(seed_);
  wishes.batches.short_first_epochs = short_first_;
  wishes.validation_rows = validation_rows_;
}

void TuneArguments::read_steps(TuneOptions& wishes) const {
  wishes.method = full_ ? TuneMethod::kFull : TuneMethod::kAdapter;
  wishes.type = dtype_from_name(type_).value();  // one of the choices
  wishes.adapter = {.rank = rank_,
                    .alpha = alpha_,
                    .rank_stabilized = rs_lora_,
                    .b_rate = b_rate_,
                    .magnitude = dora_,
                    .seed = static_cast<std::uint64_t>(seed_)};
  wishes.adamw.decay = static_cast<float>(decay_);
  wishes.adamw.eight_bits = optimizer_ == "adamw8";
  if (optimizer_ == "muon") wishes.muon = MuonOptions{.decay = wishes.adamw.decay};
  const double usual_rate = wishes.muon ? 2e-2 : full_ ? 1e-4 : 1e-3;
  wishes.schedule = {.peak = static_cast<float>(rate_ > 0 ? rate_ : usual_rate),
                     .floor = static_cast<float>(floor_),
                     .warmup = warmup_,
                     .hold = hold_,
                     .cosine = shape_ == "cosine"};
  wishes.epochs = epochs_;
  wishes.average = average_;
}

void TuneArguments::read_preferences(TuneOptions& wishes) const {
  wishes.preference = {.kind = choice(kPreferences, preference_),
                       .beta = beta_,
                       .smoothing = smoothing_,
                       .margin = margin_,
                       .chosen_nll = chosen_nll_};
  wishes.kto = {.beta = beta_, .good_weight = kto_good_, .bad_weight = kto_bad_};
}

Result<void> TuneArguments::read_teacher(TuneOptions& wishes) const {
  if (teacher_) wishes.teacher.model = named(TRY(resolve_model_choice(*teacher_)));
  if (teacher_cache_) wishes.teacher.cache = *teacher_cache_;
  wishes.teacher.samples = teacher_samples_;
  wishes.teacher.loss = {.kind = choice(kDivergences, divergence_),
                         .mix = mix_,
                         .temperature = temperature_,
                         .data_share = data_share_};
  wishes.teacher.on_policy = on_policy_;
  wishes.teacher.seed = static_cast<std::uint64_t>(seed_);
  return {};
}

void TuneArguments::read_rejection(TuneOptions& wishes) const {
  wishes.rejection = {.answers = rejection_,
                      .temperature = rejection_temperature_,
                      .keep = rejection_most_,
                      .pairs = rejection_keep_ == "pairs",
                      .seed = static_cast<std::uint64_t>(seed_)};
  wishes.verifier = {.kind = choice(kVerifiers, verifier_),
                     .command = verifier_command_.value_or(""),
                     .seconds = verifier_seconds_};
}

Result<TuneOptions> TuneArguments::read(std::int64_t threads) const {
  if (type_ != "f32" && !full_)
    return fail(ErrorKind::kUsage, "type_without_full",
                "--type {} is of weights that are trained, and an adapter's base stays as it is: "
                "add --full, or leave it out",
                type_);
  TuneOptions wishes{.model = TRY(resolve_model(model_)), .data = data_, .folder = folder_};
  read_rows(wishes);
  read_steps(wishes);
  read_preferences(wishes);
  TRY(read_teacher(wishes));
  read_rejection(wishes);
  if (original_) wishes.original = TRY(resolve_model(*original_));
  if (reference_) wishes.selection.reference = named(TRY(resolve_model_choice(*reference_)));
  wishes.learner.kv_type = kv_type_from_name(kv_).value();  // one of the choices
  if (forward_ == "f32") wishes.learner.mode = MatmulMode::kFloats;
  wishes.memory = static_cast<std::uint64_t>(memory_ * 1e9);
  wishes.threads = static_cast<std::size_t>(threads);
  wishes.isa = isa_;
  wishes.metric = TRY(metric_from_name(metric_));
  wishes.trainer.seconds = 60 * minutes_;
  wishes.trainer.checkpoint_seconds = checkpoint_;
  wishes.trainer.shards = shards_;
  wishes.trainer.clip = static_cast<float>(clip_);
  wishes.trainer.validate_every = every_;
  wishes.trainer.patience = patience_;
  return wishes;
}

}  // namespace bantam
