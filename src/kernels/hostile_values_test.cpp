// Floats of every kind in rows of every length, at any address, in every table: against the law of
// kernels.h written out, against double precision, and with nothing readable behind the last one.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "kernels/kernel_test_data.h"

namespace bantam {
namespace {

constexpr std::int64_t kMostElements = 67;

// Memory with nothing readable behind it. What it holds ends there, so its address is aligned to
// nothing.
class Room {
 public:
  explicit Room(std::size_t bytes) {
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    const std::size_t readable = (bytes + page - 1) / page * page;
    bytes_ = readable + page;
    base_ = ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(base_ != MAP_FAILED);
    end_ = static_cast<char*>(base_) + readable;
    CHECK(::mprotect(end_, page, PROT_NONE) == 0);
  }
  ~Room() { ::munmap(base_, bytes_); }
  Room(const Room&) = delete;
  Room& operator=(const Room&) = delete;

  template <typename T>
  T* hold(const std::vector<T>& values) {
    const std::size_t bytes = values.size() * sizeof(T);
    CHECK(bytes <= static_cast<std::size_t>(end_ - static_cast<char*>(base_)));
    std::memcpy(end_ - bytes, values.data(), bytes);
    return reinterpret_cast<T*>(end_ - bytes);
  }

 private:
  void* base_ = nullptr;
  char* end_ = nullptr;
  std::size_t bytes_ = 0;
};

enum class Kind { kOrdinary, kTiny, kMixed, kHuge };
constexpr Kind kKinds[] = {Kind::kOrdinary, Kind::kTiny, Kind::kMixed, Kind::kHuge};

// Tiny ones are denormal or have denormal products; huge ones overflow when they are added.
std::vector<float> floats_of(Random& random, std::int64_t n, Kind kind) {
  constexpr float kMax = std::numeric_limits<float>::max();
  constexpr float kDenormal = std::numeric_limits<float>::denorm_min();
  const float specials[] = {0.0f, -0.0f, kDenormal, -kDenormal, 0x1p-127f, 0x1.8p-126f, -0x1p-75f};
  std::vector<float> x(static_cast<std::size_t>(n));
  for (float& v : x) {
    v = static_cast<float>(random.next_normal());
    if (kind == Kind::kTiny) v *= random.next_below(2) == 0 ? 0x1p-70f : 0x1p-130f;
    if (kind != Kind::kOrdinary && random.next_below(3) == 0) v = specials[random.next_below(7)];
    if (kind == Kind::kHuge && random.next_below(4) == 0)
      v = random.next_below(2) == 0 ? kMax : -kMax;
  }
  return x;
}

// --- Products -----------------------------------------------------------------------------------

// One row times one token, as kernels.h says it.
float dot_by_law(std::span<const float> x, std::span<const float> w) {
  float lane[16] = {};
  for (std::size_t i = 0; i < x.size(); ++i) lane[i % 16] = std::fma(x[i], w[i], lane[i % 16]);
  for (std::size_t half = 8; half > 0; half /= 2)
    for (std::size_t i = 0; i < half; ++i) lane[i] += lane[i + half];
  return lane[0];
}

// Weights in one of the float formats, and what they are as floats.
struct Weights {
  Weights(DType type, std::vector<float> values) : as_floats(std::move(values)) {
    bytes.resize(as_floats.size() * (type == DType::kF32 ? 4 : 2));
    for (std::size_t i = 0; i < as_floats.size(); ++i) {
      float& v = as_floats[i];
      if (type == DType::kF32) {
        std::memcpy(bytes.data() + 4 * i, &v, 4);
        continue;
      }
      const std::uint16_t bits = type == DType::kF16 ? float_to_f16(v) : float_to_bf16(v);
      std::memcpy(bytes.data() + 2 * i, &bits, 2);
      v = type == DType::kF16 ? f16_to_float(bits) : bf16_to_float(bits);
    }
  }
  std::vector<float> as_floats;
  std::vector<std::byte> bytes;
};

struct Product {
  DType type;
  std::int64_t rows, width, tokens;
};

void expect_products(const Product& p, const std::vector<float>& activations,
                     const Weights& weights, bool is_finite, const std::string& what) {
  static Room tokens_room(1 << 20), rows_room(1 << 20);
  const float* const tokens = tokens_room.hold(activations);
  const std::byte* const rows = rows_room.hold(weights.bytes);
  const std::span<const float> x(activations);
  const auto width = static_cast<std::size_t>(p.width);
  std::vector<float> want;
  for (std::size_t t = 0; t < static_cast<std::size_t>(p.tokens); ++t)
    for (std::size_t r = 0; r < static_cast<std::size_t>(p.rows); ++r)
      want.push_back(dot_by_law(x.subspan(t * width, width),
                                std::span(weights.as_floats).subspan(r * width, width)));
  for (const KernelTable* kernels : all_tables()) {
    const auto dot = std::ranges::find(kernels->float_dots, p.type, &FloatDot::type);
    ASSERT_NE(dot, kernels->float_dots.end());
    std::vector<float> got(want.size() + 1, -7.0f);
    dot->dot({.weights = rows,
              .row_bytes = static_cast<std::int64_t>(weights.bytes.size()) / p.rows,
              .rows = p.rows,
              .width = p.width,
              .out = got.data(),
              .out_stride = p.rows},
             tokens, p.tokens);
    EXPECT_EQ(got.back(), -7.0f) << what << " on " << kernels->name << " wrote past its end";
    got.pop_back();
    expect_same_bits(got, want, fmt::format("{} on {}", what, kernels->name));
  }
  if (!is_finite) return;
  // A chain of width / 16 rounded steps and a tree of four; below the normal numbers a rounding
  // costs half of the smallest one.
  std::vector<double> exact(want.size()), bound(want.size());
  for (std::size_t i = 0; i < want.size(); ++i) {
    const std::size_t at_x = i / static_cast<std::size_t>(p.rows) * width;
    const std::size_t at_w = i % static_cast<std::size_t>(p.rows) * width;
    const double steps = static_cast<double>(width / 16 + 5);
    for (std::size_t k = 0; k < width; ++k) {
      const double product = static_cast<double>(x[at_x + k]) * weights.as_floats[at_w + k];
      exact[i] += product;
      bound[i] += std::abs(product) * steps * 0x1p-24 * (1 + 0x1p-10) + 0x1p-150;
    }
  }
  expect_close(want, exact, [&](std::size_t i) { return bound[i]; }, what);
}

class HostileProducts : public testing::TestWithParam<DType> {};

TEST_P(HostileProducts, FollowTheLawForEveryLength) {
  Random random(1, static_cast<std::uint64_t>(GetParam()));
  for (std::int64_t width = 1; width <= kMostElements; ++width) {
    for (const Kind kind : kKinds) {
      const auto some = [&](std::int64_t most) {
        return 1 + static_cast<std::int64_t>(random.next_below(static_cast<std::uint32_t>(most)));
      };
      const Product p{GetParam(), some(37), width, some(15)};
      const std::vector<float> x = floats_of(random, p.tokens * width, kind);
      const Weights weights(p.type, floats_of(random, p.rows * width, kind));
      expect_products(p, x, weights, kind != Kind::kHuge,
                      fmt::format("{} ({}, {}), {} tokens, kind {}", dtype_info(p.type).name,
                                  p.rows, width, p.tokens, static_cast<int>(kind)));
      if (HasFatalFailure()) return;
    }
  }
}

// Longer than the stretches that the products go by (matmul_float.inl).
TEST_P(HostileProducts, FollowTheLawForLongRows) {
  Random random(2, static_cast<std::uint64_t>(GetParam()));
  for (const std::int64_t width : {1024, 3073, 6145}) {
    for (const std::int64_t tokens : {3, 11}) {
      const Product p{GetParam(), 17, width, tokens};
      const std::vector<float> x = floats_of(random, tokens * width, Kind::kMixed);
      const Weights weights(p.type, floats_of(random, p.rows * width, Kind::kMixed));
      expect_products(
          p, x, weights, true,
          fmt::format("{} width {}, {} tokens", dtype_info(p.type).name, width, tokens));
      if (HasFatalFailure()) return;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Floats, HostileProducts,
                         testing::Values(DType::kF32, DType::kF16, DType::kBF16),
                         [](const auto& param) {
                           return std::string(dtype_info(param.param).name);
                         });

// --- Row functions ------------------------------------------------------------------------------

// Runs body(kernels, out) on every table, `out` at the end of the readable memory.
template <typename Body>
void expect_alike(std::int64_t n, const std::string& what, const Body& body) {
  static Room room(1 << 12);
  std::vector<float> want;
  for (const KernelTable* kernels : all_tables()) {
    float* const out = room.hold(std::vector<float>(static_cast<std::size_t>(n), 0.5f));
    body(*kernels, out);
    const std::span<const float> got(out, static_cast<std::size_t>(n));
    if (want.empty()) want.assign(got.begin(), got.end());
    expect_same_bits(got, want, fmt::format("{} of {} on {}", what, n, kernels->name));
  }
}

void expect_row_functions_alike(Random& random, std::int64_t n, Kind kind) {
  static Room rooms[] = {Room(1 << 12), Room(1 << 12), Room(1 << 12)};
  const float* const x = rooms[0].hold(floats_of(random, n, kind));
  const float* const y = rooms[1].hold(floats_of(random, n, kind));
  const float* const z = rooms[2].hold(floats_of(random, n, Kind::kOrdinary));
  using K = const KernelTable;
  expect_alike(n, "rms_norm", [&](K& k, float* out) { k.rms_norm(x, z, 1e-6f, out, n); });
  expect_alike(n, "layer_norm", [&](K& k, float* out) { k.layer_norm(x, z, y, 1e-6f, out, n); });
  expect_alike(n, "softmax", [&](K& k, float* out) {
    std::copy_n(x, n, out);
    k.softmax(out, n);
  });
  expect_alike(n, "add", [&](K& k, float* out) { k.add(x, y, out, n); });
  expect_alike(n, "multiply", [&](K& k, float* out) { k.multiply(x, y, out, n); });
  expect_alike(n, "scale", [&](K& k, float* out) { k.scale(x, 0.3f, out, n); });
  expect_alike(n, "add_scaled", [&](K& k, float* out) {
    std::copy_n(y, n, out);
    k.add_scaled(x, -0.7f, out, n);
  });
  expect_alike(n, "soft_cap", [&](K& k, float* out) { k.soft_cap(x, 30.0f, out, n); });
  expect_alike(n, "exponential", [&](K& k, float* out) { k.exponential(x, out, n); });
  for (std::size_t f = 0; f < kActivations; ++f) {
    expect_alike(n, "activate", [&](K& k, float* out) { k.activate[f](x, out, n); });
    expect_alike(n, "gated", [&](K& k, float* out) { k.gated[f](x, y, out, n); });
  }
  const auto log_sum = [&](K& k) { return static_cast<float>(k.log_sum_exp(x, n)); };
  expect_alike(1, "log_sum_exp", [&](K& k, float* out) { *out = log_sum(k); });
  const auto best = [&](K& k) { return static_cast<float>(k.argmax(x, n)); };
  expect_alike(1, "argmax", [&](K& k, float* out) { *out = best(k); });
  for (const bool half : {false, true})
    expect_alike(2 * n, "rope", [&](K& k, float* out) {
      std::copy_n(x, n, out);
      std::copy_n(y, n, out + n);
      (half ? k.rope_half : k.rope_interleaved)(out, z, x, n);
    });
}

TEST(HostileRows, EveryIsaGivesTheSameBitsForEveryLength) {
  Random random(3);
  for (std::int64_t n = 1; n <= kMostElements; ++n)
    for (const Kind kind : kKinds) {
      expect_row_functions_alike(random, n, kind);
      if (testing::Test::HasFailure()) return;
    }
}

TEST(HostileRows, FormatsAreConvertedAtAnyAddress) {
  Random random(4);
  Room rooms[] = {Room(1 << 12), Room(1 << 12), Room(1 << 12), Room(1 << 12), Room(1 << 12)};
  for (std::int64_t n = 1; n <= kMostElements; ++n) {
    const auto count = static_cast<std::size_t>(n);
    const float* const x = rooms[0].hold(floats_of(random, n, Kind::kHuge));
    for (const KernelTable* kernels : all_tables()) {
      std::uint16_t* const half = rooms[1].hold(std::vector<std::uint16_t>(count));
      std::uint16_t* const brain = rooms[2].hold(std::vector<std::uint16_t>(count));
      float* const from_half = rooms[3].hold(std::vector<float>(count));
      float* const from_brain = rooms[4].hold(std::vector<float>(count));
      kernels->to_f16(x, half, n);
      kernels->to_bf16(x, brain, n);
      kernels->from_f16(half, from_half, n);
      kernels->from_bf16(brain, from_brain, n);
      for (std::size_t i = 0; i < count; ++i) {
        ASSERT_EQ(half[i], float_to_f16(x[i])) << kernels->name;
        ASSERT_EQ(brain[i], float_to_bf16(x[i])) << kernels->name;
        ASSERT_EQ(from_half[i], f16_to_float(half[i])) << kernels->name;
        ASSERT_EQ(from_brain[i], bf16_to_float(brain[i])) << kernels->name;
      }
    }
  }
}

}  // namespace
}  // namespace bantam
