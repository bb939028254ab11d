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

// 256 elements, of which the row has `left`.
struct PackedGroup {
  std::int8_t* quants;  // (256)
  float* scales;        // (8)
  std::int32_t* sums;   // (16)
  float* scaled_sums;   // (8)
};
inline void pack_group(const float* x, std::int64_t left, const PackedGroup& to) {
  for (std::int64_t b = 0; b < 8; ++b) {
    const float* block = x + 32 * b;
    to.scales[b] = pack_block(load_at_most(block, left - 32 * b),
                              load_at_most(block + 16, left - 32 * b - 16), to.quants + 32 * b);
  }
  const Bytes ones = splat_byte(1);
  Ints dots[4];
  for (int i = 0; i < 4; ++i)
    dots[i] = dot_unsigned(splat_int(0), ones, load_bytes(to.quants + 64 * i));
  const Ints sums = sums_of_four(dots);
  store_ints(to.sums, sums);
  float of_32[16];
  store(of_32, to_floats(sums_of_two(sums, sums)));
  for (int b = 0; b < 8; ++b) to.scaled_sums[b] = to.scales[b] * of_32[b];
}

inline void pack_row(const float* x, std::int64_t width, std::int64_t t,
                     const PackedActivations& to) {
  for (std::int64_t g = 0; g < to.groups; ++g) {
    const std::int64_t at = t * to.groups + g;
    pack_group(
        x + 256 * g, width - 256 * g,
        {to.quants + 256 * at, to.scales + 8 * at, to.sums + 16 * at, to.scaled_sums + 8 * at});
  }
}

inline void pack_row_blocks(const float* x, std::int64_t width, std::int64_t t,
                            const PackedActivations& to) {
  alignas(64) std::int8_t quants[256];
  float scales[8], scaled_sums[8];
  std::int32_t sums[16];
  for (std::int64_t g = 0; g < to.groups; ++g) {
    pack_group(x + 256 * g, width - 256 * g, {quants, scales, sums, scaled_sums});
    for (std::int64_t lane = 0; lane < 8; ++lane) {
      ActivationBlock& block = to.blocks[(lane * to.tokens + t) * to.groups + g];
      const std::int32_t first = sums[2 * lane], second = sums[2 * lane + 1];
      std::memcpy(block.quants, quants + 32 * lane, 32);
      block.scale = scales[lane];
      block.scaled_sum = scaled_sums[lane];
      block.offset_sum = -128 * (first + second);
      block.offset_sums[0] = -128 * first;
      block.offset_sums[1] = -128 * second;
    }
  }
}
