#include "kernels/rowwise.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "kernels/kernel_test_data.h"
#include "kernels/reference.h"

namespace bantam {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr std::size_t kLengths[] = {1, 2, 7, 15, 16, 17, 31, 32, 33, 64, 100, 257, 2048, 4099};

const KernelTable& definition() { return *all_tables()[0]; }

// The distance from one float to the next at the size of x.
double ulp(double x) {
  const float size = std::abs(static_cast<float>(x));
  if (size < std::numeric_limits<float>::min()) return 0x1p-149;
  return static_cast<double>(std::nextafter(size, kInf)) - static_cast<double>(size);
}

// Runs body on every table and holds the results to those of the first one.
template <typename Body>
void expect_every_isa_alike(const Body& body, const std::string& what) {
  const std::vector<float> want = body(definition());
  for (const KernelTable* kernels : all_tables())
    expect_same_bits(body(*kernels), want, fmt::format("{} on {}", what, kernels->name));
}

// Floats of every size, by their bits, and the ends of the range.
std::vector<float> all_sizes(double low, double high) {
  std::vector<float> x;
  for (std::uint64_t bits = 0; bits < (1ull << 32); bits += 9973) {
    const auto v = std::bit_cast<float>(static_cast<std::uint32_t>(bits));
    if (static_cast<double>(v) >= low && static_cast<double>(v) <= high) x.push_back(v);
  }
  for (double v = std::max(low, -120.0); v <= std::min(high, 120.0); v += 0.00117)
    x.push_back(static_cast<float>(v));
  return x;
}

TEST(Exponential, IsWithinTwoUlps) {
  const std::vector<float> x = all_sizes(-200, 88.72);
  std::vector<float> y(x.size());
  definition().exponential(x.data(), y.data(), static_cast<std::int64_t>(x.size()));
  std::vector<double> want(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) want[i] = std::exp(static_cast<double>(x[i]));
  expect_close(y, want, [&](std::size_t i) { return 2 * ulp(want[i]); }, "exp");
}

TEST(Exponential, EndsOfTheRange) {
  const float x[] = {-kInf, -104.0f, -103.98f, 88.73f, kInf, kNan, 0.0f, -0.0f, 1e30f, -1e30f};
  for (const KernelTable* kernels : all_tables()) {
    float y[10];
    kernels->exponential(x, y, 10);
    EXPECT_EQ(y[0], 0.0f);
    EXPECT_EQ(y[1], 0.0f);
    EXPECT_LE(y[2], 0x1p-149f);
    EXPECT_EQ(y[3], kInf);
    EXPECT_EQ(y[4], kInf);
    EXPECT_TRUE(std::isnan(y[5]));
    EXPECT_EQ(y[6], 1.0f);
    EXPECT_EQ(y[7], 1.0f);
    EXPECT_EQ(y[8], kInf);
    EXPECT_EQ(y[9], 0.0f);
  }
}

TEST(Activation, IsWithinTheStatedBounds) {
  const std::vector<float> x = all_sizes(-1e30, 1e30);
  std::vector<float> y(x.size());
  for (std::size_t a = 0; a < kActivations; ++a) {
    const auto which = static_cast<Activation>(a);
    definition().activate[a](x.data(), y.data(), static_cast<std::int64_t>(x.size()));
    std::vector<double> want(x.size());
    for (std::size_t i = 0; i < x.size(); ++i)
      want[i] = reference::activate(which, static_cast<double>(x[i]));
    const auto tolerance = [&](std::size_t i) {
      if (which == Activation::kRelu) return 0.0;
      if (which == Activation::kSilu) return 4 * ulp(want[i]) + 0x1p-142;
      return 4 * ulp(std::max(std::abs(static_cast<double>(x[i])), 0x1p-10));
    };
    expect_close(y, want, tolerance, fmt::format("activation {}", a));
  }
}

TEST(SoftCap, IsWithinTheStatedBound) {
  const std::vector<float> x = all_sizes(-1e30, 1e30);
  std::vector<float> y(x.size());
  for (const float cap : {1.0f, 30.0f, 50.0f}) {
    definition().soft_cap(x.data(), cap, y.data(), static_cast<std::int64_t>(x.size()));
    std::vector<double> want(x.size());
    for (std::size_t i = 0; i < x.size(); ++i)
      want[i] = static_cast<double>(cap) *
                std::tanh(static_cast<double>(x[i]) / static_cast<double>(cap));
    expect_close(
        y, want,
        [&](std::size_t i) { return 6 * ulp(want[i]) + static_cast<double>(cap) * 0x1p-148; },
        fmt::format("soft cap {}", cap));
  }
}

TEST(Norms, AgreeWithDoublePrecision) {
  Random random(1);
  for (const std::size_t n : kLengths) {
    const auto x = random_floats(random, n, 3), w = random_floats(random, n),
               b = random_floats(random, n);
    const auto length = static_cast<std::int64_t>(n);
    std::vector<float> y(n);
    // A sum of n squares in 16 chains of n / 16 and a tree of 4; the root halves its error.
    const double error = (static_cast<double>(n) / 16 / 2 + 8) * 0x1p-24;
    const auto close = [&](const std::vector<double>& want, double shift, const char* what) {
      expect_close(
          y, want, [&](std::size_t i) { return (std::abs(want[i]) + shift) * error + 1e-12; },
          fmt::format("{} of {}", what, n));
    };
    definition().rms_norm(x.data(), w.data(), 1e-5f, y.data(), length);
    close(reference::rms_norm(x, w, static_cast<double>(1e-5f)), 0, "rms_norm");
    definition().rms_norm(x.data(), nullptr, 1e-5f, y.data(), length);
    close(reference::rms_norm(x, {}, static_cast<double>(1e-5f)), 0, "rms_norm without weight");
    if (n < 2) continue;
    definition().layer_norm(x.data(), w.data(), b.data(), 1e-5f, y.data(), length);
    close(reference::layer_norm(x, w, b, static_cast<double>(1e-5f)), 20, "layer_norm");
    definition().layer_norm(x.data(), nullptr, nullptr, 1e-5f, y.data(), length);
    close(reference::layer_norm(x, {}, {}, static_cast<double>(1e-5f)), 20, "layer_norm, plain");
  }
}

TEST(Norms, ALargeMeanDoesNoHarm) {
  std::vector<float> x(512), y(512);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = 65536.0f + static_cast<float>(i % 2);
  definition().layer_norm(x.data(), nullptr, nullptr, 0.0f, y.data(), 512);
  for (std::size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(y[i], i % 2 == 0 ? -1 : 1, 0.05) << i;
}

TEST(Softmax, AgreesWithDoublePrecision) {
  Random random(2);
  for (const std::size_t n : kLengths) {
    for (const double size : {0.1, 3.0, 40.0}) {
      std::vector<float> x = random_floats(random, n, size);
      const auto want = reference::softmax(x);
      definition().softmax(x.data(), static_cast<std::int64_t>(n));
      // x - max is rounded at the size of x before it is an exponent.
      const double error = (static_cast<double>(n) / 16 + 8 + 10 * size) * 0x1p-24;
      expect_close(
          x, want, [&](std::size_t i) { return want[i] * error + 0x1p-148; },
          fmt::format("softmax of {}", n));
    }
  }
}

TEST(Softmax, InfinitiesAndNans) {
  for (const KernelTable* kernels : all_tables()) {
    std::vector<float> x(40, -kInf);
    x[3] = x[35] = 2.0f;
    kernels->softmax(x.data(), 40);
    for (std::size_t i = 0; i < 40; ++i) EXPECT_EQ(x[i], i == 3 || i == 35 ? 0.5f : 0.0f) << i;
    for (const float bad : {kNan, kInf}) {
      std::vector<float> y(40, 1.0f);
      y[17] = bad;
      kernels->softmax(y.data(), 40);
      EXPECT_TRUE(std::isnan(y[17])) << bad;
      if (std::isnan(bad)) EXPECT_TRUE(std::isnan(y[0]));
    }
    std::vector<float> none(5, -kInf);
    kernels->softmax(none.data(), 5);
    EXPECT_TRUE(std::isnan(none[0]));
  }
}

TEST(LogSumExp, AgreesWithDoublePrecision) {
  Random random(3);
  for (const std::size_t n : {1u, 5u, 16u, 300u, 32000u, 128256u}) {
    for (const double size : {0.01, 3.0, 50.0}) {
      const auto x = random_floats(random, n, size);
      const double want = reference::log_sum_exp(x);
      for (const KernelTable* kernels : all_tables()) {
        const double got = kernels->log_sum_exp(x.data(), static_cast<std::int64_t>(n));
        EXPECT_NEAR(got, want, 1e-6 * (1 + std::abs(want))) << n << " of " << size;
        EXPECT_EQ(got, definition().log_sum_exp(x.data(), static_cast<std::int64_t>(n)))
            << kernels->name;
      }
    }
  }
  const float odd[] = {-kInf, -kInf, kNan};
  EXPECT_EQ(definition().log_sum_exp(odd, 0), -std::numeric_limits<double>::infinity());
  EXPECT_EQ(definition().log_sum_exp(odd, 2), -std::numeric_limits<double>::infinity());
  EXPECT_TRUE(std::isnan(definition().log_sum_exp(odd, 3)));
}

TEST(Argmax, LowestIndexOnTiesAndNansNeverWin) {
  for (const KernelTable* kernels : all_tables()) {
    for (const std::size_t n : kLengths) {
      for (const std::size_t at : {std::size_t{0}, n / 2, n - 1}) {
        std::vector<float> x(n, -1.0f);
        x[at] = 5.0f;
        x[n - 1] = 5.0f;
        if (at > 0) x[0] = kNan;
        EXPECT_EQ(kernels->argmax(x.data(), static_cast<std::int64_t>(n)),
                  static_cast<std::int64_t>(at))
            << n << " " << kernels->name;
      }
    }
    const float nans[] = {kNan, kNan, -kInf};
    EXPECT_EQ(kernels->argmax(nans, 2), 0);
    EXPECT_EQ(kernels->argmax(nans, 3), 2);
  }
}

TEST(Rope, TurnsPairsOfBothLayouts) {
  Random random(4);
  for (const std::int64_t pairs : {1, 3, 8, 16, 17, 32, 40, 64}) {
    const auto n = static_cast<std::size_t>(pairs);
    const std::vector<float> x = random_floats(random, 2 * n);
    std::vector<float> cos(n), sin(n);
    for (std::size_t i = 0; i < n; ++i) {
      const double angle = random.next_normal() * 10;
      cos[i] = static_cast<float>(std::cos(angle));
      sin[i] = static_cast<float>(std::sin(angle));
    }
    for (const bool half : {false, true}) {
      const auto turn = [&](const KernelTable& kernels) {
        std::vector<float> y = x;
        (half ? kernels.rope_half : kernels.rope_interleaved)(y.data(), cos.data(), sin.data(),
                                                              pairs);
        return y;
      };
      const auto tolerance = [&](std::size_t i) {
        const std::size_t other = half ? (i + n) % (2 * n) : i ^ 1;
        return (std::abs(static_cast<double>(x[i])) + std::abs(static_cast<double>(x[other]))) *
               0x1p-23;
      };
      const std::string what = fmt::format("rope, {} pairs, half {}", pairs, half);
      expect_close(turn(definition()), reference::rope(x, cos, sin, half), tolerance, what);
      expect_every_isa_alike(turn, what);
    }
  }
}

TEST(Elementwise, DoesWhatItSays) {
  Random random(5);
  for (const std::size_t n : kLengths) {
    const auto a = random_floats(random, n), b = random_floats(random, n);
    const auto length = static_cast<std::int64_t>(n);
    std::vector<float> out(n + 1, -7.0f), silu(n);
    const auto check = [&](const char* what, auto&& expected) {
      for (std::size_t i = 0; i < n; ++i)
        ASSERT_EQ(out[i], expected(i)) << what << " of " << n << ", element " << i;
      ASSERT_EQ(out[n], -7.0f) << what << " wrote past its end";
    };
    const KernelTable& k = *choose_kernels("").value();
    k.add(a.data(), b.data(), out.data(), length);
    check("add", [&](std::size_t i) { return a[i] + b[i]; });
    k.multiply(a.data(), b.data(), out.data(), length);
    check("multiply", [&](std::size_t i) { return a[i] * b[i]; });
    k.scale(a.data(), 3.0f, out.data(), length);
    check("scale", [&](std::size_t i) { return a[i] * 3.0f; });
    std::copy(b.begin(), b.end(), out.begin());
    k.add_scaled(a.data(), 3.0f, out.data(), length);
    check("add_scaled", [&](std::size_t i) { return std::fma(a[i], 3.0f, b[i]); });
    std::copy(a.begin(), a.end(), out.begin());
    k.add(out.data(), out.data(), out.data(), length);
    check("add in place", [&](std::size_t i) { return a[i] + a[i]; });
    k.activate[0](a.data(), silu.data(), length);
    k.gated[0](a.data(), b.data(), out.data(), length);
    check("gated", [&](std::size_t i) { return silu[i] * b[i]; });
  }
}

TEST(Formats, EqualThePortableConversions) {
  std::vector<std::uint16_t> codes(1 << 16);
  for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<std::uint16_t>(i);
  std::vector<float> sizes = all_sizes(-1e39, 1e39);
  for (const float v : {kInf, -kInf, kNan, 65504.0f, 65519.9f, 65520.0f, 0x1p-25f, 0x1.8p-25f})
    sizes.push_back(v);
  for (const KernelTable* k : all_tables()) {
    std::vector<float> out(codes.size()), want(codes.size());
    k->from_f16(codes.data(), out.data(), 1 << 16);
    for (std::size_t i = 0; i < codes.size(); ++i) want[i] = f16_to_float(codes[i]);
    expect_same_bits(out, want, fmt::format("from_f16 on {}", k->name));
    k->from_bf16(codes.data(), out.data(), 1 << 16);
    for (std::size_t i = 0; i < codes.size(); ++i) want[i] = bf16_to_float(codes[i]);
    expect_same_bits(out, want, fmt::format("from_bf16 on {}", k->name));
    std::vector<std::uint16_t> half(sizes.size()), brain(sizes.size());
    k->to_f16(sizes.data(), half.data(), static_cast<std::int64_t>(sizes.size()));
    k->to_bf16(sizes.data(), brain.data(), static_cast<std::int64_t>(sizes.size()));
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      if (std::isnan(sizes[i])) {
        EXPECT_TRUE(std::isnan(f16_to_float(half[i])) && std::isnan(bf16_to_float(brain[i])));
        continue;
      }
      ASSERT_EQ(half[i], float_to_f16(sizes[i])) << sizes[i] << " to f16 on " << k->name;
      ASSERT_EQ(brain[i], float_to_bf16(sizes[i])) << sizes[i] << " to bf16 on " << k->name;
    }
  }
}

TEST(Rowwise, EveryIsaGivesTheSameBits) {
  Random random(6);
  for (const std::size_t n : kLengths) {
    auto x = random_floats(random, n, 20);
    const auto w = random_floats(random, n), b = random_floats(random, n);
    if (n > 20) x[5] = -0.0f, x[19] = 1e-40f, x[20] = -1e38f;
    const auto length = static_cast<std::int64_t>(n);
    const auto map = [&](auto&& call) {
      return [&, call](const KernelTable& k) {
        std::vector<float> y(n);
        call(k, y.data());
        return y;
      };
    };
    const auto check = [&](const char* what, auto&& call) {
      expect_every_isa_alike(map(call), fmt::format("{} of {}", what, n));
    };
    using K = const KernelTable;
    check("rms_norm", [&](K& k, float* y) { k.rms_norm(x.data(), w.data(), 1e-6f, y, length); });
    check("layer_norm",
          [&](K& k, float* y) { k.layer_norm(x.data(), w.data(), b.data(), 1e-6f, y, length); });
    check("softmax", [&](K& k, float* y) {
      std::copy(x.begin(), x.end(), y);
      k.softmax(y, length);
    });
    check("exp", [&](K& k, float* y) { k.exponential(x.data(), y, length); });
    check("soft_cap", [&](K& k, float* y) { k.soft_cap(x.data(), 30.0f, y, length); });
    for (std::size_t a = 0; a < kActivations; ++a) {
      check("activation", [&](K& k, float* y) { k.activate[a](x.data(), y, length); });
      check("gated", [&](K& k, float* y) { k.gated[a](x.data(), w.data(), y, length); });
    }
    if (HasFailure()) return;
  }
  const auto everything = all_sizes(-1e39, 1e39);
  for (std::size_t a = 0; a < kActivations; ++a)
    expect_every_isa_alike(
        [&](const KernelTable& k) {
          std::vector<float> y(everything.size());
          k.activate[a](everything.data(), y.data(), static_cast<std::int64_t>(y.size()));
          return y;
        },
        fmt::format("activation {} of every size", a));
}

TEST(ForEachRow, VisitsEveryRowOnce) {
  for (const std::size_t threads : {1u, 3u}) {
    ThreadPool pool(threads);
    std::vector<int> visits(1000);
    for_each_row(pool, 1000, 100,
                 [&](std::int64_t row) { ++visits[static_cast<std::size_t>(row)]; });
    for (const int count : visits) EXPECT_EQ(count, 1);
    for_each_row(pool, 0, 100, [&](std::int64_t) { ADD_FAILURE() << "there is no row"; });
  }
}

}  // namespace
}  // namespace bantam
