#include "runtime/benchmark.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>
#include <limits>
#include <span>

#include "base/cpu_info.h"
#include "base/random.h"
#include "kernels/matmul.h"
#include "runtime/batch_runner.h"

namespace bantam {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Several sequences of random tokens that advance together by the same number a step.
class RandomRun {
 public:
  RandomRun(const Decoder& decoder, const KernelTable& kernels, ThreadPool& pool,
            const KvType& kv_type, std::int64_t sequences, std::int64_t tokens)
      : runner_(decoder, kernels, pool, kv_type, static_cast<std::size_t>(sequences),
                sequences * KvLayout::blocks_for(tokens)),
        sequences_(static_cast<std::size_t>(sequences)),
        vocab_(static_cast<std::uint64_t>(decoder.spec().vocab)) {}

  std::uint64_t kv_bytes() const { return runner_.kv_bytes(); }

  // Each sequence takes the next `count` tokens; the head is computed for the last of each.
  Result<void> step(std::int64_t count) {
    const auto each = static_cast<std::size_t>(count);
    std::vector<std::int32_t> tokens(sequences_ * each);
    for (std::int32_t& token : tokens)
      token = static_cast<std::int32_t>(random_.next_below(vocab_));
    const std::int32_t last[] = {static_cast<std::int32_t>(count - 1)};
    std::vector<SequenceStep> steps;
    for (std::size_t i = 0; i < sequences_; ++i)
      steps.push_back(
          {.sequence = i, .tokens = std::span(tokens).subspan(i * each, each), .rows = last});
    TRY(runner_.step(steps));
    return {};
  }

  void rewind() {
    for (std::size_t i = 0; i < sequences_; ++i) runner_.truncate(i, 0);
  }

 private:
  BatchRunner runner_;
  std::size_t sequences_;
  std::uint64_t vocab_;
  Random random_{1};
};

// Of the process, now: the second number of /proc/self/statm, in pages.
std::uint64_t resident_bytes() {
  std::uint64_t pages = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> pages >> resident;
  return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

Result<double> prompt_seconds(RandomRun& run, std::span<const std::int64_t> chunks) {
  run.rewind();
  const Clock::time_point start = Clock::now();
  for (const std::int64_t chunk : chunks) TRY(run.step(chunk));
  return seconds_since(start);
}

Result<double> generate_seconds(RandomRun& run, std::int64_t tokens) {
  run.rewind();
  TRY(run.step(1));
  const Clock::time_point start = Clock::now();
  for (std::int64_t i = 0; i < tokens; ++i) TRY(run.step(1));
  return seconds_since(start);
}

// Adds up what the matrices of a step cost.
class WorkCounter {
 public:
  explicit WorkCounter(std::int64_t tokens) : tokens_(static_cast<double>(tokens)) {}

  void add(const Linear& linear, double rows) { add(linear, rows, 1); }
  void add(const Linear& linear) { add(linear, tokens_); }
  // Of `all` experts each token uses `used`, any of them as likely as another.
  void add_experts(const std::vector<Linear>& stack, std::int64_t used) {
    if (stack.empty()) return;
    const double share = static_cast<double>(used) / static_cast<double>(stack.size());
    for (const Linear& expert : stack)
      add(expert, tokens_ * share, 1 - std::pow(1 - share, tokens_));
  }

  StepWork work() const {
    StepWork work = work_;
    work.weight_bytes = static_cast<std::uint64_t>(bytes_);
    return work;
  }

 private:
  void add(const Linear& linear, double rows, double share_read) {
    const TensorView& weight = linear.weight;
    if (weight.data == nullptr) return;
    bytes_ += static_cast<double>(weight.bytes()) * share_read;
    double& operations =
        has_integer_dot(weight.dtype) ? work_.int8_operations : work_.f32_operations;
    operations += 2 * rows * static_cast<double>(weight.shape.elements());
  }

  double tokens_;
  double bytes_ = 0;
  StepWork work_;
};

// A figure from the best time of a run that took these steps.
BenchmarkFigure figure_of(const Peaks& peaks, std::span<const StepWork> steps, double tokens,
                          double seconds) {
  double bytes = 0, operations = 0, computing = 0, least = 0;
  for (const StepWork& step : steps) {
    bytes += static_cast<double>(step.weight_bytes);
    operations += step.int8_operations + step.f32_operations;
    computing += step.compute_seconds_at(peaks);
    least += step.seconds_at(peaks);
  }
  BenchmarkFigure figure;
  figure.tokens_per_second = tokens / seconds;
  figure.weight_bytes_per_second = bytes / seconds;
  figure.operations_per_second = operations / seconds;
  figure.share_of_read_bandwidth = figure.weight_bytes_per_second / peaks.read_bytes_per_second;
  figure.share_of_arithmetic = computing / seconds;
  figure.limit_tokens_per_second = tokens / least;
  figure.share_of_limit = least / seconds;
  return figure;
}

// Lengths of the steps in which a prompt is taken in.
std::vector<std::int64_t> chunks_of(std::int64_t tokens, std::int64_t most) {
  std::vector<std::int64_t> chunks;
  for (; tokens > 0; tokens -= chunks.back()) chunks.push_back(next_chunk(tokens, most));
  return chunks;
}

}  // namespace

double StepWork::compute_seconds_at(const Peaks& peaks) const {
  return int8_operations / peaks.int8_per_second + f32_operations / peaks.f32_per_second;
}

double StepWork::seconds_at(const Peaks& peaks) const {
  return std::max(static_cast<double>(weight_bytes) / peaks.read_bytes_per_second,
                  compute_seconds_at(peaks));
}

StepWork step_work(const Decoder& decoder, std::int64_t tokens, std::int64_t rows) {
  const DecoderWeights& weights = decoder.weights();
  WorkCounter counter(tokens);
  for (std::size_t i = 0; i < weights.layers.size(); ++i) {
    const LayerWeights& layer = weights.layers[i];
    for (const Linear* linear : {&layer.query, &layer.key, &layer.value, &layer.output, &layer.gate,
                                 &layer.up, &layer.down, &layer.router})
      counter.add(*linear);
    for (const auto* stack : {&layer.experts.gate, &layer.experts.up, &layer.experts.down})
      counter.add_experts(*stack, decoder.spec().layers[i].experts_used);
  }
  counter.add(weights.head, static_cast<double>(rows));
  return counter.work();
}

Result<void> check_memory(const ArchSpec& spec, const BenchmarkOptions& options,
                          std::uint64_t weight_bytes, std::uint64_t available) {
  // Of a step, mostly: a layer's activations and the logits (see default_chunk_tokens).
  constexpr double kWorking = 128e6;
  constexpr double kGigabyte = 1e9;
  double tokens = static_cast<double>(options.prompt);
  for (const std::int64_t sequences : options.batch)
    tokens = std::max(tokens,
                      static_cast<double>(sequences) * static_cast<double>(options.generate + 1));
  const KvLayout layout = kv_layout(spec, options.engine.kv_type);
  const double kv_bytes = tokens * static_cast<double>(layout.block_bytes()) /
                          static_cast<double>(KvLayout::kBlockTokens);
  const double needed = static_cast<double>(weight_bytes) + kv_bytes + kWorking;
  if (needed <= static_cast<double>(available)) return {};
  return std::unexpected(
      fail(ErrorKind::kTooLarge, "out_of_memory",
           "{:.2f} GB are needed (weights {:.2f}, keys and values {:.2f}) and {:.2f} GB are "
           "available",
           needed / kGigabyte, static_cast<double>(weight_bytes) / kGigabyte, kv_bytes / kGigabyte,
           static_cast<double>(available) / kGigabyte)
          .error()
          .with_hint("take a smaller model or --type, or a smaller --batch, --prompt or --gen"));
}

namespace {

// One benchmark: the pool, the kernels and the peaks that its parts share.
class Benchmark {
 public:
  Benchmark(const Decoder& decoder, const KernelTable& kernels, const BenchmarkOptions& options)
      : decoder_(decoder),
        kernels_(kernels),
        options_(options),
        pool_(options.engine.threads, options.engine.placement),
        meter_(kernels) {
    const StepWork token = step_work(decoder, 1, 1);
    report_.isa = std::string(kernels.name);
    report_.threads = pool_.size();
    report_.weight_bytes = token.weight_bytes;
    report_.float_weights = token.f32_operations > token.int8_operations;
    report_.peaks = meter_.measure(pool_);
  }

  Result<void> prompt() {
    meter_.raise(report_.peaks, pool_);
    const std::vector<std::int64_t> chunks =
        chunks_of(options_.prompt, default_chunk_tokens(decoder_.spec()));
    RandomRun run = run_of(1, options_.prompt);
    double best = std::numeric_limits<double>::infinity();
    for (std::int64_t i = 0; i < options_.repeats; ++i)
      best = std::min(best, TRY(prompt_seconds(run, chunks)));
    std::vector<StepWork> steps;
    for (const std::int64_t chunk : chunks) steps.push_back(step_work(decoder_, chunk, 1));
    report_.prompt = figure_of(report_.peaks, steps, static_cast<double>(options_.prompt), best);
    remember_memory(run);
    return {};
  }

  Result<void> generate(std::int64_t sequences) {
    meter_.raise(report_.peaks, pool_);
    RandomRun run = run_of(sequences, options_.generate + 1);
    double best = std::numeric_limits<double>::infinity();
    for (std::int64_t i = 0; i < options_.repeats; ++i)
      best = std::min(best, TRY(generate_seconds(run, options_.generate)));
    const std::vector<StepWork> steps(static_cast<std::size_t>(options_.generate),
                                      step_work(decoder_, sequences, sequences));
    report_.generate.push_back(
        figure_of(report_.peaks, steps, static_cast<double>(options_.generate * sequences), best));
    report_.generate.back().sequences = sequences;
    remember_memory(run);
    return {};
  }

  const BenchmarkReport& report() const { return report_; }

 private:
  RandomRun run_of(std::int64_t sequences, std::int64_t tokens) {
    return RandomRun(decoder_, kernels_, pool_, options_.engine.kv_type, sequences, tokens);
  }
  void remember_memory(const RandomRun& run) {
    report_.kv_bytes = std::max(report_.kv_bytes, run.kv_bytes());
    report_.resident_bytes = std::max(report_.resident_bytes, resident_bytes());
  }

  const Decoder& decoder_;
  const KernelTable& kernels_;
  const BenchmarkOptions& options_;
  ThreadPool pool_;
  PeakMeter meter_;
  BenchmarkReport report_;
};

}  // namespace

Result<BenchmarkReport> run_benchmark(const std::shared_ptr<const Decoder>& decoder,
                                      const BenchmarkOptions& options,
                                      const std::function<void(std::string_view)>& progress) {
  const KernelTable* kernels = TRY(choose_kernels(options.engine.isa));
  TRY(check_memory(decoder->spec(), options, 0, read_cpu_info().available_memory_bytes));
  progress("the machine's peaks");
  Benchmark benchmark(*decoder, *kernels, options);
  if (options.prompt > 0) {
    progress(fmt::format("prompt of {} tokens", options.prompt));
    TRY(benchmark.prompt());
  }
  if (options.generate > 0) {
    for (const std::int64_t sequences : options.batch) {
      progress(fmt::format("{} tokens of {} sequences", options.generate, sequences));
      TRY(benchmark.generate(sequences));
    }
  }
  return benchmark.report();
}

}  // namespace bantam
