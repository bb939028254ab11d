#include "tune/train_benchmark.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <vector>

#include "base/cpu_info.h"
#include "base/random.h"
#include "kernels/dispatch.h"
#include "runtime/benchmark.h"
#include "train/learner.h"

namespace bantam {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Sets the process's peak to what is resident now, where the system lets it.
void clear_resident_peak() { std::ofstream("/proc/self/clear_refs") << 5 << std::flush; }

std::uint64_t resident_peak() {
  std::ifstream status("/proc/self/status");
  constexpr std::string_view kPeak = "VmHWM:";
  for (std::string word; status >> word;) {
    std::uint64_t kilobytes = 0;
    if (word == kPeak && status >> kilobytes) return kilobytes << 10;
  }
  return 0;
}

std::vector<Example> random_examples(std::int64_t count, std::int64_t length, std::int64_t vocab) {
  Random random(1);
  std::vector<Example> examples(static_cast<std::size_t>(count));
  for (Example& example : examples) {
    for (std::int64_t i = 0; i < length; ++i)
      example.ids.push_back(
          static_cast<std::int32_t>(random.next_below(static_cast<std::uint64_t>(vocab))));
    example.weights.assign(static_cast<std::size_t>(length), 1.0F);
    example.weights.front() = 0;
  }
  return examples;
}

// Operations of attention for one product of (queries, keys) and head elements, of all layers.
double attention_operations(const ArchSpec& spec, std::int64_t length) {
  double sum = 0;
  for (const LayerSpec& layer : spec.layers) {
    const AttentionSpec& attention = layer.attention;
    double pairs = 0;
    for (std::int64_t query = 1; query <= length; ++query)
      pairs +=
          static_cast<double>(attention.window > 0 ? std::min(query, attention.window) : query);
    sum += 2 * pairs * static_cast<double>(attention.heads * attention.key_width);
  }
  return sum;
}

double adapter_operations(const Parameters& parameters) {
  double sum = 0;
  for (const Parameter& parameter : parameters.all())
    if (parameter.role == ParameterRole::kMatrix) sum += 2 * static_cast<double>(parameter.size());
  return sum;
}

class TrainBenchmark {
 public:
  TrainBenchmark(const KernelTable& kernels, const TrainBenchmarkOptions& options)
      : kernels_(kernels), options_(options), pool_(options.threads), meter_(kernels) {}

  Result<TrainBenchmarkReport> run(std::shared_ptr<const WeightFile> base,
                                   const std::function<void(std::string_view)>& progress) {
    report_.isa = std::string(kernels_.name);
    report_.threads = pool_.size();
    TRY(make_model(std::move(base)));
    progress("the machine's peaks");
    report_.peaks = meter_.measure(pool_);
    progress("steps");
    clear_resident_peak();
    TRY(measure_steps());
    report_.resident_bytes = resident_peak();
    meter_.raise(report_.peaks, pool_);
    return std::move(report_);
  }

 private:
  // Plans as a run would, before the large things are made.
  Result<void> make_model(std::shared_ptr<const WeightFile> base) {
    const bool full = options_.full.has_value();
    if (full && !is_trained_type(*options_.full))
      return fail(ErrorKind::kUsage, "type_not_trained",
                  "all parameters are trained as F32, F16, BF16 or Q8_0, not as {}",
                  dtype_info(*options_.full).name);
    const std::shared_ptr<const Decoder> plain = TRY(load_decoder(base));
    const ArchSpec& spec = plain->spec();
    report_.length = std::min(options_.length, spec.context_length);
    report_.examples = std::max<std::int64_t>(1, options_.batch_tokens / report_.length);
    examples_ = random_examples(report_.examples, report_.length, spec.vocab);
    if (full) {
      for (const NamedTensor& tensor : base->tensors())
        report_.parameters += tensor.view.shape.elements();
    } else {
      model_ = TRY(train_adapter(base, options_.adapter));
      report_.parameters = static_cast<std::int64_t>(model_.parameters->values().size());
    }
    const std::uint64_t budget =
        options_.memory > 0 ? options_.memory : read_cpu_info().available_memory_bytes / 10 * 9;
    const int bytes = (options_.adamw.eight_bits ? 11 : 16) + (full ? 2 : 0);
    report_.plan = TRY(plan_memory(spec,
                                   {.budget = budget,
                                    .longest = report_.length,
                                    .batch_tokens = report_.tokens(),
                                    .parameters = report_.parameters,
                                    .bytes_per_parameter = bytes,
                                    .weight_bytes = full ? 0 : base->tensor_bytes()},
                                   options_.learner));
    if (full) model_ = TRY(train_tensors(std::move(base), {}, *options_.full));
    optimizer_ =
        TRY(options_.muon ? make_muon(*model_.parameters, kernels_, pool_, *options_.muon)
                          : make_adamw(*model_.parameters, kernels_, pool_, options_.adamw));
    return {};
  }

  Result<void> measure_steps() {
    Learner learner(*model_.decoder, *model_.parameters, kernels_, pool_, report_.plan.learner);
    Objective objective;
    const auto predicted = static_cast<double>(report_.examples * (report_.length - 1));
    report_.work = train_work(model_, report_.examples, report_.length);
    // The first step fetches memory from the system.
    for (std::int64_t step = 0; step <= options_.repeats; ++step) {
      const auto start = Clock::now();
      TRY(learner.logprobs(examples_));
      const double forward = seconds_since(start);
      model_.parameters->zero_gradients();
      const auto gradients_start = Clock::now();
      const auto losses = TRY(learner.accumulate(examples_, objective, 1 / predicted));
      const double gradients = seconds_since(gradients_start);
      const auto optimizer_start = Clock::now();
      const double norm = model_.parameters->gradient_norm(kernels_);
      optimizer_->step(step + 1, kRate, static_cast<float>(1 / std::max(1.0, norm)));
      const double optimizer = seconds_since(optimizer_start);
      report_.loss = 0;
      for (const ExampleLoss& loss : losses) report_.loss += loss.nll / predicted;
      if (step == 0) continue;
      if (step == 1 || gradients + optimizer < report_.seconds()) {
        report_.forward_seconds = std::min(forward, gradients);
        report_.backward_seconds = gradients - report_.forward_seconds;
        report_.optimizer_seconds = optimizer;
      }
    }
    return {};
  }

  static constexpr float kRate = 1e-4F;

  const KernelTable& kernels_;
  const TrainBenchmarkOptions& options_;
  ThreadPool pool_;
  PeakMeter meter_;
  TrainBenchmarkReport report_;
  TrainableModel model_;
  std::vector<Example> examples_;
  std::unique_ptr<Optimizer> optimizer_;
};

}  // namespace

double TrainWork::seconds_at(const Peaks& peaks) const {
  return forward_int8 / peaks.int8_per_second + (forward_f32 + backward) / peaks.f32_per_second;
}

TrainWork train_work(const TrainableModel& model, std::int64_t examples, std::int64_t length) {
  // The last token of an example is predicted and predicts nothing.
  const std::int64_t rows = examples * (length - 1);
  const StepWork products = step_work(*model.decoder, rows, rows);
  const double base = products.int8_operations + products.f32_operations;
  const double attention =
      static_cast<double>(examples) * attention_operations(model.decoder->spec(), length - 1);
  TrainWork work{.forward_int8 = products.int8_operations,
                 .forward_f32 = products.f32_operations + 2 * attention,
                 .backward = base + 5 * attention};
  const bool adapter = std::ranges::any_of(model.parameters->all(), [](const Parameter& parameter) {
    return parameter.name.ends_with(".lora_a");
  });
  if (!adapter) {
    work.backward += base;
    return work;
  }
  const double low_rank = static_cast<double>(rows) * adapter_operations(*model.parameters);
  work.forward_f32 += low_rank;
  work.backward += 2 * low_rank;
  return work;
}

Result<TrainBenchmarkReport> run_train_benchmark(
    std::shared_ptr<const WeightFile> base, const TrainBenchmarkOptions& options,
    const std::function<void(std::string_view)>& progress) {
  const KernelTable* kernels = TRY(choose_kernels(options.isa));
  return TrainBenchmark(*kernels, options).run(std::move(base), progress);
}

}  // namespace bantam
