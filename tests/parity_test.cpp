// The forward pass that is served against the double-precision reference, over shapes and dtypes.
//
// Bounds. Let u = 2^-24. A float sum of n products has a relative error of about sqrt(n) u against
// the sum of magnitudes; a layer has seven such sums in a row and they add up like independent
// noise, so after L layers logits of deviation s differ by about s sqrt(7 L n) u; the bound is
// eight times that. With int8 activations each block of 32 values is rounded to steps of
// amax / 127, amax being about 2.3 deviations of normal values: noise of 2.3 / 127 / sqrt(12) =
// 0.52 % a sum, and sqrt(7 L + 1) times that at the end; the bound is eight deviations.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/random.h"
#include "codec/codec.h"
#include "kernels/matmul.h"
#include "models/decoder.h"
#include "nn/cpu_ops.h"
#include "runtime/kv_pool.h"
#include "support/random_model.h"
#include "support/reference_model.h"

namespace bantam {
namespace {

using support::RandomModelSpec;

std::vector<std::int32_t> random_ids(std::size_t count, std::int64_t vocab, std::uint64_t seed) {
  Random random(seed);
  std::vector<std::int32_t> ids;
  for (std::size_t i = 0; i < count; ++i) {
    ids.push_back(static_cast<std::int32_t>(random.next_below(static_cast<std::uint64_t>(vocab))));
  }
  return ids;
}

struct RunOptions {
  std::string_view isa = {};
  std::size_t threads = 1;
  std::int64_t chunk = 1 << 20;
  KvType kv = DType::kF32;
};

// Logits after every token.
std::vector<std::vector<float>> run(const std::shared_ptr<WeightFile>& file,
                                    std::span<const std::int32_t> ids, const RunOptions& options) {
  const auto decoder = load_decoder(file);
  CHECK(decoder.has_value(), "{}", decoder.error().to_string());
  const auto kernels = choose_kernels(options.isa);
  CHECK(kernels.has_value(), "{}", kernels.error().to_string());
  ThreadPool pool(options.threads);
  Arena arena;
  const KvLayout layout = kv_layout((*decoder)->spec(), options.kv);
  KvPool blocks(layout, 1000);
  KvSequence sequence(layout);
  std::vector<std::vector<float>> logits;
  const auto total = static_cast<std::int64_t>(ids.size());
  CHECK(blocks.reserve(sequence, total).has_value());
  for (std::int64_t first = 0; first < total;) {
    const std::int64_t count = std::min(options.chunk, total - first);
    std::vector<std::int64_t> positions;
    std::vector<std::int32_t> rows;
    for (std::int64_t i = 0; i < count; ++i) {
      positions.push_back(first + i);
      rows.push_back(static_cast<std::int32_t>(i));
    }
    const SequenceRows slice{0, count, first, &sequence};
    arena.reset();
    CpuOps ops(**kernels, pool, arena);
    const FloatTensor out = (*decoder)->forward(
        ops,
        {ids.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count)),
         positions,
         {&slice, 1}},
        rows);
    for (std::int64_t i = 0; i < count; ++i) {
      logits.emplace_back(out.row(i), out.row(i) + out.shape.last());
    }
    first += count;
  }
  return logits;
}

struct NamedShape {
  const char* name;
  RandomModelSpec spec;
};

std::vector<NamedShape> shapes() {
  return {
      {"plain", {}},
      {"one head of everything", {.width = 32, .layers = 1, .heads = 1, .kv_heads = 1}},
      {"odd heads", {.width = 96, .heads = 3, .kv_heads = 1, .ffn_width = 96}},
      {"head width not width / heads",
       {.width = 64, .heads = 4, .kv_heads = 2, .head_width = 32, .value_width = 16}},
      {"tied, biases", {.tied = true, .biases = true}},
      {"part of a head turns", {.head_width = 32, .rope_width = 8}},
      {"linear scaling", {.rope_linear_factor = 4.0}},
      {"Llama 3 divisors", {.rope_base = 500000, .rope_divisors = true}},
      {"window", {.window = 7}},
      {"experts", {.experts = 5, .experts_used = 2}},
      {"norms of queries and keys",
       {.architecture = "qwen3", .heads = 4, .kv_heads = 2, .head_width = 32, .rope_base = 1e6}},
      {"odd sizes", {.vocab = 301, .width = 90, .heads = 5, .kv_heads = 5, .ffn_width = 77}},
  };
}

double largest_logit(const std::vector<std::vector<double>>& rows) {
  double largest = 0;
  for (const auto& row : rows) {
    for (const double value : row) largest = std::max(largest, std::abs(value));
  }
  return largest;
}

void expect_near(const std::vector<std::vector<float>>& got,
                 const std::vector<std::vector<double>>& want, double bound,
                 const std::string& what) {
  ASSERT_EQ(got.size(), want.size());
  double worst = 0;
  std::size_t token = 0, element = 0;
  for (std::size_t t = 0; t < got.size(); ++t) {
    for (std::size_t i = 0; i < got[t].size(); ++i) {
      const double error = std::abs(static_cast<double>(got[t][i]) - want[t][i]);
      if (!(error <= worst)) {
        worst = error;
        token = t;
        element = i;
      }
    }
  }
  EXPECT_LE(worst, bound) << what << ": token " << token << ", logit " << element << ": got "
                          << got[token][element] << ", want " << want[token][element];
}

TEST(Parity, FloatWeightsOfEveryShapeOnEveryIsa) {
  for (const NamedShape& shape : shapes()) {
    const auto file = support::make_random_model(shape.spec);
    const auto ids = random_ids(40, shape.spec.vocab, 3);
    const auto want = support::ReferenceModel(*file).logits(ids);
    const double noise = std::sqrt(7.0 * static_cast<double>(shape.spec.layers) *
                                   static_cast<double>(shape.spec.ffn_width));
    const double bound = 8 * largest_logit(want) * noise * 0x1p-24;
    for (const std::string_view isa : available_isas()) {
      expect_near(run(file, ids, {.isa = isa}), want, bound,
                  fmt::format("{} on {}", shape.name, isa));
    }
  }
}

TEST(Parity, EveryComputableType) {
  for (const DTypeInfo& info : all_dtypes()) {
    if (find_codec(info.type) == nullptr || info.type == DType::kF64) continue;
    // Rows of whole blocks of every type.
    const RandomModelSpec spec{.width = 256, .heads = 4, .ffn_width = 512, .dtype = info.type};
    const auto file = support::make_random_model(spec);
    const auto ids = random_ids(12, spec.vocab, 5);
    const auto want = support::ReferenceModel(*file).logits(ids);
    double square = 0;
    for (const double value : want.back()) square += value * value;
    const double deviation = std::sqrt(square / static_cast<double>(want.back().size()));
    const double bound = has_integer_dot(info.type)
                             ? 8 * deviation * 0.0052 * std::sqrt(7.0 * 2 + 1)
                             : 8 * largest_logit(want) * std::sqrt(14.0 * 512) * 0x1p-24;
    expect_near(run(file, ids, {}), want, bound, std::string(info.name));
  }
}

TEST(Exactness, ChunksThreadsAndIsasChangeNoBit) {
  for (const DType type : {DType::kF16, DType::kQ8_0, DType::kQ4_K}) {
    for (const std::int64_t window : {0, 19}) {
      const RandomModelSpec spec{.width = 256,
                                 .heads = 4,
                                 .ffn_width = 256,
                                 .experts = window == 0 ? 0 : 4,
                                 .window = window,
                                 .dtype = type};
      const auto file = support::make_random_model(spec);
      const auto ids = random_ids(80, spec.vocab, 9);
      const auto want = run(file, ids, {.kv = DType::kF16});
      for (const std::int64_t chunk : {1, 7, 32, 33}) {
        EXPECT_EQ(run(file, ids, {.chunk = chunk, .kv = DType::kF16}), want) << "chunk " << chunk;
      }
      EXPECT_EQ(run(file, ids, {.threads = 3, .kv = DType::kF16}), want) << "three threads";
      for (const std::string_view isa : available_isas()) {
        EXPECT_EQ(run(file, ids, {.isa = isa, .kv = DType::kF16}), want) << isa;
      }
    }
  }
}

// Several sequences in one step give what each gives alone.
// Past the end of attention's first segment, so that three threads share out what one does alone.
TEST(Exactness, NoTypeOfKeysAndValuesDependsOnChunksOrThreads) {
  const RandomModelSpec spec{.width = 128, .heads = 2, .kv_heads = 1, .dtype = DType::kQ8_0};
  const auto file = support::make_random_model(spec);
  const auto ids = random_ids(270, spec.vocab, 11);
  for (const KvTypeInfo& info : all_kv_types()) {
    const auto want = run(file, ids, {.kv = info.type});
    EXPECT_EQ(run(file, ids, {.chunk = 1, .kv = info.type}), want) << info.name;
    EXPECT_EQ(run(file, ids, {.threads = 3, .chunk = 37, .kv = info.type}), want) << info.name;
  }
}

TEST(Exactness, BatchMatesChangeNoBit) {
  const RandomModelSpec spec{.width = 256, .ffn_width = 256, .dtype = DType::kQ4_K};
  const auto file = support::make_random_model(spec);
  const auto decoder = load_decoder(file);
  ASSERT_TRUE(decoder.has_value());
  const auto kernels = choose_kernels("");
  ThreadPool pool(2);
  Arena arena;
  const KvLayout layout = kv_layout((*decoder)->spec(), DType::kF16);
  KvPool blocks(layout, 100);
  const std::size_t lengths[] = {5, 1, 33};
  std::vector<std::vector<std::int32_t>> all;
  std::vector<KvSequence> sequences(3, KvSequence(layout));
  std::vector<std::int32_t> tokens, rows;
  std::vector<std::int64_t> positions;
  std::vector<SequenceRows> slices;
  for (std::size_t s = 0; s < 3; ++s) {
    all.push_back(random_ids(lengths[s], spec.vocab, 20 + s));
    const auto count = static_cast<std::int64_t>(lengths[s]);
    ASSERT_TRUE(blocks.reserve(sequences[s], count).has_value());
    slices.push_back({static_cast<std::int64_t>(tokens.size()), count, 0, &sequences[s]});
    tokens.insert(tokens.end(), all[s].begin(), all[s].end());
    for (std::int64_t i = 0; i < count; ++i) positions.push_back(i);
    rows.push_back(static_cast<std::int32_t>(tokens.size() - 1));
  }
  CpuOps ops(**kernels, pool, arena);
  const FloatTensor together = (*decoder)->forward(ops, {tokens, positions, slices}, rows);
  for (std::size_t s = 0; s < 3; ++s) {
    const auto alone = run(file, all[s], {.kv = DType::kF16}).back();
    const float* row = together.row(static_cast<std::int64_t>(s));
    EXPECT_EQ(std::vector<float>(row, row + together.shape.last()), alone) << "sequence " << s;
  }
}

}  // namespace
}  // namespace bantam
