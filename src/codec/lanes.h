// Eight floats side by side: what the sums of the encoders run over. Not for use outside this
// folder.
//
// Every compiler makes vector instructions of them, wide or narrow; the order of additions is the
// one written here, so that the sums have the same bits on every machine.
#pragma once

#include <cstddef>
#include <cstring>

namespace bantam {

// Integer codes low..high of a format.
struct CodeRange {
  int low, high;
};

struct Lanes {
  using Four = float __attribute__((vector_size(16)));
  Four a, b;

  static Lanes load(const float* from) {
    Lanes lanes;
    std::memcpy(&lanes, from, sizeof(lanes));
    return lanes;
  }
  static Lanes all(float value) {
    const Four four = {value, value, value, value};
    return {four, four};
  }
  void store(float* to) const { std::memcpy(to, this, sizeof(*this)); }

  friend Lanes operator+(Lanes x, Lanes y) { return {x.a + y.a, x.b + y.b}; }
  friend Lanes operator-(Lanes x, Lanes y) { return {x.a - y.a, x.b - y.b}; }
  friend Lanes operator*(Lanes x, Lanes y) { return {x.a * y.a, x.b * y.b}; }

  float sum() const {
    const Four four = a + b;
    return (four[0] + four[2]) + (four[1] + four[3]);
  }
};
static_assert(sizeof(Lanes) == 8 * sizeof(float));

// The nearest integers (ties to even), held to the range; a NaN gives the lowest.
inline Lanes nearest_codes(Lanes value, CodeRange range) {
  const Lanes low = Lanes::all(static_cast<float>(range.low));
  const Lanes high = Lanes::all(static_cast<float>(range.high));
  const Lanes above = {value.a > low.a ? value.a : low.a, value.b > low.b ? value.b : low.b};
  const Lanes held = {above.a < high.a ? above.a : high.a, above.b < high.b ? above.b : high.b};
  // From 2^23 on a float has no fraction: adding and taking away 1.5 * 2^23 rounds.
  return (held + Lanes::all(0x1.8p23f)) - Lanes::all(0x1.8p23f);
}

// Sum of term(i) over i = 0, 8, 16, … < n, where term gives the Lanes of elements i to i + 7.
template <typename Term>
float lane_sum(std::size_t n, Term term) {
  Lanes total = Lanes::all(0);
  for (std::size_t i = 0; i < n; i += 8) total = total + term(i);
  return total.sum();
}

}  // namespace bantam
