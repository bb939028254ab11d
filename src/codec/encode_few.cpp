// Encoders of the formats of few levels: ternary and binary blocks and rows, four levels, FP4; and
// of rows of bytes.
//
// Where the levels are -1, 0 and 1 the best scale is found exactly: it is the mean magnitude of the
// largest so many. Rows that are ternary already, as of models trained so, keep their values.
#include <algorithm>
#include <array>
#include <cfloat>
#include <cmath>
#include <vector>

#include "codec/blocks.h"
#include "codec/levels.h"
#include "codec/search.h"

namespace bantam {
namespace {

// Sums here are of doubles, which no float overflows. What is not finite counts as nothing.
double finite_or_zero(float x) { return std::fabs(x) <= FLT_MAX ? double{x} : 0; }

// One weight an element: all alike where there is no importance, or none above zero.
class Weights {
 public:
  Weights(const float* importance, std::size_t n) : importance_(importance) {
    if (importance == nullptr) return;
    for (std::size_t i = 0; i < n; ++i) any_ = any_ || (*this)[i] > 0;
    if (!any_) importance_ = nullptr;
  }
  double operator[](std::size_t i) const {
    if (importance_ == nullptr) return 1;
    return importance_[i] > 0 ? finite_or_zero(importance_[i]) : 0;
  }

 private:
  const float* importance_;
  bool any_ = false;
};

// --- Ternary ------------------------------------------------------------------------------------

// d for x ~ d * t with the least weighted squared error. If the k largest magnitudes get a trit,
// the best d is their mean, and the error falls by sum(w |x|)^2 / sum(w) over them.
float ternary_scale(std::span<const float> x, const float* importance) {
  const Weights w(importance, x.size());
  std::vector<std::pair<double, double>> sizes(x.size());  // |x|, w
  for (std::size_t i = 0; i < x.size(); ++i) sizes[i] = {std::fabs(finite_or_zero(x[i])), w[i]};
  std::ranges::sort(sizes, std::greater());
  double total = 0, weight = 0, best = 0, best_gain = 0;
  for (const auto& [size, of_size] : sizes) {
    total += of_size * size;
    weight += of_size;
    if (weight > 0 && total * total > best_gain * weight) {
      best_gain = total * total / weight;
      best = total / weight;
    }
  }
  return static_cast<float>(std::min(best, double{FLT_MAX}));
}

// t + 1 under the scale as it is stored.
unsigned trit_of(float x, float d) {
  if (!(d > 0)) return 1;
  const float border = d / 2;
  return x > border ? 2 : x < -border ? 0 : 1;
}

// Five trits as a fraction of a byte, `code` being the number that they write in base three.
std::uint8_t fraction_of(unsigned code) {
  return static_cast<std::uint8_t>((code * 256 + 242) / 243);
}

// --- FP4 ----------------------------------------------------------------------------------------

constexpr std::array<std::int8_t, 15> kE2M1Rising = {-12, -8, -6, -4, -3, -2, -1, 0,
                                                     1,   2,  3,  4,  6,  8,  12};
constexpr Levels kE2M1(kE2M1Rising);
constexpr std::uint8_t e2m1_bits(std::size_t code) {
  return static_cast<std::uint8_t>(code < 7 ? 15 - code : code - 7);
}

// (The steps of MXFP4 may be too small to have an inverse.)
std::size_t e2m1_code(float x, float step) { return kE2M1.code_of(step != 0 ? x / step : 0); }

double e2m1_error(std::span<const float> x, const Weights& w, std::size_t first, float step) {
  double error = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double off = finite_or_zero(x[i]) - double{step} * double{kE2M1[e2m1_code(x[i], step)]};
    error += w[first + i] * off * off;
  }
  return error;
}

double largest_size(std::span<const float> x) {
  double largest = 0;
  for (const float value : x) largest = std::max(largest, std::fabs(finite_or_zero(value)));
  return largest;
}

struct CodeSpan {
  int first, last;
};

// The code of a scale, of those in the span, that gives the least error.
template <typename StepOf>
int best_scale_code(std::span<const float> x, const Weights& w, std::size_t first, CodeSpan codes,
                    StepOf step_of) {
  int best = codes.first;
  double least = e2m1_error(x, w, first, step_of(best));
  for (int code = codes.first + 1; code <= codes.last; ++code) {
    const double error = e2m1_error(x, w, first, step_of(code));
    if (error < least) {
      least = error;
      best = code;
    }
  }
  return best;
}

}  // namespace

void encode_block(const float* in, const float* importance, BlockTQ2_0& block) {
  block = {};
  block.d = saturate_to_f16(ternary_scale({in, 256}, importance));
  const float d = f16_to_float(block.d);
  for (std::size_t e = 0; e < 256; ++e) {
    std::uint8_t& byte = block.qs[32 * (e / 128) + e % 32];
    byte = static_cast<std::uint8_t>(byte | trit_of(in[e], d) << 2 * (e / 32 % 4));
  }
}

void encode_block(const float* in, const float* importance, BlockTQ1_0& block) {
  block.d = saturate_to_f16(ternary_scale({in, 256}, importance));
  const float d = f16_to_float(block.d);
  // Trit n of `count` bytes is `count` elements after trit n - 1.
  const auto pack = [d](const float* x, std::uint8_t* bytes, std::size_t count, unsigned trits) {
    for (std::size_t m = 0; m < count; ++m) {
      unsigned code = 0;
      for (unsigned n = 0; n < 5; ++n)
        code = 3 * code + (n < trits ? trit_of(x[n * count + m], d) : 0);
      bytes[m] = fraction_of(code);
    }
  };
  pack(in, block.qs, 32, 5);
  pack(in + 160, block.qs + 32, 16, 5);
  pack(in + 240, block.qh, 4, 4);
}

void encode_row(std::span<const float> in, const float* importance, RowScaleF32& header,
                BlockIQ2_BN* blocks) {
  header.value = ternary_scale(in, importance);
  for (std::size_t at = 0; at < in.size(); at += 64) {
    BlockIQ2_BN& block = *blocks++ = {};
    for (std::size_t e = 0; e < 64; ++e)
      block.qs[e % 16] = static_cast<std::uint8_t>(
          block.qs[e % 16] | trit_of(in[at + e], header.value) << 2 * (e / 16));
  }
}

void encode_row(std::span<const float> in, const float* importance, RowScaleF16& header,
                BlockIQ1_BN* blocks) {
  header.bits = saturate_to_f16(ternary_scale(in, importance));
  const float d = header.d();
  for (std::size_t at = 0; at < in.size(); at += 64) {
    BlockIQ1_BN& block = *blocks++ = {};
    const auto trit = [&](std::size_t e) { return trit_of(in[at + e], d); };
    for (std::size_t byte = 0; byte < 12; ++byte) {
      unsigned code = 0;
      for (std::size_t k = 5; k-- > 0;)
        code = 3 * code + trit(16 * (byte / 3) + 5 * (byte % 3) + k);
      block.qs[byte] = fraction_of(code);
    }
    block.rest = fraction_of(((trit(63) * 3 + trit(47)) * 3 + trit(31)) * 3 + trit(15));
  }
}

// --- Two and four levels ------------------------------------------------------------------------

void encode_block(const float* in, const float* importance, BlockQ1_0& block) {
  const Weights w(importance, 128);
  double total = 0, weight = 0;
  block = {};
  for (std::size_t e = 0; e < 128; ++e) {
    total += w[e] * std::fabs(finite_or_zero(in[e]));
    weight += w[e];
    if (in[e] >= 0) block.bits[e / 8] = static_cast<std::uint8_t>(block.bits[e / 8] | 1u << e % 8);
  }
  block.d = saturate_to_f16(static_cast<float>(total / weight));
}

void encode_block(const float* in, const float* importance, BlockNVFP4& block) {
  const Weights w(importance, 64);
  const auto step_of = [](int code) {
    return 0.5f * ue4m3_to_float(static_cast<std::uint8_t>(code));
  };
  for (std::size_t g = 0; g < 4; ++g) {
    const std::span<const float> x(in + 16 * g, 16);
    const double wanted = std::min(largest_size(x) / 6, double{kF8E4M3Max});
    const int guess = float_to_f8e4m3(static_cast<float>(wanted)) & 0x7F;
    // From a little above the largest level to the third largest, an octave or eight codes below.
    const CodeSpan codes = {std::max(guess - 2, 0), std::min(guess + 8, 0x7E)};
    const int code = best_scale_code(x, w, 16 * g, codes, step_of);
    block.scales[g] = static_cast<std::uint8_t>(code);
    const float step = step_of(code);
    const auto bits = [&](std::size_t l) { return e2m1_bits(e2m1_code(x[l], step)); };
    for (std::size_t l = 0; l < 8; ++l)
      block.qs[8 * g + l] = static_cast<std::uint8_t>(bits(l) | bits(l + 8) << 4);
  }
}

void encode_block(const float* in, const float* importance, BlockMXFP4& block) {
  const Weights w(importance, 32);
  const std::span<const float> x(in, 32);
  const auto step_of = [](int code) { return e8m0_half_to_float(static_cast<std::uint8_t>(code)); };
  // Twelve times the largest scale allowed is still a float.
  constexpr int kTop = 252;
  const double largest = largest_size(x);
  const int guess = largest > 0 ? std::ilogb(largest / 12) + 128 : 0;
  const CodeSpan codes = {std::clamp(guess - 1, 0, kTop), std::clamp(guess + 2, 0, kTop)};
  const int code = largest > 0 ? best_scale_code(x, w, 0, codes, step_of) : 0;
  block.scale = static_cast<std::uint8_t>(code);
  const float step = step_of(code);
  const auto bits = [&](std::size_t l) { return e2m1_bits(e2m1_code(x[l], step)); };
  for (std::size_t l = 0; l < 16; ++l)
    block.qs[l] = static_cast<std::uint8_t>(bits(l) | bits(l + 16) << 4);
}

// --- Rows of bytes ------------------------------------------------------------------------------

void encode_row(std::span<const float> in, const float*, RowScaleAndSum& header,
                BlockQ8_KV* blocks) {
  const double largest = largest_size(in);
  std::int64_t sum = 0;
  // The largest that 127 times is a float.
  header.value = std::min(static_cast<float>(largest / 127), 0x1.0204p121f);
  const double inverse = header.value > 0 ? 1 / double{header.value} : 0;
  for (std::size_t e = 0; e < in.size(); ++e) {
    const double code = std::clamp(finite_or_zero(in[e]) * inverse, -127.0, 127.0);
    const int rounded = static_cast<int>(code < 0 ? code - 0.5 : code + 0.5);
    blocks[e / 32].qs[e % 32] = static_cast<std::int8_t>(rounded);
    sum += rounded;
  }
  header.sum = static_cast<std::int32_t>(sum);
}

}  // namespace bantam
