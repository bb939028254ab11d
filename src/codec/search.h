// Finding the scale of a group of weights: what the encoders share. Not for use outside this
// folder.
#pragma once

#include <cstddef>
#include <span>

#include "codec/lanes.h"

namespace bantam {

// x and w of the searches are equally long: a multiple of eight, at most 256. Their squares must
// neither overflow nor vanish, which Scaled sees to.

// d for x ~ d * q, q in `range`, with a small sum of w (x - d q)^2; 0 for all zeros. Tries scales
// around the one that maps the largest magnitude to range.low, each with the d that fits its codes
// best.
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
