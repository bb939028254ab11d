#include "runtime/benchmark.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <numeric>

#include "base/random.h"
#include "nn/cpu_ops.h"

namespace bantam {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Several sequences that advance together by the same number of tokens a step.
class Runner {
 public:
  Runner(const Decoder& decoder, const KernelTable& kernels, ThreadPool& pool, DType kv_dtype,
         std::int64_t sequences, std::int64_t tokens)
      : decoder_(decoder),
        kernels_(kernels),
        pool_(pool),
        layout_(kv_layout(decoder.spec(), kv_dtype)),
        kv_pool_(layout_, sequences * KvLayout::blocks_for(tokens)) {
    for (std::int64_t i = 0; i < sequences; ++i) sequences_.emplace_back(layout_);
  }

  std::uint64_t kv_bytes() const {
    return static_cast<std::uint64_t>(kv_pool_.made()) * layout_.block_bytes();
  }

  // Each sequence takes the next `count` tokens; the head is computed for the last of each.
  Result<void> step(std::int64_t count) {
    std::vector<std::int32_t> tokens, rows;
    std::vector<std::int64_t> positions;
    std::vector<SequenceRows> slices;
    for (KvSequence& sequence : sequences_) {
      TRY(kv_pool_.reserve(sequence, position_ + count));
      slices.push_back({.first_row = static_cast<std::int64_t>(tokens.size()),
                        .count = count,
                        .first_position = position_,
                        .kv = &sequence});
      for (std::int64_t i = 0; i < count; ++i) {
        tokens.push_back(static_cast<std::int32_t>(
            random_.next_below(static_cast<std::uint64_t>(decoder_.spec().vocab))));
        positions.push_back(position_ + i);
      }
      rows.push_back(static_cast<std::int32_t>(tokens.size() - 1));
    }
    arena_.reset();
    CpuOps ops(kernels_, pool_, arena_);
    decoder_.forward(ops, {.tokens = tokens, .positions = positions, .sequences = slices}, rows);
    position_ += count;
    return {};
  }

  void rewind() { position_ = 0; }

 private:
  const Decoder& decoder_;
  const KernelTable& kernels_;
  ThreadPool& pool_;
  KvLayout layout_;
  KvPool kv_pool_;
  std::vector<KvSequence> sequences_;
  Arena arena_;
  Random random_{1};
  std::int64_t position_ = 0;
};

// What generating one token reads: every weight, but of the embedding only one row, unless the
// head is tied to it.
std::uint64_t weight_bytes_per_step(const Decoder& decoder) {
  const DecoderWeights& weights = decoder.weights();
  std::uint64_t total = weights.head.weight.bytes();
  const auto count = [&](const Linear& linear) {
    if (linear.weight.data != nullptr) total += linear.weight.bytes();
  };
  for (std::size_t i = 0; i < weights.layers.size(); ++i) {
    const LayerWeights& layer = weights.layers[i];
    for (const Linear* linear : {&layer.query, &layer.key, &layer.value, &layer.output, &layer.gate,
                                 &layer.up, &layer.down, &layer.router}) {
      count(*linear);
    }
    const auto used = static_cast<std::size_t>(decoder.spec().layers[i].experts_used);
    for (const auto* stack : {&layer.experts.gate, &layer.experts.up, &layer.experts.down}) {
      for (std::size_t expert = 0; expert < std::min(used, stack->size()); ++expert) {
        count((*stack)[expert]);
      }
    }
  }
  return total;
}

// Of the process, now: the second number of /proc/self/statm, in pages.
std::uint64_t resident_bytes() {
  std::uint64_t pages = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> pages >> resident;
  return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

Result<double> prompt_seconds(Runner& runner, std::int64_t tokens, std::int64_t chunk) {
  runner.rewind();
  const Clock::time_point start = Clock::now();
  for (std::int64_t done = 0; done < tokens;) {
    const std::int64_t count = std::min(chunk, tokens - done);
    TRY(runner.step(count));
    done += count;
  }
  return seconds_since(start);
}

Result<double> generate_seconds(Runner& runner, std::int64_t tokens) {
  runner.rewind();
  TRY(runner.step(1));
  const Clock::time_point start = Clock::now();
  for (std::int64_t i = 0; i < tokens; ++i) TRY(runner.step(1));
  return seconds_since(start);
}

}  // namespace

double measure_read_bandwidth(ThreadPool& pool) {
  constexpr std::size_t kWords = (512u << 20) / sizeof(std::uint64_t);
  constexpr std::size_t kGrain = (4u << 20) / sizeof(std::uint64_t);
  constexpr std::size_t kLine = 64 / sizeof(std::uint64_t);
  constexpr std::size_t kAhead = 4096 / sizeof(std::uint64_t);  // past what hardware prefetches
  constexpr int kPasses = 6;
  const auto words = std::make_unique<std::uint64_t[]>(kWords);
  // Written by the threads that will read, so that every page exists.
  pool.parallel_for(kWords, kGrain, [&](std::size_t begin, std::size_t end, std::size_t) {
    std::iota(&words[begin], &words[begin] + (end - begin), begin);
  });
  double best = 0;
  std::vector<std::uint64_t> sums(pool.size() * kLine);  // a cache line each
  for (int pass = 0; pass < kPasses; ++pass) {
    const Clock::time_point start = Clock::now();
    pool.parallel_for(kWords, kGrain, [&](std::size_t begin, std::size_t end, std::size_t worker) {
      std::uint64_t sum = 0;
      for (std::size_t line = begin; line < end; line += kLine) {
        __builtin_prefetch(&words[std::min(line + kAhead, kWords - 1)]);
        for (std::size_t i = line; i < line + kLine; ++i) sum += words[i];
      }
      sums[worker * kLine] += sum;
    });
    best =
        std::max(best, static_cast<double>(kWords * sizeof(std::uint64_t)) / seconds_since(start));
  }
  // The sums are used, so that reading cannot be optimised away.
  return std::accumulate(sums.begin(), sums.end(), std::uint64_t{0}) == 1 ? 0.0 : best;
}

Result<BenchmarkReport> run_benchmark(const std::shared_ptr<const Decoder>& decoder,
                                      const BenchmarkOptions& options,
                                      const std::function<void(std::string_view)>& progress) {
  const KernelTable* kernels = TRY(choose_kernels(options.engine.isa));
  ThreadPool pool(options.engine.threads);
  BenchmarkReport report{.isa = std::string(kernels->name), .threads = pool.size()};
  report.weight_bytes = weight_bytes_per_step(*decoder);

  progress("memory bandwidth");
  report.read_bytes_per_second = measure_read_bandwidth(pool);

  if (options.prompt > 0) {
    progress(fmt::format("prompt of {} tokens", options.prompt));
    Runner runner(*decoder, *kernels, pool, options.engine.kv_dtype, 1, options.prompt);
    const std::int64_t chunk = default_chunk_tokens(decoder->spec());
    for (std::int64_t i = 0; i < options.repeats; ++i) {
      const double seconds = TRY(prompt_seconds(runner, options.prompt, chunk));
      report.prompt_tokens_per_second =
          std::max(report.prompt_tokens_per_second, static_cast<double>(options.prompt) / seconds);
    }
    report.kv_bytes = runner.kv_bytes();
    report.resident_bytes = resident_bytes();
  }
  if (options.generate == 0) return report;
  for (const std::int64_t sequences : options.batch) {
    progress(fmt::format("{} tokens of {} sequences", options.generate, sequences));
    Runner runner(*decoder, *kernels, pool, options.engine.kv_dtype, sequences,
                  options.generate + 1);
    BenchmarkRate rate{.sequences = sequences};
    for (std::int64_t i = 0; i < options.repeats; ++i) {
      const double seconds = TRY(generate_seconds(runner, options.generate));
      const double steps = static_cast<double>(options.generate) / seconds;
      rate.tokens_per_second =
          std::max(rate.tokens_per_second, steps * static_cast<double>(sequences));
    }
    rate.weight_bytes_per_second = rate.tokens_per_second / static_cast<double>(sequences) *
                                   static_cast<double>(report.weight_bytes);
    rate.share_of_read_bandwidth = rate.weight_bytes_per_second / report.read_bytes_per_second;
    report.kv_bytes = std::max(report.kv_bytes, runner.kv_bytes());
    report.resident_bytes = std::max(report.resident_bytes, resident_bytes());
    report.generate.push_back(rate);
  }
  return report;
}

}  // namespace bantam
