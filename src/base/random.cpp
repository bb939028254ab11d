#include "base/random.h"

#include <bit>
#include <cmath>
#include <numbers>

#include "base/result.h"

namespace bantam {
namespace {

// Logarithm and cosine from additions, multiplications and divisions alone. The ones of the C
// library may differ in the last bit from one processor to the next, and then so would every
// random model and every seeded text. Relative error below 2^-50 on the ranges asked for.
double portable_log(double x) {
  int exponent = 0;
  double m = std::frexp(x, &exponent);  // [0.5, 1)
  if (m < std::numbers::sqrt2 / 2) {
    m *= 2;
    --exponent;
  }
  // ln m = 2 atanh s, |s| <= 0.1716: s^24 is below 2^-60.
  const double s = (m - 1) / (m + 1);
  const double square = s * s;
  double sum = 0;
  for (int k = 25; k >= 1; k -= 2) sum = sum * square + 1.0 / k;
  return exponent * std::numbers::ln2 + 2 * s * sum;
}

// cos(2 pi turns) for turns in [0, 1).
double portable_cos_turns(double turns) {
  // Exact reductions: fold to [0, 1/2], then to an angle of at most an eighth of a turn.
  if (turns > 0.5) turns = 1 - turns;
  const bool negate = turns > 0.25;
  if (negate) turns = 0.5 - turns;
  const bool use_sine = turns > 0.125;
  const double angle = 2 * std::numbers::pi * (use_sine ? 0.25 - turns : turns);
  const double square = angle * angle;
  // Taylor, |angle| <= pi/4: the first term left out is below 2^-60.
  double sum = 0;
  for (int k = use_sine ? 19 : 18; k >= 2; k -= 2) sum = (sum + 1) * -square / (k * (k - 1));
  const double value = (sum + 1) * (use_sine ? angle : 1);
  return negate ? -value : value;
}

}  // namespace

std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                        std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = std::uint64_t{0xD2511F53} * counter[0];
    const std::uint64_t b = std::uint64_t{0xCD9E8D57} * counter[2];
    counter = {
        static_cast<std::uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(b),
        static_cast<std::uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(a)};
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
  return counter;
}

std::uint64_t Random::next_u64() {
  const auto low = [](std::uint64_t v) { return static_cast<std::uint32_t>(v); };
  const auto high = [](std::uint64_t v) { return static_cast<std::uint32_t>(v >> 32); };
  const auto words = philox4x32({low(counter_), high(counter_), low(stream_), high(stream_)},
                                {low(seed_), high(seed_)});
  ++counter_;
  return words[0] | std::uint64_t{words[1]} << 32;
}

double Random::next_double() { return static_cast<double>(next_u64() >> 11) * 0x1p-53; }

double Random::next_normal() {
  const double radius = std::sqrt(-2 * portable_log(1 - next_double()));  // 1 - u is never zero
  return radius * portable_cos_turns(next_double());
}

std::uint64_t Random::next_below(std::uint64_t bound) {
  CHECK(bound > 0);
  // Lemire, "Fast random integer generation in an interval" (2019): the high word of a product,
  // with the few low words refused that would make some results likelier than others.
  __extension__ using Wide = unsigned __int128;
  const std::uint64_t refused = (0 - bound) % bound;
  for (;;) {
    const Wide product = Wide{next_u64()} * bound;
    if (static_cast<std::uint64_t>(product) >= refused)
      return static_cast<std::uint64_t>(product >> 64);
  }
}

}  // namespace bantam
