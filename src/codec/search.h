// Finding the scale of a group of weights: what the encoders share. Not for use outside this
// folder.
//
// Sums run over eight lanes in a fixed order, so that they vectorise and still give the same bits
// on every machine. Inputs are scaled so that their squares neither overflow nor vanish (Scaled).
#pragma once

#include <cstddef>
#include <span>

namespace bantam {

// Integer codes low..high of a format.
struct CodeRange {
  int low, high;
};

// The nearest integer (ties to even) as a float, held to [low, high]; a NaN gives low.
inline float nearest_code(float value, CodeRange range) {
  const auto low = static_cast<float>(range.low), high = static_cast<float>(range.high);
  const float held = value > low ? (value < high ? value : high) : low;
  // Past 2^23 a float has no fraction left: adding and taking away 1.5 * 2^23 rounds.
  return (held + 0x1.8p23f) - 0x1.8p23f;
}

// Sum of term(i) for i < n; n is a multiple of eight.
template <typename Term>
float lane_sum(std::size_t n, Term term) {
  float lane[8] = {};
  for (std::size_t i = 0; i < n; i += 8)
    for (std::size_t j = 0; j < 8; ++j) lane[j] += term(i + j);
  return ((lane[0] + lane[4]) + (lane[2] + lane[6])) + ((lane[1] + lane[5]) + (lane[3] + lane[7]));
}

// d for x ~ d * q, q in `range`, with a small sum of w (x - d q)^2; 0 for all zeros. Tries scales
// around the one that maps the largest magnitude to range.low, each with the d that fits its codes
// best. x and w are equally long, at most 256, a multiple of eight.
float search_scale(std::span<const float> x, std::span<const float> w, CodeRange range);

// x ~ scale * q + offset.
struct AffineFit {
  float scale = 0, offset = 0;
};

// The same for q in 0..top; scale >= 0. `offset_limit` is the largest offset allowed.
AffineFit search_affine(std::span<const float> x, std::span<const float> w, int top,
                        float offset_limit);

// A block of at most 256 elements times a power of two that brings the largest magnitude into
// [1, 2), with weights whose largest is 1.
//
// Groups without importance, or with none above zero, weigh an element by the root mean square of
// its group plus its own magnitude. That is the field's custom where nothing is known about the
// activations: a large weight matters up to twice as much as a typical one.
struct Scaled {
  float x[256], w[256];
  float unit;  // original = x * unit, a power of two
  bool zero;   // nothing in the block that an f16 scale could tell from zero; x, w, unit unset

  Scaled(const float* in, const float* importance, std::size_t n, std::size_t group);
};

}  // namespace bantam
