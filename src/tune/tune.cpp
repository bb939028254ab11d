#include "tune/tune.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <utility>

#include "base/cpu_info.h"
#include "base/file.h"
#include "formats/gguf_writer.h"
#include "models/adapter.h"
#include "train/residual.h"
#include "train/weight_average.h"
#include "tune/curve.h"
#include "tune/kto_point.h"
#include "tune/on_policy.h"
#include "tune/publish.h"
#include "tune/run_digest.h"
#include "tune/sampled_rows.h"
#include "tune/selection.h"
#include "tune/teaching.h"
#include "tune/tune_data.h"

namespace bantam {
namespace {

constexpr std::size_t kProofRows = 4;

std::int64_t tokens_of(const Example& example) {
  return static_cast<std::int64_t>(example.ids.size());
}

// A pair that would be too long has none.
std::vector<std::size_t> with_ids(std::span<const Example> examples) {
  std::vector<std::size_t> indices;
  for (std::size_t e = 0; e < examples.size(); ++e)
    if (!examples[e].ids.empty()) indices.push_back(e);
  return indices;
}

std::vector<Example> chosen(std::span<const Example> examples,
                            std::span<const std::size_t> indices) {
  std::vector<Example> some;
  for (const std::size_t index : indices) some.push_back(examples[index]);
  return some;
}

class Tuning final : public TuneRun, private BatchSource {
 public:
  Tuning(const TuneOptions& options, Exchange& exchange, const KernelTable& kernels)
      : options_(options), exchange_(exchange), kernels_(kernels), pool_(options.threads) {}

  Result<void> prepare();
  const TunePlan& plan() const override { return plan_; }
  Result<TrainingResult> run(const std::function<void(const StepReport&)>& progress,
                             std::stop_token stop) override;

 private:
  Result<std::vector<Example>> batch(std::int64_t step) override;

  Result<void> read_data();
  Result<void> sample(TuneRows& rows);
  void choose_objective(RowShape shape);
  Result<void> select();
  Result<void> settle_examples();
  Result<void> make_cache();
  Result<std::vector<double>> losses_under(const Decoder& decoder);
  Result<void> order_batches();
  Result<void> make_adapter();
  AdapterFormat adapter_format() const;
  Result<void> make_trainable();
  Result<void> make_steps();
  std::int64_t longest_group() const;
  std::int64_t tensor_parameters() const;
  Result<void> measure();
  Result<void> refer();
  Result<void> move_reference_point(const std::vector<std::int64_t>& batch);
  EngineOptions engine_options() const;
  Result<double> validate();
  Result<void> save();
  Result<void> publish_model();

  TuneOptions options_;
  Exchange& exchange_;
  const KernelTable& kernels_;
  ThreadPool pool_;
  TunePlan plan_;
  TextModel base_;
  std::unique_ptr<Teaching> teaching_;
  TuneData data_;
  std::optional<RowRenderer> renderer_;
  std::vector<Row> proof_rows_;  // some to learn from: what is saved is held to the trainer on them
  std::vector<Example>& examples_ = data_.examples;
  std::optional<BatchOrder> order_;
  TrainableModel model_;
  std::unique_ptr<Optimizer> optimizer_;
  WeightAverage* average_ = nullptr;  // the optimizer, if there is an average
  std::optional<Learner> learner_;
  std::optional<Validation> validation_;
  std::unique_ptr<Objective> objective_;
  Kto* kto_ = nullptr;               // the objective, if it is that
  std::vector<Example> mismatched_;  // for its reference point, one an example
  std::optional<SampledRows> sampled_;
};

Result<void> Tuning::read_data() {
  base_ = TRY(open_text_model({options_.model, {}}));
  if (options_.render.context == 0) options_.render.context = base_.decoder->spec().context_length;
  TuneRows rows = TRY(read_tune_rows(options_));
  renderer_ = TRY(RowRenderer::create(*base_.tokenizer, base_.template_or_null(), options_.render));
  if (options_.rejection.answers > 0) TRY(sample(rows));
  choose_objective(rows.file.shape);
  if (options_.teacher.given()) {
    if (options_.trainer.mean != LossMean::kTokens)
      return fail(ErrorKind::kUsage, "teacher_invalid",
                  "a teacher has nothing to say of rows of {}", row_shape_name(rows.file.shape));
    teaching_ = TRY(Teaching::open(options_, base_));
  }
  data_ = TRY(
      render_tune_rows(rows, *renderer_, teaching_ ? teaching_->alignment() : nullptr, options_));
  plan_.unaligned = data_.unaligned;
  const std::size_t proofs = std::min(kProofRows, rows.train.size());
  for (std::size_t i = 0; i < proofs; ++i)
    proof_rows_.push_back(rows.train[rows.train.size() * i / proofs]);
  plan_.data = data_.report;
  plan_.validation_examples = static_cast<std::int64_t>(data_.validation.examples.size());
  return {};
}

// What is learned is what is written down, read back.
Result<void> Tuning::sample(TuneRows& rows) {
  sampled_ = TRY(sampled_rows(options_, rows.train, base_, *renderer_, engine_options()));
  plan_.sampled = sampled_->counts;
  rows.file = TRY(parse_rows(sampled_->jsonl, RowFormat::kJson, "sampled.jsonl", options_.rows));
  rows.asked = std::exchange(rows.train, rows.file.rows);
  return {};
}

void Tuning::choose_objective(RowShape shape) {
  if (shape == RowShape::kPreference) {
    objective_ = make_preference(options_.preference);
  } else if (shape == RowShape::kLiked) {
    auto kto = make_kto(options_.kto);
    kto_ = kto.get();
    objective_ = std::move(kto);
  } else {
    objective_ = std::make_unique<Objective>();
    return;
  }
  options_.batches.group = objective_->group();
  options_.trainer.mean = LossMean::kGroups;
}

// Of the examples that are not replayed.
Result<std::vector<double>> Tuning::losses_under(const Decoder& decoder) {
  const auto nothing = TRY(Parameters::create({}));
  Learner learner(decoder, *nothing, kernels_, pool_, options_.learner);
  const auto own =
      std::span(examples_).first(examples_.size() - static_cast<std::size_t>(data_.replayed));
  return group_losses(own, TRY(learner.logprobs(own)), objective_->group());
}

Result<void> Tuning::select() {
  const SelectionOptions& wishes = options_.selection;
  const auto group = static_cast<std::size_t>(objective_->group());
  if (wishes.share < 1) {
    std::vector<double> losses = TRY(losses_under(*base_.decoder));
    const bool reducible = wishes.reference.given();
    if (reducible) {
      const TextModel reference = TRY(open_text_model(wishes.reference));
      TRY(check_same_vocabulary(*base_.tokenizer, *reference.tokenizer, wishes.reference.model));
      const std::vector<double> theirs = TRY(losses_under(*reference.decoder));
      for (std::size_t i = 0; i < losses.size(); ++i) losses[i] -= theirs[i];
    }
    std::vector<Example> kept;
    for (const std::size_t chosen :
         reducible ? select_largest(losses, wishes.share) : select_middle(losses, wishes.share))
      for (std::size_t i = 0; i < group; ++i)
        kept.push_back(std::move(examples_[chosen * group + i]));
    const std::size_t own = losses.size() * group;
    plan_.left_out = static_cast<std::int64_t>(own - kept.size());
    std::move(examples_.begin() + static_cast<std::ptrdiff_t>(own), examples_.end(),
              std::back_inserter(kept));
    examples_ = std::move(kept);
  }
  return {};
}

// What the selection has left: numbers, sources, and the teacher's side of it.
Result<void> Tuning::settle_examples() {
  std::vector<Example> theirs;
  for (std::size_t e = 0; e < examples_.size(); ++e) {
    if (!data_.teacher.empty())
      theirs.push_back(data_.teacher[static_cast<std::size_t>(examples_[e].number)]);
    examples_[e].number = static_cast<std::int64_t>(e);
  }
  data_.teacher.clear();
  if (teaching_ != nullptr) {
    plan_.by_bytes = teaching_->alignment() != nullptr;
    plan_.makes_cache = teaching_->makes_cache();
    objective_ = TRY(teaching_->objective(examples_, std::move(theirs), kernels_, pool_));
  }
  if (kto_ != nullptr) mismatched_ = mismatched(examples_, base_.decoder->spec().context_length);
  plan_.replay_examples = data_.replayed;
  plan_.train_examples = static_cast<std::int64_t>(examples_.size()) - data_.replayed;
  if (data_.replayed > 0)
    options_.batches.sources = {{.examples = plan_.train_examples},
                                {.examples = data_.replayed, .share = options_.replay_share}};
  return {};
}

Result<void> Tuning::order_batches() {
  std::vector<std::int64_t> lengths;
  for (const Example& example : examples_) lengths.push_back(tokens_of(example));
  order_.emplace(TRY(BatchOrder::create(std::move(lengths), options_.batches)));
  const auto an_epoch = static_cast<double>(order_->batches_per_epoch());
  plan_.steps = std::max<std::int64_t>(1, std::llround(std::ceil(options_.epochs * an_epoch)));
  Schedule& schedule = options_.schedule;
  schedule.steps = plan_.steps;
  if (schedule.warmup < 0) schedule.warmup = plan_.steps / 20;
  TrainerOptions& trainer = options_.trainer;
  if (trainer.validate_every == 0)
    trainer.validate_every = std::max<std::int64_t>(1, order_->batches_per_epoch() / 2);
  std::int64_t total = 0;
  for (std::int64_t step = 1; step <= order_->batches_per_epoch(); ++step)
    for (const std::int64_t index : order_->batch(step))
      total += tokens_of(examples_[static_cast<std::size_t>(index)]);
  plan_.tokens =
      std::llround(static_cast<double>(total) * static_cast<double>(plan_.steps) / an_epoch);
  return {};
}

std::int64_t Tuning::tensor_parameters() const {
  std::int64_t sum = 0;
  for (const NamedTensor& tensor : base_.file->tensors()) sum += tensor.view.shape.elements();
  return sum;
}

std::int64_t Tuning::longest_group() const {
  std::int64_t longest = 0;
  const auto group = static_cast<std::size_t>(objective_->group());
  for (std::size_t e = 0; e < examples_.size(); e += group) {
    std::int64_t sum = 0;
    for (std::size_t i = e; i < e + group; ++i) sum += tokens_of(examples_[i]);
    longest = std::max(longest, sum);
  }
  for (const Example& example : data_.validation.examples)
    longest = std::max(longest, tokens_of(example));
  for (const Example& example : mismatched_) longest = std::max(longest, tokens_of(example));
  if (options_.teacher.on_policy > 0)
    longest = std::min(base_.decoder->spec().context_length, 2 * longest + kOnPolicyRoom);
  return longest;
}

Result<void> Tuning::make_adapter() {
  model_ = TRY(train_adapter(base_.file, options_.adapter));
  TRY(check_adapter_format(*model_.decoder, adapter_format()));
  if (options_.original.empty()) return {};
  if (options_.adapter.magnitude)
    return fail(ErrorKind::kUsage, "adapter_invalid",
                "an adapter begins with what packing has lost, or has magnitudes, not both");
  const auto original = TRY(open_weights(options_.original));
  return begin_with_residual(model_, *original, options_.adapter.seed, kernels_, pool_);
}

AdapterFormat Tuning::adapter_format() const {
  return options_.adapter.magnitude ? AdapterFormat::kPeft : AdapterFormat::kGguf;
}

// The memory is planned before the large things are made.
Result<void> Tuning::make_trainable() {
  const bool full = options_.method == TuneMethod::kFull;
  if (!full) TRY(make_adapter());
  plan_.parameters =
      full ? tensor_parameters() : static_cast<std::int64_t>(model_.parameters->values().size());
  const std::uint64_t budget =
      options_.memory > 0 ? options_.memory : read_cpu_info().available_memory_bytes / 10 * 9;
  const int image = full && options_.type != DType::kF32 ? 2 : 0;
  const int bytes = (options_.adamw.eight_bits ? 11 : 16) + image + (options_.average > 0 ? 4 : 0);
  plan_.memory = TRY(plan_memory(base_.decoder->spec(),
                                 {.budget = budget,
                                  .longest = longest_group(),
                                  .batch_tokens = options_.batches.tokens,
                                  .parameters = plan_.parameters,
                                  .bytes_per_parameter = bytes,
                                  .weight_bytes = (full ? 0 : base_.file->tensor_bytes()) +
                                                  (teaching_ ? teaching_->bytes() : 0)},
                                 options_.learner));
  if (full) model_ = TRY(train_tensors(base_.file, {}, options_.type));
  plan_.parameters = static_cast<std::int64_t>(model_.parameters->values().size());
  plan_.out = options_.folder / (full                         ? "model.gguf"
                                 : options_.adapter.magnitude ? "adapter"
                                                              : "adapter.gguf");
  learner_.emplace(*model_.decoder, *model_.parameters, kernels_, pool_, plan_.memory.learner);
  if (!data_.validation.examples.empty())
    validation_.emplace(options_.metric, std::move(data_.validation), model_.decoder,
                        *base_.tokenizer, &*learner_, engine_options());
  return make_steps();
}

Result<void> Tuning::make_steps() {
  optimizer_ = TRY(options_.muon ? make_muon(*model_.parameters, kernels_, pool_, *options_.muon)
                                 : make_adamw(*model_.parameters, kernels_, pool_, options_.adamw));
  if (options_.average == 0) return {};
  auto average = TRY(
      WeightAverage::create(std::move(optimizer_), *model_.parameters, pool_, options_.average));
  average_ = average.get();
  optimizer_ = std::move(average);
  return {};
}

EngineOptions Tuning::engine_options() const {
  return {.threads = options_.threads, .isa = options_.isa, .kv_type = options_.learner.kv_type};
}

// Two numbers a pair, once: what the model as it comes thinks of the answers.
Result<void> Tuning::refer() {
  if (options_.trainer.mean != LossMean::kGroups) return {};
  for (std::vector<Example>* all : {&examples_, &mismatched_}) {
    const std::vector<std::size_t> some = with_ids(*all);
    const auto logprobs = TRY(learner_->logprobs(chosen(*all, some)));
    for (std::size_t i = 0; i < some.size(); ++i)
      (*all)[some[i]].reference = weighted_logprob((*all)[some[i]], logprobs[i]);
  }
  return {};
}

// z0 of a batch, as the model is.
Result<void> Tuning::move_reference_point(const std::vector<std::int64_t>& batch) {
  std::vector<Example> pairs;
  for (const std::int64_t index : batch)
    if (const Example& pair = mismatched_[static_cast<std::size_t>(index)]; !pair.ids.empty())
      pairs.push_back(pair);
  kto_->set_reference_point(reference_point(pairs, TRY(learner_->logprobs(pairs))));
  return {};
}

// The second of two, when memory is there; without a trace in the parameters.
Result<void> Tuning::measure() {
  std::vector<Example> some;
  std::int64_t tokens = 0;
  const auto group = static_cast<std::size_t>(objective_->group());
  for (Example& example : TRY(batch(1))) {
    const bool whole = !some.empty() && some.size() % group == 0;
    if (whole && tokens + tokens_of(example) > plan_.memory.learner.micro_tokens) break;
    tokens += tokens_of(example);
    some.push_back(std::move(example));
  }
  double seconds = 0;
  for (int i = 0; i < 2; ++i) {
    const auto start = std::chrono::steady_clock::now();
    TRY(learner_->accumulate(some, *objective_, 1));
    seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
  model_.parameters->zero_gradients();
  plan_.tokens_per_second = static_cast<double>(tokens) / std::max(seconds, 1e-9);
  plan_.seconds = static_cast<double>(plan_.tokens) / plan_.tokens_per_second /
                  static_cast<double>(exchange_.ranks());
  if (options_.trainer.seconds > 0)
    plan_.seconds = std::min(plan_.seconds, options_.trainer.seconds);
  return {};
}

Result<void> Tuning::prepare() {
  TRY(read_data());
  TRY(select());
  TRY(settle_examples());
  TRY(order_batches());
  TRY(make_trainable());
  TRY(refer());
  return measure();
}

Result<std::vector<Example>> Tuning::batch(std::int64_t step) {
  std::vector<Example> examples;
  const std::vector<std::int64_t> indices = order_->batch(step);
  for (const std::int64_t index : indices)
    examples.push_back(examples_[static_cast<std::size_t>(index)]);
  if (kto_ != nullptr) TRY(move_reference_point(indices));
  const TeacherOptions& teacher = options_.teacher;
  if (teacher.on_policy == 0 || step % teacher.on_policy != 0) return examples;
  model_.parameters->refresh(pool_);
  return answered_by(*model_.decoder, engine_options(), *base_.tokenizer, examples,
                     teacher.seed + static_cast<std::uint64_t>(step));
}

// The file that others will serve, if it is what learned. Trained with decoded weights it is not
// quite: then the log-probabilities are not looked at.
Result<void> Tuning::publish_model() {
  const bool full = options_.method == TuneMethod::kFull;
  const bool serving = options_.learner.mode == MatmulMode::kServing;
  return publish({.out = plan_.out,
                  .base = full ? std::filesystem::path() : options_.model,
                  .engine = engine_options(),
                  .render = options_.render,
                  .rows = proof_rows_,
                  .tolerance = serving ? 0 : std::numeric_limits<double>::infinity()},
                 {.tokenizer = *base_.tokenizer, .renderer = *renderer_, .learner = *learner_},
                 [&](const std::filesystem::path& path) {
                   return full ? write_gguf(path, *model_.file)
                               : save_adapter(path, *model_.decoder, adapter_format(), DType::kF32);
                 });
}

// On the first rank; all read it.
Result<void> Tuning::make_cache() {
  if (teaching_ == nullptr || !teaching_->makes_cache()) return {};
  TRY(exchange_.agree(exchange_.rank() == 0 ? teaching_->write_cache(examples_, kernels_, pool_)
                                            : Result<void>()));
  teaching_->cache_is_there();
  objective_ = TRY(teaching_->objective(examples_, {}, kernels_, pool_));
  return {};
}

// With an average that is what is measured and saved.
Result<double> Tuning::validate() {
  if (average_ != nullptr) average_->exchange();
  model_.parameters->refresh(pool_);
  auto score = validation_->score();
  if (average_ != nullptr) average_->exchange();
  return score;
}

Result<void> Tuning::save() {
  if (average_ != nullptr) average_->exchange();
  model_.parameters->refresh(pool_);
  auto written = publish_model();
  if (average_ != nullptr) average_->exchange();
  return written;
}

Result<TrainingResult> Tuning::run(const std::function<void(const StepReport&)>& progress,
                                   std::stop_token stop) {
  TRY(make_cache());
  if (sampled_ && exchange_.rank() == 0) TRY(keep_sampled_rows(options_.folder, *sampled_));
  TrainerOptions trainer = options_.trainer;
  trainer.folder = options_.folder;
  trainer.run_digest = run_digest(
      options_, examples_, weights_digest(*base_.file),
      (teaching_ ? teaching_->digest() : "") + (options_.original.empty() ? "" : " begun"));
  TrainerHooks hooks{.progress = progress, .validate = {}, .save = [this] { return save(); }};
  if (validation_) hooks.validate = [this] { return validate(); };
  const TrainingResult result = TRY(train({.learner = *learner_,
                                           .parameters = *model_.parameters,
                                           .optimizer = *optimizer_,
                                           .objective = *objective_,
                                           .batches = *this,
                                           .exchange = exchange_,
                                           .kernels = kernels_,
                                           .schedule = options_.schedule},
                                          trainer, hooks, std::move(stop)));
  if (exchange_.rank() != 0) return result;
  TRY(write_curves(options_.folder, options_.data.filename().string()));
  return result;
}

}  // namespace

Result<std::unique_ptr<TuneRun>> TuneRun::prepare(const TuneOptions& options, Exchange& exchange) {
  const KernelTable* kernels = TRY(choose_kernels(options.isa));
  auto tuning = std::make_unique<Tuning>(options, exchange, *kernels);
  TRY(exchange.agree(tuning->prepare()));
  return tuning;
}

}  // namespace bantam
