// How fast the kernels are, on the shapes of a Llama 3.2 1B whose file is Q4_K with the usual Q6_K
// parts (Q4_K_M). BANTAM_ISA chooses the table, BANTAM_THREADS the threads (0: every core).
//
//   build/release/bench/kernels_bench --benchmark_filter=Step
//
// Weights are random bits: speed does not depend on them. "bytes" is what is read of the weights a
// second; Read is what reading memory alone reaches, for comparison.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "base/random.h"
#include "base/thread_pool.h"
#include "kernels/attention.h"
#include "kernels/matmul.h"
#include "kernels/rowwise.h"
#include "tensor/storage_types.h"

namespace bantam {
namespace {

const KernelTable& kernels() {
  static const KernelTable* table = [] {
    auto chosen = choose_kernels(isa_from_environment());
    if (!chosen) {
      std::fprintf(stderr, "%s\n", chosen.error().to_string().c_str());
      std::exit(78);
    }
    return *chosen;
  }();
  return *table;
}

ThreadPool& pool() {
  static ThreadPool instance([] {
    const char* threads = std::getenv("BANTAM_THREADS");
    return threads == nullptr ? 0ul : std::strtoul(threads, nullptr, 10);
  }());
  return instance;
}

// Random bits, but for f16 scales that would be infinite or subnormal.
struct Weight {
  Weight(DType type, std::int64_t rows, std::int64_t width) {
    const std::uint64_t bytes = row_bytes(type, static_cast<std::uint64_t>(width)).value();
    const std::size_t count = static_cast<std::size_t>(rows) * bytes;
    memory.reset(new std::byte[count]);
    Random random(1, count);
    for (std::size_t i = 0; i + 8 <= count; i += 8) {
      const std::uint64_t bits = random.next_u64() & 0xBFBFBFBFBFBFBFBFu;
      std::memcpy(memory.get() + i, &bits, 8);
    }
    if (type == DType::kF32 || type == DType::kBF16)  // no subnormal numbers
      for (std::size_t i = 1; i < count; i += 2) memory[i] = std::byte{0x3F};
    if (type == DType::kMXFP4)
      for (std::size_t i = 0; i < count; i += 17) memory[i] = std::byte{120};
    view = {type, Shape{rows, width}, memory.get()};
  }
  std::unique_ptr<std::byte[]> memory;
  TensorView view;
};

std::vector<float> random_floats(std::int64_t n) {
  Random random(2);
  std::vector<float> out(static_cast<std::size_t>(n));
  for (float& x : out) x = static_cast<float>(random.next_normal());
  return out;
}

// The matrices of one model step: what a token costs apart from attention and row functions.
struct Model {
  static constexpr std::int64_t kWidth = 2048, kKv = 512, kFeedForward = 8192, kLayers = 16,
                                kVocabulary = 128256;
  Model() {
    for (int l = 0; l < kLayers; ++l) {
      const DType more = l % 2 == 0 ? DType::kQ6_K : DType::kQ4_K;
      qkv.push_back({});
      qkv.back().emplace_back(DType::kQ4_K, kWidth, kWidth);
      qkv.back().emplace_back(DType::kQ4_K, kKv, kWidth);
      qkv.back().emplace_back(more, kKv, kWidth);
      out.push_back({});
      out.back().emplace_back(DType::kQ4_K, kWidth, kWidth);
      gate_up.push_back({});
      gate_up.back().emplace_back(DType::kQ4_K, kFeedForward, kWidth);
      gate_up.back().emplace_back(DType::kQ4_K, kFeedForward, kWidth);
      down.push_back({});
      down.back().emplace_back(more, kWidth, kFeedForward);
    }
    head.emplace_back(DType::kQ6_K, kVocabulary, kWidth);
    for (const auto* list : {&qkv, &out, &gate_up, &down})
      for (const auto& group : *list)
        for (const Weight& weight : group) bytes += weight.view.bytes();
    bytes += head[0].view.bytes();
  }
  std::vector<std::vector<Weight>> qkv, out, gate_up, down;
  std::vector<Weight> head;
  std::uint64_t bytes = 0;
};

const Model& model() {
  static const Model instance;
  return instance;
}

void multiply(Arena& arena, const std::vector<Weight>& weights, std::vector<float>& x,
              std::int64_t tokens, std::vector<float>& y) {
  std::vector<MatmulOutput> outputs;
  float* at = y.data();
  for (const Weight& weight : weights) {
    outputs.push_back({weight.view, at, weight.view.shape.rows()});
    at += tokens * weight.view.shape.rows();
  }
  arena.reset();
  matmul(kernels(), pool(), arena, {Shape{tokens, weights[0].view.shape.last()}, x.data()},
         outputs);
}

// All matrix products of one step; only the last token wants logits.
void Step(benchmark::State& state) {
  const std::int64_t tokens = state.range(0);
  const Model& m = model();
  std::vector<float> x = random_floats(tokens * Model::kFeedForward);
  std::vector<float> y(
      static_cast<std::size_t>(std::max(tokens * 2 * Model::kFeedForward, Model::kVocabulary)));
  Arena arena;
  for (auto _ : state) {
    for (std::size_t l = 0; l < Model::kLayers; ++l) {
      multiply(arena, m.qkv[l], x, tokens, y);
      multiply(arena, m.out[l], x, tokens, y);
      multiply(arena, m.gate_up[l], x, tokens, y);
      multiply(arena, m.down[l], x, tokens, y);
    }
    multiply(arena, m.head, x, 1, y);
  }
  state.SetLabel(fmt::format("{}, {} threads", kernels().name, pool().size()));
  state.counters["tokens/s"] = benchmark::Counter(static_cast<double>(tokens),
                                                  benchmark::Counter::kIsIterationInvariantRate);
  state.counters["bytes"] = benchmark::Counter(static_cast<double>(m.bytes),
                                               benchmark::Counter::kIsIterationInvariantRate);
}
BENCHMARK(Step)->Arg(1)->Arg(2)->Arg(4)->Arg(8)->Arg(64)->Arg(512)->UseRealTime()->Unit(
    benchmark::kMillisecond);

// The same weights only read, by all threads.
void Read(benchmark::State& state) {
  const Weight& weight = model().head[0];
  const std::size_t count = weight.view.bytes() / 64;
  std::vector<std::uint64_t> sums(pool().size() * 8);
  for (auto _ : state) {
    pool().parallel_for(count, 4096, [&](std::size_t begin, std::size_t end, std::size_t worker) {
      std::uint64_t sum[8] = {};
      for (std::size_t i = begin; i < end; ++i)
        for (std::size_t j = 0; j < 8; ++j) {
          std::uint64_t word;
          std::memcpy(&word, weight.memory.get() + i * 64 + j * 8, 8);
          sum[j] ^= word;
        }
      for (std::size_t j = 0; j < 8; ++j) sums[worker * 8 + j] ^= sum[j];
    });
  }
  benchmark::DoNotOptimize(sums.data());
  state.counters["bytes"] = benchmark::Counter(static_cast<double>(count * 64),
                                               benchmark::Counter::kIsIterationInvariantRate);
}
BENCHMARK(Read)->UseRealTime()->Unit(benchmark::kMillisecond);

// One product of every type: (512, 2048), which stays in cache, by 1 token and by 256.
void Matmul(benchmark::State& state) {
  const auto type = static_cast<DType>(state.range(0));
  const std::int64_t tokens = state.range(1), rows = 512, width = 2048;
  std::vector<Weight> weights;
  weights.emplace_back(type, rows, width);
  std::vector<float> x = random_floats(tokens * width);
  std::vector<float> y(static_cast<std::size_t>(tokens * rows));
  Arena arena;
  for (auto _ : state) multiply(arena, weights, x, tokens, y);
  state.SetLabel(fmt::format("{} {}", kernels().name, dtype_info(type).name));
  state.counters["products/s"] = benchmark::Counter(static_cast<double>(tokens * rows * width),
                                                    benchmark::Counter::kIsIterationInvariantRate);
  state.counters["bytes"] = benchmark::Counter(static_cast<double>(weights[0].view.bytes()),
                                               benchmark::Counter::kIsIterationInvariantRate);
}
void every_type(benchmark::internal::Benchmark* bench) {
  for (const DTypeInfo& info : all_dtypes())
    if (has_integer_dot(info.type) || info.type == DType::kF32 || info.type == DType::kF16 ||
        info.type == DType::kBF16)
      for (const std::int64_t tokens : {1, 256})
        bench->Args({static_cast<std::int64_t>(info.type), tokens});
}
BENCHMARK(Matmul)->Apply(every_type)->UseRealTime()->Unit(benchmark::kMicrosecond);

// One layer of attention, 32 heads on 8 of 64, F16 cache.
void Attention(benchmark::State& state) {
  const std::int64_t context = state.range(0), queries = state.range(1);
  AttentionConfig config{.query_heads = 32,
                         .kv_heads = 8,
                         .key_width = 64,
                         .value_width = 64,
                         .block_tokens = 16,
                         .scale = 0.125f,
                         .kv_dtype = DType::kF16};
  const std::int64_t blocks = (context + 15) / 16, bytes = kv_block_bytes(config, KvKind::kKeys);
  std::vector<std::byte> memory(static_cast<std::size_t>(blocks * bytes));
  std::vector<std::byte*> table;
  for (std::int64_t b = 0; b < blocks; ++b) table.push_back(memory.data() + b * bytes);
  const std::vector<float> rows = random_floats(context * 512), q = random_floats(queries * 2048);
  store_kv(kernels(), config, KvKind::kKeys, rows.data(), 512, context, 0, table.data());
  std::vector<float> out(q.size());
  const AttentionSequence sequence{q.data(),     2048,         queries,    context - queries,
                                   table.data(), table.data(), out.data(), 2048};
  Arena arena;
  for (auto _ : state) {
    arena.reset();
    attention(kernels(), pool(), arena, config, {&sequence, 1});
  }
  state.SetLabel(std::string(kernels().name));
}
BENCHMARK(Attention)
    ->Args({512, 1})
    ->Args({4096, 1})
    ->Args({512, 512})
    ->UseRealTime()
    ->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace bantam
