#include "kernels/attention.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <memory>

#include "kernels/kernel_test_data.h"
#include "kernels/reference.h"

namespace bantam {
namespace {

using Part = std::vector<std::byte>;

// The row of `width` elements at `slot` of one head's part, by the codec, turned back if its type
// is rotated. So the layout is written down here a second time.
std::vector<float> kept_row(const KvType& type, KvKind kind, const std::byte* part,
                            std::int64_t width, std::int64_t slot) {
  const DTypeInfo& info = dtype_info(type.dtype);
  const auto block_bytes = static_cast<std::int64_t>(info.block_bytes);
  const bool packed = info.block_elements > 1;
  const std::int64_t padded = (width + 15) / 16 * 16;
  const std::int64_t blocks = packed ? (width + 31) / 32 : width;
  std::vector<std::byte> row;
  for (std::int64_t b = 0; b < blocks; ++b) {
    if (!packed) {
      const std::int64_t at = kind == KvKind::kKeys ? b * 32 + slot : slot * padded + b;
      row.insert(row.end(), part + at * block_bytes, part + (at + 1) * block_bytes);
      continue;
    }
    const std::int64_t quants = block_bytes - 2;
    const std::byte* group = part + b * 32 * block_bytes;
    row.insert(row.end(), group + 2 * slot, group + 2 * slot + 2);
    for (std::int64_t i = 0; i < quants; ++i)
      row.push_back(group[64 + (kind == KvKind::kKeys ? i * 32 + slot : slot * quants + i)]);
  }
  std::vector<float> out(static_cast<std::size_t>(packed ? blocks * 32 : width));
  find_codec(type.dtype)->decode(row.data(), out);
  out.resize(static_cast<std::size_t>(width));
  if (!type.rotated) return out;
  const std::vector<double> turned = reference::rotate(out);
  return {turned.begin(), turned.end()};
}

// A sequence with its keys and values in plain rows.
class TestSequence {
 public:
  TestSequence(Random& random, const AttentionConfig& config, std::int64_t length)
      : config_(config), length_(length) {
    queries = random_floats(random, size(length, config.query_heads, config.key_width), 2);
    keys = random_floats(random, size(length, config.kv_heads, config.key_width));
    values = random_floats(random, size(length, config.kv_heads, config.value_width));
  }

  // Keys or values as the blocks keep them.
  std::vector<float> kept(const KernelTable& kernels, ThreadPool& pool, KvKind kind) const {
    const Blocks blocks =
        store(kernels, pool, config_, kind, kind == KvKind::kKeys ? keys : values);
    const std::int64_t width = kind == KvKind::kKeys ? config_.key_width : config_.value_width;
    const std::int64_t part = kv_part_bytes(config_.kv_type, kind, width);
    std::vector<float> out;
    for (std::int64_t j = 0; j < length_; ++j)
      for (std::int64_t head = 0; head < config_.kv_heads; ++head) {
        const std::byte* block = blocks[static_cast<std::size_t>(j / kKvBlockTokens)].get();
        const auto row =
            kept_row(config_.kv_type, kind, block + head * part, width, j % kKvBlockTokens);
        out.insert(out.end(), row.begin(), row.end());
      }
    return out;
  }

  // Outputs of queries [begin, end), computed in calls of `step` queries.
  std::vector<float> run(const KernelTable& kernels, ThreadPool& pool, AttentionConfig config,
                         std::int64_t begin, std::int64_t end, std::int64_t step,
                         bool drop_old_blocks = false) const {
    const auto key_blocks = store(kernels, pool, config, KvKind::kKeys, keys);
    const auto value_blocks = store(kernels, pool, config, KvKind::kValues, values);
    std::vector<const std::byte*> key_table = table(key_blocks), value_table = table(value_blocks);
    const std::int64_t q_width = config.query_heads * config.key_width,
                       out_width = config.query_heads * config.value_width;
    // Strides wider than a row, and what lies between must stay.
    const std::int64_t out_stride = out_width + 5;
    std::vector<float> wide(size(end - begin, 1, out_stride), -777.0f);
    for (std::int64_t at = begin; at < end; at += step) {
      const std::int64_t count = std::min(step, end - at);
      if (drop_old_blocks && config.window > 0) {
        const std::int64_t first = std::max<std::int64_t>(0, at - config.window + 1);
        for (std::int64_t b = 0; b < first / kKvBlockTokens; ++b)
          key_table[static_cast<std::size_t>(b)] = value_table[static_cast<std::size_t>(b)] =
              nullptr;
      }
      const AttentionSequence sequence{queries.data() + at * q_width,
                                       q_width,
                                       count,
                                       at,
                                       key_table.data(),
                                       value_table.data(),
                                       wide.data() + (at - begin) * out_stride,
                                       out_stride};
      Arena arena;
      attention(kernels, pool, arena, config, {&sequence, 1});
    }
    std::vector<float> out;
    for (std::int64_t i = 0; i < end - begin; ++i) {
      const float* row = wide.data() + i * out_stride;
      out.insert(out.end(), row, row + out_width);
      for (std::int64_t j = out_width; j < out_stride; ++j) EXPECT_EQ(row[j], -777.0f);
    }
    return out;
  }

  static std::size_t size(std::int64_t a, std::int64_t b, std::int64_t c) {
    return static_cast<std::size_t>(a * b * c);
  }

  std::vector<float> queries, keys, values;

 private:
  using Blocks = std::vector<std::unique_ptr<std::byte[]>>;

  Blocks store(const KernelTable& kernels, ThreadPool& pool, const AttentionConfig& config,
               KvKind kind, const std::vector<float>& rows) const {
    Blocks blocks;
    std::vector<std::byte*> pointers;
    for (std::int64_t at = 0; at < length_; at += kKvBlockTokens) {
      const auto bytes = static_cast<std::size_t>(kv_block_bytes(config, kind));
      blocks.emplace_back(new std::byte[bytes]);
      std::fill_n(blocks.back().get(), bytes, std::byte{0xFF});  // NaNs where nothing is stored
      pointers.push_back(blocks.back().get());
    }
    const std::int64_t width = static_cast<std::int64_t>(rows.size()) / length_;
    const std::int64_t half = length_ / 2;  // in two goes
    store_kv(kernels, pool, config, kind, rows.data(), width, half, 0, pointers.data());
    store_kv(kernels, pool, config, kind, rows.data() + half * width, width, length_ - half, half,
             pointers.data());
    return blocks;
  }
  static std::vector<const std::byte*> table(const Blocks& blocks) {
    std::vector<const std::byte*> out;
    for (const auto& block : blocks) out.push_back(block.get());
    return out;
  }

  AttentionConfig config_;
  std::int64_t length_;
};

AttentionConfig shape(std::int64_t heads, std::int64_t kv_heads, std::int64_t key_width,
                      std::int64_t value_width) {
  return {.query_heads = heads,
          .kv_heads = kv_heads,
          .key_width = key_width,
          .value_width = value_width,
          .scale = 1 / std::sqrt(static_cast<float>(key_width)),
          .kv_type = DType::kF32};
}

// Every type with every shape, two of four masks with each.
std::vector<AttentionConfig> configs() {
  std::vector<AttentionConfig> all;
  std::size_t turn = 0;
  for (const KvTypeInfo& info : all_kv_types()) {
    for (AttentionConfig config :
         {shape(8, 2, 64, 64), shape(9, 3, 20, 36), shape(8, 1, 80, 96), shape(3, 3, 15, 17)}) {
      config.kv_type = info.type;
      const std::int64_t windows[] = {0, 40, 300, 1};
      for (const std::size_t mask : {turn % 4, (turn + 2) % 4}) {
        config.window = windows[mask];
        config.soft_cap = mask == 1 ? 5 : 0;
        all.push_back(config);
      }
      ++turn;
    }
    ++turn;
  }
  return all;
}

// Every width up to 67 and those that models have.
std::vector<AttentionConfig> widths() {
  const std::int64_t groups[] = {1, 2, 3, 4, 8}, windows[] = {0, 0, 7, 40};
  const auto types = all_kv_types();
  std::vector<AttentionConfig> all;
  for (std::int64_t width = 1; width <= 256; ++width) {
    if (width > 67 && width != 80 && width != 96 && width != 128 && width != 256) continue;
    const auto i = static_cast<std::size_t>(width);
    AttentionConfig config = shape(2 * groups[i % 5], 2, width, i % 3 == 0 ? width : 256 / width);
    config.window = windows[i % 4];
    config.soft_cap = i % 7 == 0 ? 3 : 0;
    config.kv_type = types[i % types.size()].type;
    all.push_back(config);
    config.kv_type = types[(i + 3) % types.size()].type;
    all.push_back(config);
  }
  return all;
}

std::string name(const AttentionConfig& c) {
  return fmt::format("{} heads on {}, widths {} and {}, window {}, cap {}, {}", c.query_heads,
                     c.kv_heads, c.key_width, c.value_width, c.window, c.soft_cap,
                     kv_type_name(c.kv_type));
}

void expect_agreement(const AttentionConfig& config, const TestSequence& s, std::int64_t begin,
                      std::int64_t length, const KernelTable& kernels, ThreadPool& pool) {
  const auto got = s.run(kernels, pool, config, begin, length, length - begin);
  const std::size_t skip = TestSequence::size(begin, config.query_heads, config.key_width);
  const auto want = reference::attention(config, std::span(s.queries).subspan(skip), begin,
                                         s.kept(kernels, pool, KvKind::kKeys),
                                         s.kept(kernels, pool, KvKind::kValues));
  // Weights are off by the error of a score (a chain of key_width terms that sum to about 30 at
  // most, doubled by the exponent's own rounding), and add up to one; values are below 6.
  const double error = (static_cast<double>(config.key_width) / 16 + 16) * 30 * 0x1p-24 +
                       static_cast<double>(length) * 0x1p-24;
  expect_close(
      got, want, [&](std::size_t) { return 2 * 6 * error; },
      fmt::format("{} on {}", name(config), kernels.name));
}

TEST(Attention, AgreesWithDoublePrecision) {
  Random random(1);
  ThreadPool pool(2);
  for (const AttentionConfig& config : configs()) {
    for (const std::int64_t length : {1, 5, 70, 330}) {
      const TestSequence s(random, config, length);
      const std::int64_t begin = length > 100 ? length - 60 : 0;
      expect_agreement(config, s, begin, length, *choose_kernels("").value(), pool);
      if (HasFailure()) return;
    }
  }
}

TEST(Attention, AgreesWithDoublePrecisionForEveryWidthAndIsa) {
  Random random(6);
  ThreadPool pool(2);
  for (const AttentionConfig& config : widths()) {
    const TestSequence s(random, config, 45);
    for (const KernelTable* kernels : all_tables()) {
      expect_agreement(config, s, 25, 45, *kernels, pool);
      if (HasFailure()) return;
    }
  }
}

// Five of them, merged as they are computed and afterwards.
TEST(Attention, AgreesWithDoublePrecisionOverManySegments) {
  Random random(10);
  const AttentionConfig config = shape(4, 2, 32, 32);
  const std::int64_t length = 4 * kAttentionSegment + 40;
  const TestSequence s(random, config, length);
  ThreadPool one(1), eight(8);
  for (const KernelTable* kernels : all_tables())
    for (ThreadPool* pool : {&one, &eight})
      expect_agreement(config, s, length - 20, length, *kernels, *pool);
}

TEST(Attention, SameBitsForEveryIsaChunkAndThreadCount) {
  Random random(2);
  for (AttentionConfig config : configs()) {
    const std::int64_t length = 290;
    const TestSequence s(random, config, length);
    ThreadPool one(1), three(3);
    const std::int64_t begin = 250;  // across the end of a segment
    const auto want = s.run(*all_tables()[0], one, config, begin, length, 1);
    for (const KernelTable* kernels : all_tables()) {
      for (const std::int64_t step : {3, 40}) {
        const auto got = s.run(*kernels, three, config, begin, length, step);
        expect_same_bits(got, want,
                         fmt::format("{} on {}, {} at a time", name(config), kernels->name, step));
        if (HasFatalFailure()) return;
      }
    }
  }
}

// Denormal numbers, the largest floats, infinities and NaN, in any place.
void make_hostile(Random& random, std::vector<float>& rows) {
  constexpr float kMost = std::numeric_limits<float>::max(),
                  kInfinity = std::numeric_limits<float>::infinity();
  const float hostile[] = {1e-42f,    -1e-45f,    kMost,
                           -kMost,    0.0f,       -0.0f,
                           kInfinity, -kInfinity, std::numeric_limits<float>::quiet_NaN()};
  for (std::size_t i = 0; i < rows.size(); i += 1 + random.next_below(40))
    rows[i] = hostile[random.next_below(std::size(hostile))];
}

TEST(Attention, HostileValuesGiveTheSameBitsEverywhere) {
  Random random(7);
  ThreadPool one(1), three(3);
  for (AttentionConfig config : configs()) {
    TestSequence s(random, config, 70);
    make_hostile(random, s.queries);
    make_hostile(random, s.keys);
    make_hostile(random, s.values);
    const auto want = s.run(*all_tables()[0], one, config, 0, 70, 70);
    for (const KernelTable* kernels : all_tables()) {
      const auto got = s.run(*kernels, three, config, 0, 70, 9);
      expect_same_bits(got, want, fmt::format("{} on {}", name(config), kernels->name));
      if (HasFatalFailure()) return;
    }
  }
}

TEST(Attention, WhatComesLaterChangesNothing) {
  Random random(8);
  ThreadPool pool(2);
  for (const AttentionConfig& config : configs()) {
    TestSequence s(random, config, 80);
    for (const KernelTable* kernels : all_tables()) {
      const auto before = s.run(*kernels, pool, config, 0, 50, 50);
      TestSequence other = s;
      const auto spoil = [](std::vector<float>& rows) {
        std::fill(rows.begin() + static_cast<std::ptrdiff_t>(rows.size() / 80 * 50), rows.end(),
                  std::numeric_limits<float>::quiet_NaN());
      };
      spoil(other.queries);
      spoil(other.keys);
      spoil(other.values);
      // In one call with the rows that are spoiled.
      std::vector<float> after = other.run(*kernels, pool, config, 0, 80, 80);
      after.resize(before.size());
      expect_same_bits(after, before, fmt::format("{} on {}", name(config), kernels->name));
      if (HasFatalFailure()) return;
    }
  }
}

TEST(Attention, BlocksBeforeTheWindowAreNeverRead) {
  Random random(3);
  ThreadPool pool(1);
  for (const std::int64_t window : {1, 17, 64, 100, 256}) {
    AttentionConfig config = shape(4, 2, 32, 32);
    config.window = window;
    const TestSequence s(random, config, 600);
    for (const KernelTable* kernels : all_tables()) {
      const auto with = s.run(*kernels, pool, config, 500, 600, 10, false);
      const auto without = s.run(*kernels, pool, config, 500, 600, 10, true);
      expect_same_bits(without, with, fmt::format("window {}", window));
    }
  }
}

TEST(Attention, SequencesOfOneStepDoNotTouchOneAnother) {
  Random random(4);
  const AttentionConfig config = shape(6, 2, 24, 24);
  const KernelTable& kernels = *choose_kernels("").value();
  ThreadPool pool(2);
  const std::int64_t lengths[] = {1, 40, 9, 300};
  std::vector<TestSequence> all;
  for (const std::int64_t length : lengths) all.emplace_back(random, config, length);

  // Each alone, then all in one call: the last 1, 17, 2 and 8 queries.
  const std::int64_t counts[] = {1, 17, 2, 8};
  std::vector<std::vector<float>> alone, together;
  std::vector<std::vector<std::byte>> memory;
  std::vector<std::vector<std::byte*>> key_tables, value_tables;
  std::vector<AttentionSequence> sequences;
  memory.reserve(8);
  for (std::size_t i = 0; i < all.size(); ++i) {
    const std::int64_t length = lengths[i], first = length - counts[i], blocks = (length + 31) / 32;
    alone.push_back(all[i].run(kernels, pool, config, first, length, counts[i]));
    together.emplace_back(alone[i].size());
    for (const KvKind kind : {KvKind::kKeys, KvKind::kValues}) {
      const std::int64_t bytes = kv_block_bytes(config, kind);
      memory.emplace_back(static_cast<std::size_t>(blocks * bytes));
      auto& tables = kind == KvKind::kKeys ? key_tables : value_tables;
      tables.emplace_back();
      for (std::int64_t b = 0; b < blocks; ++b)
        tables.back().push_back(memory.back().data() + b * bytes);
      const auto& rows = kind == KvKind::kKeys ? all[i].keys : all[i].values;
      store_kv(kernels, pool, config, kind, rows.data(), 2 * 24, length, 0, tables.back().data());
    }
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    const std::int64_t first = lengths[i] - counts[i];
    sequences.push_back({all[i].queries.data() + first * 144, 144, counts[i], first,
                         key_tables[i].data(), value_tables[i].data(), together[i].data(), 144});
  }
  Arena arena;
  attention(kernels, pool, arena, config, sequences);
  for (std::size_t i = 0; i < all.size(); ++i)
    expect_same_bits(together[i], alone[i], fmt::format("sequence {}", i));
}

// Keys of larger models have an element or two that are large at every position, by a bias. Four
// bits then leave little to the others of its block, unless rows are rotated first.
TEST(Attention, RotationKeepsWhatALargeElementHides) {
  Random random(9);
  ThreadPool pool(2);
  AttentionConfig config = shape(8, 2, 64, 64);
  TestSequence s(random, config, 200);
  for (std::size_t i = 5; i < s.keys.size(); i += 64) s.keys[i] += 30.0f;
  const KernelTable& kernels = *choose_kernels("").value();
  const auto exact = s.run(kernels, pool, config, 0, 200, 200);
  const auto squared_error = [&](const char* type) {
    config.kv_type = *kv_type_from_name(type);
    const auto got = s.run(kernels, pool, config, 0, 200, 200);
    double sum = 0;
    for (std::size_t i = 0; i < got.size(); ++i)
      sum += std::pow(static_cast<double>(got[i]) - static_cast<double>(exact[i]), 2);
    return sum;
  };
  const double plain = squared_error("q4_0"), rotated = squared_error("q4_h");
  RecordProperty("plain", std::to_string(plain));
  RecordProperty("rotated", std::to_string(rotated));
  EXPECT_LE(rotated, plain / 4);
}

TEST(Attention, ExtremeScoresStayFinite) {
  AttentionConfig config = shape(1, 1, 16, 16);
  config.scale = 1;
  Random random(5);
  TestSequence s(random, config, 520);
  for (float& q : s.queries) q *= 1000;  // scores of thousands: one weight is 1, the rest 0
  ThreadPool pool(1);
  for (const KernelTable* kernels : all_tables()) {
    const auto got = s.run(*kernels, pool, config, 0, 520, 520);
    const auto want =
        reference::attention(config, s.queries, 0, s.kept(*kernels, pool, KvKind::kKeys),
                             s.kept(*kernels, pool, KvKind::kValues));
    for (std::size_t i = 0; i < got.size(); ++i) {
      ASSERT_TRUE(std::isfinite(got[i])) << i;
      ASSERT_NEAR(got[i], want[i], 0.02) << i;
    }
  }
}

}  // namespace
}  // namespace bantam
