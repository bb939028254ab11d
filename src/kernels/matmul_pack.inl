// Activations packed for products with integers, in either of the two forms of kernels.h.

// 32 elements, as PackedActivations says. Returns their scale.
inline float pack_block(const Floats& low, const Floats& high, std::int8_t* quants) {
  constexpr float kTiny = 0x1p-100f;
  const Ints no_sign = splat_int(0x7FFFFFFF);
  const Ints magnitudes = maximum(bit_and(as_ints(low), no_sign), bit_and(as_ints(high), no_sign));
  // Bits of floats without a sign are in the order of the floats, NaNs above infinity.
  const float largest_x = std::bit_cast<float>(largest(magnitudes));
  const bool finite = largest_x <= std::numeric_limits<float>::max();
  if (!finite || largest_x < kTiny) {
    std::memset(quants, 0, 32);
    return finite ? 0.0f : std::numeric_limits<float>::quiet_NaN();
  }
  const Floats inverse = splat(127.0f / largest_x);
  narrow(quants, to_ints(mul(low, inverse)));
  narrow(quants + 16, to_ints(mul(high, inverse)));
  return largest_x / 127.0f;
}

// Sixteen floats, of which there are n; zeros in the place of the others.
inline Floats load_at_most(const float* p, std::int64_t n) {
  if (n >= kLanes) return load(p);
  return n > 0 ? load_part(p, n) : splat(0.0f);
}
inline void store_at_most(float* p, const Floats& x, std::int64_t n) {
  if (n >= kLanes)
    store(p, x);
  else if (n > 0)
    store_part(p, x, n);
}

// 256 elements in natural order.
struct PlainGroup {
  alignas(64) std::int8_t quants[8][32];
  float scales[8];
  std::int32_t sums[8][2];  // of either half of a block
};

// x has `left` elements; those past it are zeros.
inline void pack_group(const float* x, std::int64_t left, PlainGroup& to) {
  for (std::int64_t b = 0; b < 8; ++b) {
    const float* block = x + 32 * b;
    to.scales[b] = pack_block(load_at_most(block, left - 32 * b),
                              load_at_most(block + 16, left - 32 * b - 16), to.quants[b]);
  }
  const Bytes ones = splat_byte(1);
  Ints dots[4];
  for (int i = 0; i < 4; ++i)
    dots[i] = dot_unsigned(splat_int(0), ones, load_bytes(to.quants[2 * i]));
  store_ints(to.sums[0], sums_of_four(dots));
}

inline void arrange(const PlainGroup& group, ActivationGroup& to) {
  for (int lane = 0; lane < 8; ++lane) {
    const int b = kBlockOrder[lane];
    const std::int32_t first = group.sums[b][0], second = group.sums[b][1];
    for (int k = 0; k < 8; ++k) std::memcpy(to.quants[k] + 4 * lane, group.quants[b] + 4 * k, 4);
    to.scales[lane] = group.scales[b];
    to.scaled_sums[lane] = group.scales[b] * static_cast<float>(first + second);
    to.offset_sum[lane] = -128 * (first + second);
    to.offset_sums[0][lane] = -128 * first;
    to.offset_sums[1][lane] = -128 * second;
  }
}
inline void arrange(const PlainGroup& group, int b, ActivationBlock& to) {
  const std::int32_t first = group.sums[b][0], second = group.sums[b][1];
  std::memcpy(to.quants, group.quants[b], 32);
  to.scale = group.scales[b];
  to.scaled_sum = group.scales[b] * static_cast<float>(first + second);
  to.offset_sum = -128 * (first + second);
  to.offset_sums[0] = -128 * first;
  to.offset_sums[1] = -128 * second;
}

inline void pack_row(const float* x, std::int64_t width, std::int64_t t,
                     const PackedActivations& to) {
  PlainGroup group;
  for (std::int64_t g = 0; g < to.groups; ++g) {
    pack_group(x + 256 * g, width - 256 * g, group);
    if (to.thin != nullptr) arrange(group, to.thin[t * to.groups + g]);
    if (to.wide != nullptr)
      for (int b = 0; b < 8; ++b) arrange(group, b, to.wide[(b * to.tokens + t) * to.groups + g]);
  }
}
