// Gradients of attention against central differences of attention in double precision.
#include "kernels/attention_backward.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "kernels/kernel_test_data.h"

namespace bantam {
namespace {

// One sequence: its rows, their derivatives, and the cache they are stored in.
struct Sequence {
  std::int64_t count;
  std::vector<float> queries, keys, values, d_out, out;
  std::vector<float> d_queries, d_keys, d_values;
  std::vector<std::vector<std::byte>> memory;
  std::vector<std::byte*> key_blocks, value_blocks;

  Sequence(const AttentionConfig& config, std::int64_t tokens, Random& random) : count(tokens) {
    const auto floats = [&](std::int64_t width, double size) {
      return random_floats(random, static_cast<std::size_t>(tokens * width), size);
    };
    queries = floats(config.query_heads * config.key_width, 1);
    keys = floats(config.kv_heads * config.key_width, 1);
    values = floats(config.kv_heads * config.value_width, 1);
    d_out = floats(config.query_heads * config.value_width, 1);
    out.resize(d_out.size());
    d_queries = floats(config.query_heads * config.key_width, 0.1);
    d_keys = floats(config.kv_heads * config.key_width, 0.1);
    d_values = floats(config.kv_heads * config.value_width, 0.1);
    for (std::int64_t i = 0; i < tokens; i += kKvBlockTokens) {
      for (const KvKind kind : {KvKind::kKeys, KvKind::kValues}) {
        memory.emplace_back(static_cast<std::size_t>(kv_block_bytes(config, kind)));
        (kind == KvKind::kKeys ? key_blocks : value_blocks).push_back(memory.back().data());
      }
    }
  }
};

AttentionSequence forward_of(const AttentionConfig& config, Sequence& s) {
  return {.queries = s.queries.data(),
          .query_stride = config.query_heads * config.key_width,
          .query_count = s.count,
          .first_position = 0,
          .key_blocks = s.key_blocks.data(),
          .value_blocks = s.value_blocks.data(),
          .out = s.out.data(),
          .out_stride = config.query_heads * config.value_width};
}

void run(const KernelTable& kernels, std::size_t threads, const AttentionConfig& config,
         std::vector<Sequence>& sequences) {
  ThreadPool pool(threads);
  Arena arena;
  std::vector<AttentionGradient> gradients;
  for (Sequence& s : sequences) {
    store_kv(kernels, pool, config, KvKind::kKeys, s.keys.data(),
             config.kv_heads * config.key_width, s.count, 0, s.key_blocks.data());
    store_kv(kernels, pool, config, KvKind::kValues, s.values.data(),
             config.kv_heads * config.value_width, s.count, 0, s.value_blocks.data());
    gradients.push_back({.forward = forward_of(config, s),
                         .d_out = s.d_out.data(),
                         .d_out_stride = config.query_heads * config.value_width,
                         .d_queries = s.d_queries.data(),
                         .d_keys = s.d_keys.data(),
                         .d_values = s.d_values.data(),
                         .d_query_stride = config.query_heads * config.key_width,
                         .d_key_stride = config.kv_heads * config.key_width,
                         .d_value_stride = config.kv_heads * config.value_width});
  }
  attention_backward(kernels, pool, arena, config, gradients);
  EXPECT_EQ(arena.used(), 0u);
}

// Σ out · d_out with everything in double.
double loss(const AttentionConfig& config, const Sequence& s, std::span<const double> queries,
            std::span<const double> keys, std::span<const double> values) {
  const std::int64_t kw = config.key_width, vw = config.value_width;
  const auto at = [](std::span<const double> x, std::int64_t i) {
    return x[static_cast<std::size_t>(i)];
  };
  double total = 0;
  for (std::int64_t t = 0; t < s.count; ++t) {
    for (std::int64_t h = 0; h < config.query_heads; ++h) {
      const std::int64_t g = h / (config.query_heads / config.kv_heads);
      const std::int64_t first =
          config.window > 0 ? std::max<std::int64_t>(0, t - config.window + 1) : 0;
      double sum = 0, mixed = 0;
      for (std::int64_t p = first; p <= t; ++p) {
        double dot = 0, value = 0;
        for (std::int64_t d = 0; d < kw; ++d)
          dot += at(queries, (t * config.query_heads + h) * kw + d) *
                 at(keys, (p * config.kv_heads + g) * kw + d);
        for (std::int64_t d = 0; d < vw; ++d)
          value += at(values, (p * config.kv_heads + g) * vw + d) *
                   static_cast<double>(
                       s.d_out[static_cast<std::size_t>((t * config.query_heads + h) * vw + d)]);
        const double weight = std::exp(static_cast<double>(config.scale) * dot);
        sum += weight, mixed += weight * value;
      }
      total += mixed / sum;
    }
  }
  return total;
}

// Compares some coordinates of one gradient with what was there plus the difference quotient.
void expect_differences(const AttentionConfig& config, const Sequence& s, int which,
                        std::span<const float> got, std::span<const float> before,
                        double tolerance) {
  std::vector<double> x[3] = {{s.queries.begin(), s.queries.end()},
                              {s.keys.begin(), s.keys.end()},
                              {s.values.begin(), s.values.end()}};
  Random random(77);
  for (int i = 0; i < 60; ++i) {
    const auto at = static_cast<std::size_t>(random.next_below(got.size()));
    constexpr double kStep = 1e-5;
    double& coordinate = x[which][at];
    const double middle = coordinate;
    coordinate = middle + kStep;
    const double above = loss(config, s, x[0], x[1], x[2]);
    coordinate = middle - kStep;
    const double below = loss(config, s, x[0], x[1], x[2]);
    coordinate = middle;
    const double want = static_cast<double>(before[at]) + (above - below) / (2 * kStep);
    EXPECT_NEAR(static_cast<double>(got[at]), want, tolerance * (1 + std::abs(want)))
        << "gradient " << which << ", element " << at;
  }
}

struct Case {
  const char* name;
  AttentionConfig config;
  std::vector<std::int64_t> lengths;
  double tolerance;
};

AttentionConfig config_of(std::int64_t heads, std::int64_t kv_heads, std::int64_t width,
                          std::int64_t window, KvType type) {
  return {.query_heads = heads,
          .kv_heads = kv_heads,
          .key_width = width,
          .value_width = width,
          .scale = 1 / std::sqrt(static_cast<float>(width)),
          .window = window,
          .kv_type = type};
}

std::vector<Case> cases() {
  AttentionConfig narrow_values = config_of(4, 2, 24, 0, DType::kF32);
  narrow_values.value_width = 8;
  // Where the cache rounds, the numbers differ by that much: 2^-11 of an element, or 1/254.
  return {{"one head", config_of(1, 1, 16, 0, DType::kF32), {1, 2, 37}, 1e-5},
          {"groups", config_of(6, 2, 20, 0, DType::kF32), {33, 5, 100}, 1e-5},
          {"window", config_of(2, 1, 16, 9, DType::kF32), {70, 3}, 1e-5},
          {"narrow values", narrow_values, {40}, 1e-5},
          {"F16 cache", config_of(4, 2, 32, 0, DType::kF16), {65}, 4e-3},
          {"turned Q8_0 cache", config_of(4, 2, 32, 0, {DType::kQ8_0, true}), {65}, 6e-2}};
}

TEST(AttentionBackward, IsTheDerivative) {
  for (const Case& one : cases()) {
    Random random(11);
    std::vector<Sequence> sequences;
    for (const std::int64_t length : one.lengths)
      sequences.emplace_back(one.config, length, random);
    const std::vector<Sequence> before = sequences;
    for (std::size_t i = 0; i < sequences.size(); ++i) {  // copies have blocks of their own
      sequences[i].key_blocks.clear(), sequences[i].value_blocks.clear();
      for (std::size_t b = 0; b < sequences[i].memory.size(); b += 2) {
        sequences[i].key_blocks.push_back(sequences[i].memory[b].data());
        sequences[i].value_blocks.push_back(sequences[i].memory[b + 1].data());
      }
    }
    run(**choose_kernels(""), 2, one.config, sequences);
    for (std::size_t i = 0; i < sequences.size(); ++i) {
      SCOPED_TRACE(fmt::format("{}, sequence {}", one.name, i));
      const Sequence& s = sequences[i];
      expect_differences(one.config, s, 0, s.d_queries, before[i].d_queries, one.tolerance);
      expect_differences(one.config, s, 1, s.d_keys, before[i].d_keys, one.tolerance);
      expect_differences(one.config, s, 2, s.d_values, before[i].d_values, one.tolerance);
    }
  }
}

std::vector<float> gradients_of(const KernelTable& kernels, std::size_t threads,
                                std::span<const std::int64_t> lengths) {
  const AttentionConfig config = config_of(6, 2, 20, 40, DType::kF16);
  std::vector<Sequence> sequences;
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    Random random(100 + static_cast<std::uint64_t>(lengths[i]));
    sequences.emplace_back(config, lengths[i], random);
  }
  run(kernels, threads, config, sequences);
  std::vector<float> all;
  for (const Sequence& s : sequences)
    for (const auto* part : {&s.d_queries, &s.d_keys, &s.d_values})
      all.insert(all.end(), part->begin(), part->end());
  return all;
}

TEST(AttentionBackward, DoesNotDependOnThreadsIsaOrBatchMates) {
  const std::int64_t lengths[] = {70, 1, 33};
  const std::vector<float> want = gradients_of(*all_tables()[0], 1, lengths);
  for (const KernelTable* kernels : all_tables())
    expect_same_bits(gradients_of(*kernels, 3, lengths), want, std::string(kernels->name));
  std::vector<float> apart;
  for (const std::int64_t length : lengths) {
    const std::vector<float> one = gradients_of(*all_tables()[0], 1, {&length, 1});
    apart.insert(apart.end(), one.begin(), one.end());
  }
  expect_same_bits(apart, want, "alone");
}

}  // namespace
}  // namespace bantam
