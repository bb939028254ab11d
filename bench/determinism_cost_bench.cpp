// What the fixed order of sums costs (law 3 of docs/architecture.md).
//
//   build/release/bench/determinism_cost_bench
//
// Each product is computed in turn by the kernel that ships and by the same kernel freed of its
// order: the packed types into one accumulator instead of eight lanes that are added in halves, the
// floats into two chains a lane instead of one. Same vocabulary, same unpacking, same tiles, all in
// cache, so that nothing hides the difference; "cost" is the ratio of the median times less one,
// and what a free order could gain. Products that read their weights from memory wait for it longer
// than for any sum. Needs AVX-512 with VNNI.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "base/random.h"
#include "base/thread_pool.h"
#include "codec/codec.h"
#include "kernels/dispatch.h"
#include "kernels/isa_headers.h"
#include "kernels/matmul.h"

#if defined(__x86_64__)
#include <immintrin.h>

#pragma clang attribute push(                                                             \
    __attribute__((                                                                       \
        target("avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,fma,f16c,avx512vnni"))), \
    apply_to = function)
namespace bantam::free_order {

// clang-format off
#include "kernels/vec_avx512.h"
#include "kernels/products_avx512vnni.h"
#include "kernels/all.inl"
// clang-format on

// As panel_tile, but that the sums go on from lane to lane.
template <typename Kind, int kTokens>
void free_tile(const PanelBlock<Kind>* slab, const ActivationBlock* x, std::int64_t groups,
               bool first, float* out, std::int64_t out_stride) {
  Floats acc[kPanelVectors][kTokens];
  for (int v = 0; v < kPanelVectors; ++v)
    for (int t = 0; t < kTokens; ++t)
      acc[v][t] = first ? splat(0) : load(out + t * out_stride + 16 * v);
  for (std::int64_t g = 0; g < groups; ++g)
    add_panel_block<Kind, kTokens>(slab[g], x + g, groups, acc);
  for (int v = 0; v < kPanelVectors; ++v)
    for (int t = 0; t < kTokens; ++t) store(out + t * out_stride + 16 * v, acc[v][t]);
}

// As wide_dot, for whole panels, whole tiles and at most one chunk of tokens.
template <typename Format>
void free_wide_dot(const DotRows& rows, const PackedActivations& x, std::byte* scratch) {
  using Kind = KindOf<Format>;
  auto* panel = reinterpret_cast<PanelBlock<Kind>*>(scratch);
  for (std::int64_t row = 0; row < rows.rows; row += kPanelRows) {
    for (int v = 0; v < kPanelVectors; ++v)
      fill_vector<Format>(rows, row + 16 * v, x.groups, v, panel);
    for (int lane = 0; lane < 8; ++lane)
      for (std::int64_t token = 0; token < x.tokens; token += kWideTokens)
        free_tile<Kind, kWideTokens>(
            panel + lane * x.groups, x.wide + (lane * x.tokens + token) * x.groups, x.groups,
            lane == 0, rows.out + token * rows.out_stride + row, rows.out_stride);
  }
}

// As float_dot for one token, in the one stretch that it is then.
void free_float_dot(const DotRows& rows, const float* x) {
  for (std::int64_t row = 0; row < rows.rows; row += kFloatRows) {
    const float* w[kFloatRows];
    Floats acc[kFloatRows][2];
    for (int r = 0; r < kFloatRows; ++r) {
      w[r] = reinterpret_cast<const float*>(rows.weights + (row + r) * rows.row_bytes);
      acc[r][0] = acc[r][1] = splat(0);
    }
    for (std::int64_t k = 0; k < rows.width; k += 2 * kLanes)
      for (int half = 0; half < 2; ++half) {
        const Floats lanes = load(x + k + half * kLanes);
        for (int r = 0; r < kFloatRows; ++r)
          acc[r][half] = fma(lanes, load(w[r] + k + half * kLanes), acc[r][half]);
      }
    Floats lanes[kBandRows];
    for (int r = 0; r < kBandRows; ++r)
      lanes[r] = r < kFloatRows ? add(acc[r][0], acc[r][1]) : splat(0);
    store_part(rows.out + row, sums_of_sixteen(lanes), kFloatRows);
  }
}

}  // namespace bantam::free_order
#pragma clang attribute pop

namespace bantam {
namespace {

using Clock = std::chrono::steady_clock;

template <typename Work>
double seconds(const Work& work) {
  const Clock::time_point start = Clock::now();
  work();
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double median(std::vector<double>& values) {
  std::ranges::nth_element(values, values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2));
  return values[values.size() / 2];
}

const KernelTable& kernels() {
  static const KernelTable* table = [] {
    auto chosen = choose_kernels("avx512vnni");
    if (!chosen) {
      std::fprintf(stderr, "%s\n", chosen.error().to_string().c_str());
      std::exit(78);
    }
    return *chosen;
  }();
  return *table;
}

// One product of normal numbers, rows x width by tokens.
struct Product {
  Product(DType type, std::int64_t row_count, std::int64_t width, std::int64_t tokens)
      : x(static_cast<std::size_t>(tokens * width)),
        weights(static_cast<std::size_t>(row_count) *
                row_bytes(type, static_cast<std::uint64_t>(width)).value()),
        fixed(static_cast<std::size_t>(row_count * tokens)),
        free(fixed.size()) {
    Random random(1);
    for (float& value : x) value = static_cast<float>(random.next_normal());
    const std::size_t stride = weights.size() / static_cast<std::size_t>(row_count);
    std::vector<float> row(static_cast<std::size_t>(width));
    for (std::size_t r = 0; r < static_cast<std::size_t>(row_count); ++r) {
      for (float& value : row) value = static_cast<float>(random.next_normal());
      find_codec(type)->encode(row, {}, weights.data() + r * stride);
    }
    rows = {.weights = weights.data(),
            .row_bytes = static_cast<std::int64_t>(stride),
            .rows = row_count,
            .width = width,
            .out = nullptr,
            .out_stride = row_count};
  }
  DotRows rows_to(std::vector<float>& out) const {
    DotRows to = rows;
    to.out = out.data();
    return to;
  }
  std::vector<float> x;
  std::vector<std::byte> weights;
  std::vector<float> fixed, free;
  DotRows rows;
};

// Runs both in turn; the results must be the same sums but for rounding.
template <typename Fixed, typename Free>
void compare(benchmark::State& state, Product& product, const Fixed& fixed, const Free& free) {
  std::vector<double> fixed_times, free_times;
  for (auto _ : state) {
    fixed_times.push_back(seconds([&] { fixed(product.rows_to(product.fixed)); }));
    free_times.push_back(seconds([&] { free(product.rows_to(product.free)); }));
  }
  for (std::size_t i = 0; i < product.fixed.size(); ++i) {
    if (std::abs(product.fixed[i] - product.free[i]) > 0.05F) {
      state.SkipWithError("the two kernels do not compute the same product");
      return;
    }
  }
  const double fixed_time = median(fixed_times), free_time = median(free_times);
  state.counters["fixed_us"] = 1e6 * fixed_time;
  state.counters["free_us"] = 1e6 * free_time;
  state.counters["cost_percent"] = 100 * (fixed_time / free_time - 1);
}

template <typename Format>
void packed(benchmark::State& state, DType type) {
  constexpr std::int64_t kTokens = 96, kWidth = 2048;  // whole tiles, one chunk
  Product product(type, 512, kWidth, kTokens);
  PackedActivations x{.tokens = kTokens, .groups = kWidth / 256};
  std::vector<ActivationBlock> blocks(static_cast<std::size_t>(8 * x.tokens * x.groups));
  x.wide = blocks.data();
  for (std::int64_t t = 0; t < kTokens; ++t)
    kernels().pack_row(product.x.data() + t * kWidth, kWidth, t, x);
  Arena arena;
  std::byte* scratch = arena.alloc<std::byte>(wide_scratch_bytes(x.groups));
  const auto dot = std::ranges::find(kernels().integer_dots, type, &IntegerDot::type);
  compare(
      state, product, [&](const DotRows& rows) { dot->wide(rows, x, scratch); },
      [&](const DotRows& rows) { free_order::free_wide_dot<Format>(rows, x, scratch); });
}
void Q8_0(benchmark::State& state) { packed<free_order::FormatQ8_0>(state, DType::kQ8_0); }
BENCHMARK(Q8_0);
void Q4_0(benchmark::State& state) { packed<free_order::FormatQ4_0>(state, DType::kQ4_0); }
BENCHMARK(Q4_0);
void Q4_K(benchmark::State& state) { packed<free_order::FormatQ4_K>(state, DType::kQ4_K); }
BENCHMARK(Q4_K);
void Q6_K(benchmark::State& state) { packed<free_order::FormatQ6_K>(state, DType::kQ6_K); }
BENCHMARK(Q6_K);

void Floats(benchmark::State& state) {
  Product product(DType::kF32, 128, 2048, 1);
  const auto dot = std::ranges::find(kernels().float_dots, DType::kF32, &FloatDot::type);
  compare(
      state, product, [&](const DotRows& rows) { dot->dot(rows, product.x.data(), 1); },
      [&](const DotRows& rows) { free_order::free_float_dot(rows, product.x.data()); });
}
BENCHMARK(Floats);

}  // namespace
}  // namespace bantam
#endif

BENCHMARK_MAIN();
