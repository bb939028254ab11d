#include "tune/pretrain.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "base/cpu_info.h"
#include "base/file.h"
#include "base/hash.h"
#include "chat/chat_template.h"
#include "formats/gguf_writer.h"
#include "models/registry.h"
#include "tokenizer/bpe_trainer.h"
#include "tokenizer/tokenizer_json.h"
#include "train/trainable.h"
#include "train/weight_average.h"
#include "tune/curve.h"

namespace bantam {
namespace {

constexpr std::string_view kTemplateKey = "tokenizer.chat_template";
constexpr std::string_view kDocumentMark = "<|endoftext|>";
// Rows that are no multiple of it do not fit the smaller storage types.
constexpr std::int64_t kBlockOfManyTypes = 256;
constexpr std::int64_t kValidations = 20;  // in a run
constexpr std::int64_t kWarmup = 40;

template <typename... Args>
std::unexpected<Error> invalid(fmt::format_string<Args...> format, Args&&... args) {
  return fail(ErrorKind::kUsage, "pretrain_invalid", format, std::forward<Args>(args)...);
}

std::int64_t tokens_of(const Example& example) {
  return static_cast<std::int64_t>(example.ids.size());
}

class Pretraining final : public PretrainRun, private BatchSource {
 public:
  Pretraining(const PretrainOptions& options, Exchange& exchange, const KernelTable& kernels)
      : options_(options), exchange_(exchange), kernels_(kernels), pool_(options.threads) {}

  Result<void> prepare();
  const PretrainPlan& plan() const override { return plan_; }
  std::span<const HeldOutScore> scores() const override {
    return held_out_ ? held_out_->scores() : std::span<const HeldOutScore>();
  }
  Result<TrainingResult> run(const Progress& progress, std::stop_token stop) override;

 private:
  Result<std::vector<Example>> batch(std::int64_t step) override;

  Result<void> check() const;
  Result<void> make_vocabulary();
  Result<void> render();
  Result<void> order_batches();
  Result<void> plan_memory_of(const ModelShape& shape);
  Result<void> make_model();
  Result<void> make_optimizer();
  Result<void> measure();
  void warn();
  std::string digest() const;
  Result<double> validate();
  Result<void> save();

  PretrainOptions options_;
  Exchange& exchange_;
  const KernelTable& kernels_;
  ThreadPool pool_;
  PretrainPlan plan_;
  std::optional<PretrainData> data_;
  Metadata vocabulary_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  std::optional<HeldOut> held_out_;
  std::optional<BatchOrder> order_;
  TrainableModel model_;
  std::unique_ptr<Optimizer> optimizer_;
  WeightAverage* average_ = nullptr;  // the optimizer, if it keeps one
  std::optional<Learner> learner_;
  std::string initial_digest_;
  Objective objective_;
};

Result<void> Pretraining::check() const {
  if (!is_trained_type(options_.type))
    return invalid(
        "a model is pretrained as F32, F16, BF16 or Q8_0, not as {}: `bantam quantize` "
        "makes others",
        dtype_info(options_.type).name);
  if (options_.shape.vocab == 0 && options_.vocabulary.from.empty())
    return invalid("a vocabulary to be made needs a size");
  if (options_.tokens < 0 || !(options_.epochs > 0))
    return invalid("{} tokens or {} epochs to learn from: expected more", options_.tokens,
                   options_.epochs);
  return {};
}

Result<void> Pretraining::make_vocabulary() {
  if (!options_.vocabulary.from.empty()) {
    vocabulary_ = TRY(load_tokenizer_metadata(options_.vocabulary.from));
  } else {
    std::vector<std::string> control = {std::string(kDocumentMark)};
    const auto add = [&](const std::vector<std::string>& marks) {
      for (const std::string& mark : marks)
        if (std::ranges::find(control, mark) == control.end()) control.push_back(mark);
    };
    add(template_marks(options_.template_text.value_or(std::string(kChatMl))));
    add(options_.vocabulary.control);
    const std::vector<std::string_view> texts = data_->texts();
    vocabulary_ = TRY(train_bpe(texts,
                                {.vocab = options_.shape.vocab,
                                 .pretokenizer = options_.vocabulary.pretokenizer,
                                 .control = std::move(control),
                                 .bos = std::string(kDocumentMark),
                                 .eos = std::string(kDocumentMark)},
                                pool_));
  }
  if (options_.template_text || !vocabulary_.contains(kTemplateKey))
    vocabulary_.set_string(kTemplateKey, options_.template_text.value_or(std::string(kChatMl)));
  tokenizer_ = TRY(make_tokenizer(vocabulary_));
  plan_.tokenizer = tokenizer_->description();
  if (options_.shape.vocab == 0)
    options_.shape.vocab = static_cast<std::int64_t>(tokenizer_->vocab_size());
  return {};
}

Result<void> Pretraining::render() {
  RenderOptions& render = options_.render;
  if (render.context == 0) render.context = options_.shape.context;
  if (render.context < 2 || render.context > options_.shape.context)
    return invalid("examples of up to {} tokens: expected 2 to {}, the model's context",
                   render.context, options_.shape.context);
  const ChatTemplate chat = TRY(ChatTemplate::from_model(vocabulary_, *tokenizer_));
  const RowRenderer renderer = TRY(RowRenderer::create(*tokenizer_, &chat, render));
  RenderOptions answers = render;
  answers.learn_prompts = false;
  const RowRenderer scored = TRY(RowRenderer::create(*tokenizer_, &chat, answers));
  TRY(data_->render(renderer, scored, *tokenizer_));
  HeldOut held_out(data_->take_held_out(), *tokenizer_);
  plan_.held_out_tokens = held_out.tokens();
  if (!held_out.empty()) held_out_.emplace(std::move(held_out));
  std::int64_t tokens = 0, bytes = 0;
  for (const PretrainSourcePlan& source : data_->plans()) {
    tokens += source.tokens;
    bytes += source.bytes;
  }
  plan_.bytes_a_token = static_cast<double>(bytes) / static_cast<double>(tokens);
  return {};
}

Result<void> Pretraining::order_batches() {
  std::vector<std::int64_t> lengths;
  for (const Example& example : data_->examples()) lengths.push_back(tokens_of(example));
  options_.batches.sources = data_->sets();
  order_.emplace(TRY(BatchOrder::create(std::move(lengths), options_.batches)));
  plan_.sources = data_->plans();
  // An epoch is one pass over the first file.
  const PretrainSourcePlan& first = plan_.sources[0];
  const double epoch = static_cast<double>(first.tokens) / first.share;
  const double total =
      options_.tokens > 0 ? static_cast<double>(options_.tokens) : options_.epochs * epoch;
  const auto an_epoch = static_cast<double>(order_->batches_per_epoch());
  plan_.steps = std::max<std::int64_t>(1, std::llround(total / epoch * an_epoch));
  plan_.tokens = std::llround(static_cast<double>(plan_.steps) / an_epoch * epoch);
  for (PretrainSourcePlan& source : plan_.sources)
    source.passes =
        source.share * static_cast<double>(plan_.tokens) / static_cast<double>(source.tokens);
  Schedule& schedule = options_.schedule;
  schedule.steps = plan_.steps;
  if (schedule.warmup < 0) schedule.warmup = std::min(kWarmup, plan_.steps / 4);
  TrainerOptions& trainer = options_.trainer;
  if (trainer.validate_every == 0)
    trainer.validate_every = std::max<std::int64_t>(1, plan_.steps / kValidations);
  return {};
}

// Before the large things are made.
Result<void> Pretraining::plan_memory_of(const ModelShape& shape) {
  const std::shared_ptr<const WeightFile> outline = TRY(shape_outline(shape));
  plan_.parameters = 0;
  for (const NamedTensor& tensor : outline->tensors()) {
    const Shape& size = tensor.view.shape;
    plan_.parameters += size.elements();
    if (size.rank() >= 2 && size.last() % dtype_info(options_.type).block_elements != 0)
      return invalid("{} has rows of {}, {} takes {} at a time: choose other sizes, or F16",
                     tensor.name, size.last(), dtype_info(options_.type).name,
                     dtype_info(options_.type).block_elements);
  }
  std::int64_t longest = held_out_ ? held_out_->longest() : 0;
  for (const Example& example : data_->examples()) longest = std::max(longest, tokens_of(example));
  const std::uint64_t budget =
      options_.memory > 0 ? options_.memory : read_cpu_info().available_memory_bytes / 10 * 9;
  // Value, gradient and moments; the first values; what the model reads; the average.
  const int bytes = 20 + (options_.type == DType::kF32 ? 0 : 2) + (options_.average > 0 ? 4 : 0);
  const Family* family = TRY(find_family(outline->metadata));
  plan_.memory = TRY(plan_memory(TRY(family->read_spec(*outline)),
                                 {.budget = budget,
                                  .longest = longest,
                                  .batch_tokens = options_.batches.tokens,
                                  .parameters = plan_.parameters,
                                  .bytes_per_parameter = bytes},
                                 options_.learner));
  return {};
}

Result<void> Pretraining::make_model() {
  const auto file = TRY(initial_weights(options_.shape, vocabulary_, pool_, options_.init));
  file->metadata.set_string("general.name", options_.name);
  Hash64 hash;
  hash.add(dtype_info(options_.type).name);
  hash.add(TRY(gguf_header_bytes(file->metadata, {})));
  for (const NamedTensor& tensor : file->tensors())
    hash.add(std::span(tensor.view.data, tensor.view.bytes()));
  initial_digest_ = hash.hex();
  model_ = TRY(train_tensors(file, {}, options_.type));
  plan_.out = options_.folder / "model.gguf";
  learner_.emplace(*model_.decoder, *model_.parameters, kernels_, pool_, plan_.memory.learner);
  return {};
}

Result<void> Pretraining::make_optimizer() {
  optimizer_ = TRY(options_.muon ? make_muon(*model_.parameters, kernels_, pool_, *options_.muon)
                                 : make_adamw(*model_.parameters, kernels_, pool_, options_.adamw));
  if (options_.average == 0) return {};
  auto average = TRY(
      WeightAverage::create(std::move(optimizer_), *model_.parameters, pool_, options_.average));
  average_ = average.get();
  optimizer_ = std::move(average);
  return {};
}

// The second of two, when memory is there; without a trace in the parameters.
Result<void> Pretraining::measure() {
  std::vector<Example> some;
  std::int64_t tokens = 0;
  for (Example& example : TRY(batch(1))) {
    if (!some.empty() && tokens + tokens_of(example) > plan_.memory.learner.micro_tokens) break;
    tokens += tokens_of(example);
    some.push_back(std::move(example));
  }
  double seconds = 0;
  for (int i = 0; i < 2; ++i) {
    const auto start = std::chrono::steady_clock::now();
    TRY(learner_->accumulate(some, objective_, 1));
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

void Pretraining::warn() {
  std::int64_t narrow = 0;
  for (const NamedTensor& tensor : model_.file->tensors())
    if (tensor.view.shape.rank() >= 2 && tensor.view.shape.last() % kBlockOfManyTypes != 0)
      narrow = tensor.view.shape.last();
  if (narrow > 0)
    plan_.warnings.push_back(fmt::format(
        "rows of {} are no multiple of {}: the K types and most that are smaller cannot hold them",
        narrow, kBlockOfManyTypes));
  const auto spare = options_.shape.vocab - static_cast<std::int64_t>(tokenizer_->vocab_size());
  if (spare > 0)
    plan_.warnings.push_back(
        fmt::format("{} rows of the embedding belong to no token of the vocabulary", spare));
  for (const PretrainSourcePlan& source : plan_.sources) {
    const RenderCounts& counts = source.counts;
    const auto say = [&](std::int64_t count, std::string_view what) {
      if (count > 0) plan_.warnings.push_back(fmt::format("{}: {} {}", source.name, count, what));
    };
    say(source.skipped, "bad rows are left out");
    say(counts.too_long, "rows longer than the context are dropped or cut");
    say(counts.empty_targets, "rows have nothing to learn");
    say(counts.unended, "turns after which the template writes no end");
    say(counts.unseen, "turns that the template does not show");
  }
  if (!held_out_) plan_.warnings.emplace_back("nothing is held out: the last step is what is kept");
}

Result<void> Pretraining::prepare() {
  TRY(check());
  if (options_.name.empty())
    options_.name =
        std::filesystem::absolute(options_.folder).lexically_normal().filename().string();
  if (options_.shape.vocab > 0) TRY(shape_outline(options_.shape));
  data_ = TRY(PretrainData::read(options_.data));
  TRY(make_vocabulary());
  TRY(render());
  TRY(order_batches());
  TRY(plan_memory_of(options_.shape));
  TRY(make_model());
  TRY(make_optimizer());
  warn();
  return measure();
}

Result<std::vector<Example>> Pretraining::batch(std::int64_t step) {
  std::vector<Example> examples;
  for (const std::int64_t index : order_->batch(step))
    examples.push_back(data_->examples()[static_cast<std::size_t>(index)]);
  return examples;
}

// Of all that decides the result: first weights and metadata, ids and weights of every row, options
// of the steps. Not of time, memory, threads, how often it is validated; nor of the schedule, of
// which the trainer sees to it that the steps so far are its own.
std::string Pretraining::digest() const {
  Hash64 hash;
  hash.add(initial_digest_);
  for (const Example& example : data_->examples()) {
    hash.add(std::as_bytes(std::span(example.ids)));
    hash.add(std::as_bytes(std::span(example.weights)));
  }
  const BatchOptions& b = options_.batches;
  hash.add(fmt::format("{} {} {}", b.tokens, b.seed, b.short_first_epochs));
  for (const ExampleSet& set : b.sources) hash.add(fmt::format(" {} {}", set.examples, set.share));
  const auto add_adamw = [&](const AdamwOptions& w) {
    hash.add(fmt::format(" {} {} {} {} {}", w.beta1, w.beta2, w.epsilon, w.decay, w.eight_bits));
  };
  if (const auto& m = options_.muon) {
    hash.add(fmt::format(" muon {} {} {} {} {}", m->momentum, m->first_momentum, m->momentum_steps,
                         m->decay, m->others_rate));
    add_adamw(m->others);
  } else {
    add_adamw(options_.adamw);
  }
  hash.add(fmt::format(" {} {} {} {}", options_.average, options_.trainer.shards,
                       options_.trainer.clip, static_cast<int>(options_.learner.mode)));
  return hash.hex();
}

Result<double> Pretraining::validate() {
  if (average_ != nullptr) average_->exchange();
  auto score = held_out_->score(*learner_);
  if (average_ != nullptr) average_->exchange();
  return score;
}

Result<void> Pretraining::save() {
  if (average_ != nullptr) average_->exchange();
  learner_->refresh();
  auto saved = write_gguf(plan_.out, *model_.file);
  if (average_ != nullptr) average_->exchange();
  return saved;
}

Result<TrainingResult> Pretraining::run(const Progress& progress, std::stop_token stop) {
  TrainerOptions trainer = options_.trainer;
  trainer.folder = options_.folder;
  trainer.run_digest = digest();
  TrainerHooks hooks{.save = [this] { return save(); }};
  if (progress) hooks.progress = [&](const StepReport& report) { progress(report, scores()); };
  if (held_out_) {
    hooks.validate = [this] { return validate(); };
    hooks.details = [this] { return scores_json(scores()); };
  }
  const TrainingResult result = TRY(train({.learner = *learner_,
                                           .parameters = *model_.parameters,
                                           .optimizer = *optimizer_,
                                           .objective = objective_,
                                           .batches = *this,
                                           .exchange = exchange_,
                                           .kernels = kernels_,
                                           .schedule = options_.schedule},
                                          trainer, hooks, std::move(stop)));
  if (exchange_.rank() != 0) return result;
  TRY(write_curves(options_.folder, options_.name));
  if (const auto json = write_tokenizer_json(vocabulary_))
    TRY(write_file(options_.folder / "tokenizer.json", *json));
  return result;
}

}  // namespace

Result<std::unique_ptr<PretrainRun>> PretrainRun::prepare(const PretrainOptions& options,
                                                          Exchange& exchange) {
  const KernelTable* kernels = TRY(choose_kernels(options.isa));
  auto made = std::make_unique<Pretraining>(options, exchange, *kernels);
  TRY(exchange.agree(made->prepare()));
  return made;
}

}  // namespace bantam
