#include "tune/tune.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <set>

#include "base/cpu_info.h"
#include "base/file.h"
#include "base/hash.h"
#include "chat/chat_template.h"
#include "formats/gguf_writer.h"
#include "models/adapter.h"
#include "tune/curve.h"

namespace bantam {
namespace {

std::int64_t tokens_of(const Example& example) {
  return static_cast<std::int64_t>(example.ids.size());
}

// Rows by what they are for; those of the test part are nobody's here.
struct Parts {
  std::vector<Row> train, validation;
};

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

  Result<void> open_model();
  Result<Parts> read_data();
  Result<void> render(const Parts& parts);
  Result<void> order_batches();
  Result<void> make_trainable();
  std::int64_t tensor_parameters() const;
  Result<void> measure();
  void choose_objective();
  Result<void> refer();
  std::string digest() const;
  EngineOptions engine_options() const;
  Result<void> save() const;

  TuneOptions options_;
  Exchange& exchange_;
  const KernelTable& kernels_;
  ThreadPool pool_;
  TunePlan plan_;
  std::shared_ptr<const WeightFile> file_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  std::optional<ChatTemplate> template_;
  RowFile rows_;
  std::vector<Example> examples_;
  ValidationSet validation_set_;
  std::optional<BatchOrder> order_;
  TrainableModel model_;
  std::unique_ptr<Optimizer> optimizer_;
  std::optional<Learner> learner_;
  std::optional<Validation> validation_;
  std::unique_ptr<Objective> objective_;
};

Result<void> Tuning::open_model() {
  file_ = TRY(open_weights(options_.model));
  tokenizer_ = TRY(make_tokenizer(file_->metadata));
  auto chat = ChatTemplate::from_model(file_->metadata, *tokenizer_);
  if (chat) {
    template_.emplace(std::move(*chat));
  } else if (chat.error().code != "no_template") {
    return std::unexpected(std::move(chat).error());
  }
  const auto decoder = TRY(load_decoder(file_));
  if (options_.render.context == 0) options_.render.context = decoder->spec().context_length;
  return {};
}

Result<Parts> Tuning::read_data() {
  rows_ = TRY(read_rows(options_.data, options_.rows));
  Parts parts;
  if (!options_.validation_data.empty()) {
    parts.train = rows_.rows;
    parts.validation = TRY(read_rows(options_.validation_data, options_.rows)).rows;
    return parts;
  }
  for (const Row& row : rows_.rows) {
    const Part part = part_of(row, options_.split);
    if (part == Part::kTrain) parts.train.push_back(row);
    if (part == Part::kValidation) parts.validation.push_back(row);
  }
  return parts;
}

Result<void> Tuning::render(const Parts& parts) {
  const RowRenderer renderer =
      TRY(RowRenderer::create(*tokenizer_, template_ ? &*template_ : nullptr, options_.render));
  RenderCounts counts;
  std::set<std::string> labels;
  for (const Row& row : parts.train) {
    if (row.shape == RowShape::kLabelled) labels.insert(row.label);
    std::ranges::move(TRY(renderer.render(row, counts)), std::back_inserter(examples_));
  }
  if (examples_.empty())
    return fail(ErrorKind::kMalformed, "data_empty", "{}: no row is left to learn from",
                options_.data.string());
  const std::vector<std::string> all_labels(labels.begin(), labels.end());
  validation_set_ = TRY(make_validation(options_.metric, parts.validation, all_labels, renderer,
                                        options_.validation_rows));
  plan_.data = make_report(rows_, examples_, counts);
  compare_held_out(plan_.data, parts.train, parts.validation, "validation");
  plan_.train_examples = static_cast<std::int64_t>(examples_.size());
  plan_.validation_examples = static_cast<std::int64_t>(validation_set_.examples.size());
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
  for (const Example& example : examples_) total += tokens_of(example);
  plan_.tokens =
      std::llround(static_cast<double>(total) * static_cast<double>(plan_.steps) / an_epoch);
  return {};
}

std::int64_t Tuning::tensor_parameters() const {
  std::int64_t sum = 0;
  for (const NamedTensor& tensor : file_->tensors()) sum += tensor.view.shape.elements();
  return sum;
}

// The memory is planned before the large things are made.
Result<void> Tuning::make_trainable() {
  const bool full = options_.method == TuneMethod::kFull;
  if (!full) model_ = TRY(train_adapter(file_, options_.adapter));
  const auto spec = TRY(load_decoder(file_))->spec();
  std::int64_t longest = 0;
  const auto group = static_cast<std::size_t>(objective_->group());
  for (std::size_t e = 0; e < examples_.size(); e += group) {
    std::int64_t sum = 0;
    for (std::size_t i = e; i < e + group; ++i) sum += tokens_of(examples_[i]);
    longest = std::max(longest, sum);
  }
  for (const Example& example : validation_set_.examples)
    longest = std::max(longest, tokens_of(example));
  plan_.parameters =
      full ? tensor_parameters() : static_cast<std::int64_t>(model_.parameters->values().size());
  const std::uint64_t budget =
      options_.memory > 0 ? options_.memory : read_cpu_info().available_memory_bytes / 10 * 9;
  plan_.memory = TRY(plan_memory(spec,
                                 {.budget = budget,
                                  .longest = longest,
                                  .batch_tokens = options_.batches.tokens,
                                  .parameters = plan_.parameters,
                                  .bytes_per_parameter = options_.adamw.eight_bits ? 11 : 16,
                                  .weight_bytes = full ? 0 : file_->tensor_bytes()},
                                 options_.learner));
  if (full) model_ = TRY(train_tensors(file_, {}));
  plan_.parameters = static_cast<std::int64_t>(model_.parameters->values().size());
  plan_.out = options_.folder / (full ? "model.gguf" : "adapter.gguf");
  optimizer_ = TRY(options_.muon ? make_muon(*model_.parameters, kernels_, pool_, *options_.muon)
                                 : make_adamw(*model_.parameters, kernels_, pool_, options_.adamw));
  learner_.emplace(*model_.decoder, *model_.parameters, kernels_, pool_, plan_.memory.learner);
  if (!validation_set_.examples.empty())
    validation_.emplace(options_.metric, std::move(validation_set_), model_.decoder, *tokenizer_,
                        *learner_, engine_options());
  return {};
}

EngineOptions Tuning::engine_options() const {
  return {.threads = options_.threads, .isa = options_.isa, .kv_type = options_.learner.kv_type};
}

void Tuning::choose_objective() {
  if (rows_.shape == RowShape::kPreference) {
    objective_ = make_preference(options_.preference);
  } else if (rows_.shape == RowShape::kLiked) {
    objective_ = make_kto(options_.kto);
  } else {
    objective_ = std::make_unique<Objective>();
    return;
  }
  options_.batches.group = objective_->group();
  options_.trainer.mean = LossMean::kGroups;
}

// Two numbers a pair, once: what the model as it comes thinks of the answers.
Result<void> Tuning::refer() {
  if (options_.trainer.mean != LossMean::kGroups) return {};
  const auto logprobs = TRY(learner_->logprobs(examples_));
  for (std::size_t e = 0; e < examples_.size(); ++e)
    for (std::size_t i = 0; i < logprobs[e].size(); ++i)
      examples_[e].reference += static_cast<double>(examples_[e].weights[i + 1]) * logprobs[e][i];
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
  TRY(open_model());
  TRY(render(TRY(read_data())));
  choose_objective();
  TRY(order_batches());
  TRY(make_trainable());
  TRY(refer());
  return measure();
}

Result<std::vector<Example>> Tuning::batch(std::int64_t step) {
  std::vector<Example> examples;
  for (const std::int64_t index : order_->batch(step))
    examples.push_back(examples_[static_cast<std::size_t>(index)]);
  return examples;
}

// Of all that decides the result: weights, ids and weights of every row, options. Not of what may
// be changed between two stretches of one run: time, memory, threads, how often it is validated.
std::string Tuning::digest() const {
  Hash64 hash;
  hash.add(weights_digest(*file_));
  for (const Example& example : examples_) {
    hash.add(std::as_bytes(std::span(example.ids)));
    hash.add(std::as_bytes(std::span(example.weights)));
  }
  const PreferenceOptions& p = options_.preference;
  const KtoOptions& k = options_.kto;
  hash.add(fmt::format("{} {} {} {} {} {} {} {} {} ", static_cast<int>(p.kind), p.beta, p.smoothing,
                       p.margin, p.chosen_nll, k.beta, k.good_weight, k.bad_weight,
                       k.reference_point));
  for (const Example& example : examples_) hash.add(std::as_bytes(std::span(&example.label, 1)));
  const AdapterOptions& a = options_.adapter;
  const BatchOptions& b = options_.batches;
  const AdamwOptions& w = options_.adamw;
  const Schedule& s = options_.schedule;
  hash.add(fmt::format("{} {} {} {} {} {}", static_cast<int>(options_.method), a.rank, a.alpha,
                       a.rank_stabilized, a.b_rate, a.seed));
  hash.add(
      fmt::format(" {} {} {} {} {}", b.tokens, b.examples, b.group, b.seed, b.short_first_epochs));
  hash.add(fmt::format(" {} {} {} {} {}", w.beta1, w.beta2, w.epsilon, w.decay, w.eight_bits));
  if (const auto& m = options_.muon)
    hash.add(fmt::format(" {} {} {} {} {}", m->momentum, m->first_momentum, m->momentum_steps,
                         m->decay, m->others_rate));
  hash.add(fmt::format(" {} {} {} {} {} {}", s.peak, s.floor, s.warmup, s.steps, s.hold, s.cosine));
  hash.add(fmt::format(" {} {} {}", options_.trainer.shards, options_.trainer.clip,
                       static_cast<int>(options_.learner.mode)));
  return hash.hex();
}

Result<void> Tuning::save() const {
  if (options_.method == TuneMethod::kFull) return write_gguf(plan_.out, *model_.file);
  return save_adapter(plan_.out, *model_.decoder, AdapterFormat::kGguf, DType::kF32);
}

Result<TrainingResult> Tuning::run(const std::function<void(const StepReport&)>& progress,
                                   std::stop_token stop) {
  TrainerOptions trainer = options_.trainer;
  trainer.folder = options_.folder;
  trainer.run_digest = digest();
  TrainerHooks hooks{.progress = progress, .validate = {}, .save = [this] { return save(); }};
  if (validation_) hooks.validate = [this] { return validation_->score(); };
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
  const Curve curve =
      TRY(curve_of_log(options_.folder / "log.jsonl", options_.data.filename().string()));
  TRY(write_file(options_.folder / "curve.svg", curve_svg(curve)));
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
