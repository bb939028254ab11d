// How fast the kernels are, in bytes and operations a second and as shares of the machine's peaks.
// Needs what packages-bench.txt lists, and -DBANTAM_BENCH=ON.
//
//   build/release/bench/kernels_bench --benchmark_filter=Matmul/avx2/Q4_K
//
// Matmul/ISA/TYPE/thin and /wide are single kernels on weights that stay in cache, for every type
// that is multiplied and every instruction set that this machine has; Step, Read and Attention use
// the best one, or that of BANTAM_ISA, which Matmul then is limited to as well. BANTAM_THREADS sets
// the threads (0: every core). "bytes" are those of the weights; of_read is their share of the rate
// at which memory is read (above 1, memory is what will limit a model), of_peak the share of the
// int8 peak of that instruction set, or of its F32 peak where the weights are floats.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <vector>

#include "base/random.h"
#include "base/thread_pool.h"
#include "kernels/attention.h"
#include "kernels/kernel_test_data.h"
#include "kernels/matmul.h"
#include "runtime/benchmark_peaks.h"
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

// The peaks of one table, measured once.
const Peaks& peaks_of(const KernelTable& table) {
  static std::map<const KernelTable*, Peaks> measured;
  const auto found = measured.find(&table);
  if (found != measured.end()) return found->second;
  return measured.try_emplace(&table, PeakMeter(table).measure(pool())).first->second;
}

void report(benchmark::State& state, const KernelTable& table, double bytes, double operations,
            bool integers) {
  const auto rate = [](double each) {
    return benchmark::Counter(each, benchmark::Counter::kIsIterationInvariantRate);
  };
  const Peaks& peaks = peaks_of(table);
  state.counters["bytes"] = rate(bytes);
  state.counters["ops"] = rate(operations);
  state.counters["of_read"] = rate(bytes / peaks.read_bytes_per_second);
  state.counters["of_peak"] =
      rate(operations / (integers ? peaks.int8_per_second : peaks.f32_per_second));
}

// Random bits, but for f16 scales that would be infinite: for Q4_K and Q6_K, in a moment.
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
    view = {type, Shape{rows, width}, memory.get()};
  }
  std::unique_ptr<std::byte[]> memory;
  TensorView view;
};

std::vector<float> random_floats(std::int64_t n) {
  Random random(2);
  return random_floats(random, static_cast<std::size_t>(n));
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
        for (const Weight& weight : group) count(weight);
    count(head[0]);
  }
  void count(const Weight& weight) {
    bytes += weight.view.bytes();
    elements += static_cast<double>(weight.view.shape.elements());
  }
  std::vector<std::vector<Weight>> qkv, out, gate_up, down;
  std::vector<Weight> head;
  std::uint64_t bytes = 0;
  double elements = 0;
};

const Model& model() {
  static const Model instance;
  return instance;
}

void multiply(const KernelTable& table, Arena& arena, std::span<const TensorView> weights,
              std::vector<float>& x, std::int64_t tokens, std::vector<float>& y) {
  std::vector<MatmulOutput> outputs;
  float* at = y.data();
  for (const TensorView& weight : weights) {
    outputs.push_back({weight, at, weight.shape.rows()});
    at += tokens * weight.shape.rows();
  }
  arena.reset();
  matmul(table, pool(), arena, {Shape{tokens, weights[0].shape.last()}, x.data()}, outputs);
}
void multiply(Arena& arena, const std::vector<Weight>& weights, std::vector<float>& x,
              std::int64_t tokens, std::vector<float>& y) {
  std::vector<TensorView> views;
  for (const Weight& weight : weights) views.push_back(weight.view);
  multiply(kernels(), arena, views, x, tokens, y);
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
  const double head = static_cast<double>(m.head[0].view.shape.elements());
  const double operations = 2 * (static_cast<double>(tokens) * (m.elements - head) + head);
  report(state, kernels(), static_cast<double>(m.bytes), operations, true);
}
BENCHMARK(Step)->Arg(1)->Arg(2)->Arg(4)->Arg(8)->Arg(64)->Arg(512)->UseRealTime()->Unit(
    benchmark::kMillisecond);

// The memory only read, by all threads, as the peaks have it.
void Read(benchmark::State& state) {
  const Weight& weight = model().head[0];
  const std::size_t bytes = weight.view.bytes() / 256 * 256;
  for (auto _ : state) {
    pool().parallel_for(bytes / 256, 4096, [&](std::size_t begin, std::size_t end, std::size_t) {
      kernels().peaks.read(weight.memory.get() + begin * 256, (end - begin) * 256);
    });
  }
  report(state, kernels(), static_cast<double>(bytes), 0, true);
}
BENCHMARK(Read)->UseRealTime()->Unit(benchmark::kMillisecond);

// One product of (512, 2048) weights with so many tokens.
void matmul_alone(benchmark::State& state, const KernelTable& table, DType type,
                  std::int64_t tokens) {
  const std::int64_t rows = 512, width = 2048;
  Random random(1);
  const RandomWeight weight(random, type, rows, width);
  const TensorView view = weight.view();
  std::vector<float> x = random_floats(tokens * width);
  std::vector<float> y(static_cast<std::size_t>(tokens * rows));
  Arena arena;
  for (auto _ : state) multiply(table, arena, {&view, 1}, x, tokens, y);
  report(state, table, static_cast<double>(view.bytes()),
         2 * static_cast<double>(tokens * rows * width), has_integer_dot(type));
}

void register_matmuls() {
  for (const KernelTable* table : all_tables()) {
    if (!isa_from_environment().empty() && table != &kernels()) continue;
    for (const DTypeInfo& info : all_dtypes()) {
      if (find_codec(info.type) == nullptr || !row_bytes(info.type, 2048)) continue;
      for (const auto& [form, tokens] : {std::pair{"thin", 1}, std::pair{"wide", 256}}) {
        const std::string name = fmt::format("Matmul/{}/{}/{}", table->name, info.name, form);
        benchmark::RegisterBenchmark(name.c_str(), matmul_alone, *table, info.type, tokens)
            ->UseRealTime()
            ->Unit(benchmark::kMicrosecond);
      }
    }
  }
}

// Attention of `queries` new tokens at the end of a context, one layer an iteration: 512 queries
// are the last chunk of a prompt, one query is decoding. Layers take turns, so that what decoding
// reads comes from memory. "flops" counts two for every product of a query or weight with a key or
// value that is attended to; "bytes" the keys and values of those positions, once.
struct AttentionShape {
  const char* name;
  std::int64_t heads, kv_heads, width, window;
};
constexpr AttentionShape kAttentionShapes[] = {{"Llama-3.2-1B", 32, 8, 64, 0},
                                               {"Gemma-3-4B", 8, 4, 256, 0},
                                               {"Gemma-3-4B windowed", 8, 4, 256, 1024}};

void Attention(benchmark::State& state) {
  const AttentionShape& shape = kAttentionShapes[state.range(0)];
  const std::int64_t context = state.range(1), queries = state.range(2);
  const AttentionConfig config{.query_heads = shape.heads,
                               .kv_heads = shape.kv_heads,
                               .key_width = shape.width,
                               .value_width = shape.width,
                               .scale = 0.125f,
                               .window = shape.window,
                               .kv_type = DType::kF16};
  const std::int64_t layers = queries == 1 ? 16 : 1, kv_width = shape.kv_heads * shape.width;
  const std::int64_t blocks = (context + kKvBlockTokens - 1) / kKvBlockTokens,
                     bytes = kv_block_bytes(config, KvKind::kKeys);
  std::vector<std::byte> memory(static_cast<std::size_t>(2 * layers * blocks * bytes));
  const std::vector<float> rows = random_floats(context * kv_width);
  std::vector<std::vector<std::byte*>> tables;  // keys, values, keys, …
  for (std::int64_t i = 0; i < 2 * layers; ++i) {
    tables.emplace_back();
    for (std::int64_t b = 0; b < blocks; ++b)
      tables.back().push_back(memory.data() + (i * blocks + b) * bytes);
    store_kv(kernels(), pool(), config, i % 2 == 0 ? KvKind::kKeys : KvKind::kValues, rows.data(),
             kv_width, context, 0, tables.back().data());
  }
  const std::int64_t q_width = shape.heads * shape.width;
  const std::vector<float> q = random_floats(queries * q_width);
  std::vector<float> out(q.size());
  Arena arena;
  std::size_t layer = 0;
  for (auto _ : state) {
    const AttentionSequence sequence{.queries = q.data(),
                                     .query_stride = q_width,
                                     .query_count = queries,
                                     .first_position = context - queries,
                                     .key_blocks = tables[2 * layer].data(),
                                     .value_blocks = tables[2 * layer + 1].data(),
                                     .out = out.data(),
                                     .out_stride = q_width};
    arena.reset();
    attention(kernels(), pool(), arena, config, {&sequence, 1});
    layer = (layer + 1) % static_cast<std::size_t>(layers);
  }
  double seen = 0;  // positions, summed over the queries
  for (std::int64_t p = context - queries; p < context; ++p)
    seen += static_cast<double>(shape.window > 0 ? std::min(p + 1, shape.window) : p + 1);
  const double kept = static_cast<double>(
      shape.window > 0 ? std::min(context, shape.window + queries - 1) : context);
  using Counter = benchmark::Counter;
  state.counters["flops"] =
      Counter(4 * seen * static_cast<double>(q_width), Counter::kIsIterationInvariantRate);
  state.counters["bytes"] = Counter(4 * kept * static_cast<double>(kv_width),  // F16, K and V
                                    Counter::kIsIterationInvariantRate);
  state.SetLabel(fmt::format("{} {}", kernels().name, shape.name));
}
void attention_shapes(benchmark::internal::Benchmark* bench) {
  for (const std::int64_t shape : {0, 1, 2}) {
    for (const std::int64_t context : {512, 2048, 8192}) bench->Args({shape, context, 512});
    for (const std::int64_t context : {512, 8192}) bench->Args({shape, context, 1});
  }
}
BENCHMARK(Attention)->Apply(attention_shapes)->UseRealTime()->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace bantam

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 64;
  bantam::register_matmuls();
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
