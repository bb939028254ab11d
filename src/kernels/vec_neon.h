// The vocabulary of vec_scalar.h, which says what each word means, in the Advanced SIMD of ARMv8.0:
// four registers for one. The products are in products_neon.h or products_neon_dotprod.h.

inline constexpr int kLanes = 16;
inline constexpr int kThinTokens = 4, kPanelVectors = 1, kWideTokens = 4;
inline constexpr int kFloatRows = 2, kFloatTokens = 2, kPeakChains = 5;
inline constexpr int kAttentionRows = 4, kAttentionVectors = 1, kProductVectors = 1;

struct Floats {
  float32x4_t v[4];
};
struct Ints {
  int32x4_t v[4];
};
struct Bytes {
  uint8x16_t v[4];
};
struct Mask {
  uint32x4_t v[4];
};

inline void opaque(Floats& x) {
  asm volatile("" : "+w"(x.v[0]), "+w"(x.v[1]), "+w"(x.v[2]), "+w"(x.v[3]));
}
inline void opaque(Bytes& x) {
  asm volatile("" : "+w"(x.v[0]), "+w"(x.v[1]), "+w"(x.v[2]), "+w"(x.v[3]));
}

// --- Floats -------------------------------------------------------------------------------------

inline Floats splat(float x) {
  const float32x4_t v = vdupq_n_f32(x);
  return {v, v, v, v};
}
inline Floats load(const float* p) {
  return {vld1q_f32(p), vld1q_f32(p + 4), vld1q_f32(p + 8), vld1q_f32(p + 12)};
}
inline void store(float* p, const Floats& x) {
  for (int i = 0; i < 4; ++i) vst1q_f32(p + 4 * i, x.v[i]);
}
inline Floats load_part(const float* p, std::int64_t n) {
  float part[16] = {};
  std::memcpy(part, p, static_cast<std::size_t>(n) * sizeof(float));
  return load(part);
}
inline void store_part(float* p, const Floats& x, std::int64_t n) {
  float part[16];
  store(part, x);
  std::memcpy(p, part, static_cast<std::size_t>(n) * sizeof(float));
}
inline Floats add(const Floats& x, const Floats& y) {
  Floats r;
  for (int i = 0; i < 4; ++i) r.v[i] = vaddq_f32(x.v[i], y.v[i]);
  return r;
}
inline Floats sub(const Floats& x, const Floats& y) {
  Floats r;
  for (int i = 0; i < 4; ++i) r.v[i] = vsubq_f32(x.v[i], y.v[i]);
  return r;
}
inline Floats mul(const Floats& x, const Floats& y) {
  Floats r;
  for (int i = 0; i < 4; ++i) r.v[i] = vmulq_f32(x.v[i], y.v[i]);
  return r;
}
inline Floats square_root(const Floats& x) {
  Floats r;
  for (int i = 0; i < 4; ++i) r.v[i] = vsqrtq_f32(x.v[i]);
  return r;
}
inline Floats div(const Floats& x, const Floats& y) {
  Floats r;
  for (int i = 0; i < 4; ++i) r.v[i] = vdivq_f32(x.v[i], y.v[i]);
  return r;
}
inline Floats fma(const Floats& x, const Floats& y, const Floats& z) {
  Floats r;
  for (int i = 0; i < 4; ++i) r.v[i] = vfmaq_f32(z.v[i], x.v[i], y.v[i]);
  return r;
}
inline float first_lane(const Floats& x) { return vgetq_lane_f32(x.v[0], 0); }
template <int kDistance>
inline Floats swap_lanes(const Floats& x) {
  if constexpr (kDistance == 1)
    return {vrev64q_f32(x.v[0]), vrev64q_f32(x.v[1]), vrev64q_f32(x.v[2]), vrev64q_f32(x.v[3])};
  else if constexpr (kDistance == 2)
    return {vextq_f32(x.v[0], x.v[0], 2), vextq_f32(x.v[1], x.v[1], 2),
            vextq_f32(x.v[2], x.v[2], 2), vextq_f32(x.v[3], x.v[3], 2)};
  else if constexpr (kDistance == 4)
    return {x.v[1], x.v[0], x.v[3], x.v[2]};
  else
    return {x.v[2], x.v[3], x.v[0], x.v[1]};
}
// Not vmaxq and vminq, which give NaN where either operand is one.
inline Floats maximum(const Floats& x, const Floats& y) {
  Floats r;
  for (int i = 0; i < 4; ++i) r.v[i] = vbslq_f32(vcgtq_f32(x.v[i], y.v[i]), x.v[i], y.v[i]);
  return r;
}
inline Floats minimum(const Floats& x, const Floats& y) {
  Floats r;
  for (int i = 0; i < 4; ++i) r.v[i] = vbslq_f32(vcltq_f32(x.v[i], y.v[i]), x.v[i], y.v[i]);
  return r;
}
inline Mask less(const Floats& x, const Floats& y) {
  Mask r;
  for (int i = 0; i < 4; ++i) r.v[i] = vcltq_f32(x.v[i], y.v[i]);
  return r;
}
inline Floats select(const Mask& m, const Floats& yes, const Floats& no) {
  Floats r;
  for (int i = 0; i < 4; ++i) r.v[i] = vbslq_f32(m.v[i], yes.v[i], no.v[i]);
  return r;
}
// Eight lanes added in halves.
inline float sum_half(float32x4_t low, float32x4_t high) {
  const float32x4_t b = vaddq_f32(low, high);
  return vpadds_f32(vadd_f32(vget_low_f32(b), vget_high_f32(b)));
}
inline float sum(const Floats& x) {
  return sum_half(vaddq_f32(x.v[0], x.v[2]), vaddq_f32(x.v[1], x.v[3]));
}
inline Floats sums_of_sixteen(const Floats (&x)[16]) {
  Floats r;
  for (int g = 0; g < 4; ++g) {
    float64x2_t fours[4];  // what is left of x[4 g + i]
    for (int i = 0; i < 4; ++i) {
      const float32x4_t* v = x[4 * g + i].v;
      fours[i] = vreinterpretq_f64_f32(vaddq_f32(vaddq_f32(v[0], v[2]), vaddq_f32(v[1], v[3])));
    }
    const auto pairs_added = [](float64x2_t a, float64x2_t b) {
      return vaddq_f32(vreinterpretq_f32_f64(vtrn1q_f64(a, b)),
                       vreinterpretq_f32_f64(vtrn2q_f64(a, b)));
    };
    r.v[g] = vpaddq_f32(pairs_added(fours[0], fours[1]), pairs_added(fours[2], fours[3]));
  }
  return r;
}
inline float block_sum(float32x4_t even, float32x4_t odd) {
  const float32x2_t pairs = vpadd_f32(vadd_f32(vget_low_f32(even), vget_high_f32(even)),
                                      vadd_f32(vget_low_f32(odd), vget_high_f32(odd)));
  return vget_lane_f32(pairs, 0) + vget_lane_f32(pairs, 1);
}
inline void half_sums(const Floats& x, float& low, float& high) {
  low = block_sum(x.v[0], x.v[1]);
  high = block_sum(x.v[2], x.v[3]);
}
inline Floats in_block_order(const Floats& x) {
  return {vuzp1q_f32(x.v[0], x.v[1]), vuzp2q_f32(x.v[0], x.v[1]), vuzp1q_f32(x.v[2], x.v[3]),
          vuzp2q_f32(x.v[2], x.v[3])};
}
inline Floats join(float low, float high) {
  const float32x4_t a = vdupq_n_f32(low), b = vdupq_n_f32(high);
  return {a, a, b, b};
}
inline float32x4_t splat_f16(const void* p) {
  std::uint16_t bits;
  std::memcpy(&bits, p, 2);
  return vcvt_f32_f16(vreinterpret_f16_u16(vdup_n_u16(bits)));
}
inline Floats join_f16(const void* low, const void* high) {
  const float32x4_t a = splat_f16(low), b = splat_f16(high);
  return {a, a, b, b};
}
inline void join_f16_pairs(const void* low, const void* high, Floats& first, Floats& second) {
  first = join_f16(low, high);
  second =
      join_f16(static_cast<const std::byte*>(low) + 2, static_cast<const std::byte*>(high) + 2);
}
inline Floats load_twice(const float* p) {
  const float32x4_t a = vld1q_f32(p), b = vld1q_f32(p + 4);
  return {a, b, a, b};
}
inline void store_halves(float* low, float* high, const Floats& x) {
  vst1q_f32(low, x.v[0]);
  vst1q_f32(low + 4, x.v[1]);
  vst1q_f32(high, x.v[2]);
  vst1q_f32(high + 4, x.v[3]);
}
inline Floats from_f16(const std::uint16_t* p) {
  Floats r;
  for (int i = 0; i < 4; ++i) r.v[i] = vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p + 4 * i)));
  return r;
}
template <std::size_t kStride>
inline Floats strided_f16(const void* a, const void* b) {
  std::uint16_t bits[16];
  for (std::size_t i = 0; i < 8; ++i) {
    std::memcpy(bits + i, static_cast<const std::byte*>(a) + i * kStride, 2);
    std::memcpy(bits + i + 8, static_cast<const std::byte*>(b) + i * kStride, 2);
  }
  return from_f16(bits);
}
inline Floats from_bf16(const std::uint16_t* p) {
  Floats r;
  for (int i = 0; i < 4; ++i) r.v[i] = vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p + 4 * i), 16));
  return r;
}
inline void to_f16(std::uint16_t* p, const Floats& x) {
  for (int i = 0; i < 4; ++i) vst1_u16(p + 4 * i, vreinterpret_u16_f16(vcvt_f16_f32(x.v[i])));
}

// --- Ints ---------------------------------------------------------------------------------------

inline Ints splat_int(std::int32_t x) {
  const int32x4_t v = vdupq_n_s32(x);
  return {v, v, v, v};
}
inline Ints load_twice(const std::int32_t* p) {
  const int32x4_t a = vld1q_s32(p), b = vld1q_s32(p + 4);
  return {a, b, a, b};
}
inline Ints load_ints(const std::int32_t* p) {
  return {vld1q_s32(p), vld1q_s32(p + 4), vld1q_s32(p + 8), vld1q_s32(p + 12)};
}
inline void store_ints(std::int32_t* p, const Ints& x) {
  for (int i = 0; i < 4; ++i) vst1q_s32(p + 4 * i, x.v[i]);
}
inline Ints add(const Ints& x, const Ints& y) {
  Ints r;
  for (int i = 0; i < 4; ++i) r.v[i] = vaddq_s32(x.v[i], y.v[i]);
  return r;
}
inline Ints sub(const Ints& x, const Ints& y) {
  Ints r;
  for (int i = 0; i < 4; ++i) r.v[i] = vsubq_s32(x.v[i], y.v[i]);
  return r;
}
inline Ints mul(const Ints& x, const Ints& y) {
  Ints r;
  for (int i = 0; i < 4; ++i) r.v[i] = vmulq_s32(x.v[i], y.v[i]);
  return r;
}
inline Ints bit_and(const Ints& x, const Ints& y) {
  Ints r;
  for (int i = 0; i < 4; ++i) r.v[i] = vandq_s32(x.v[i], y.v[i]);
  return r;
}
inline Ints maximum(const Ints& x, const Ints& y) {
  Ints r;
  for (int i = 0; i < 4; ++i) r.v[i] = vmaxq_s32(x.v[i], y.v[i]);
  return r;
}
inline std::int32_t largest(const Ints& x) {
  return vmaxvq_s32(vmaxq_s32(vmaxq_s32(x.v[0], x.v[1]), vmaxq_s32(x.v[2], x.v[3])));
}
template <int kBits>
inline Ints shift_left(const Ints& x) {
  Ints r;
  for (int i = 0; i < 4; ++i) r.v[i] = vshlq_n_s32(x.v[i], kBits);
  return r;
}
template <int kBits>
inline Ints shift_right(const Ints& x) {
  Ints r;
  for (int i = 0; i < 4; ++i) r.v[i] = vshrq_n_s32(x.v[i], kBits);
  return r;
}
inline Floats to_floats(const Ints& x) {
  Floats r;
  for (int i = 0; i < 4; ++i) r.v[i] = vcvtq_f32_s32(x.v[i]);
  return r;
}
inline Ints to_ints(const Floats& x) {
  Ints r;
  for (int i = 0; i < 4; ++i) r.v[i] = vcvtnq_s32_f32(x.v[i]);
  return r;
}
inline Ints as_ints(const Floats& x) {
  Ints r;
  for (int i = 0; i < 4; ++i) r.v[i] = vreinterpretq_s32_f32(x.v[i]);
  return r;
}
inline Floats as_floats(const Ints& x) {
  Floats r;
  for (int i = 0; i < 4; ++i) r.v[i] = vreinterpretq_f32_s32(x.v[i]);
  return r;
}
inline int32x4_t widen_low(int16x8_t x) { return vmovl_s16(vget_low_s16(x)); }
inline int32x4_t widen_high(int16x8_t x) { return vmovl_high_s16(x); }
inline Ints widen(std::uint64_t low, std::uint64_t high) {
  const int16x8_t a = vreinterpretq_s16_u16(vmovl_u8(vcreate_u8(low)));
  const int16x8_t b = vreinterpretq_s16_u16(vmovl_u8(vcreate_u8(high)));
  return {widen_low(a), widen_high(a), widen_low(b), widen_high(b)};
}
inline void six_bit_scales(const void* a, const void* b, Ints& scales, Ints& minimums) {
  const void* heads[2] = {a, b};
  std::uint64_t of_scales[2], of_minimums[2];
  for (int r = 0; r < 2; ++r) {  // four in a word
    std::uint32_t p[4];
    std::memcpy(p, heads[r], sizeof p);
    const std::uint32_t high_scales = (p[3] & 0x0F0F0F0Fu) | (p[1] >> 2 & 0x30303030u);
    const std::uint32_t high_minimums = (p[3] >> 4 & 0x0F0F0F0Fu) | (p[2] >> 2 & 0x30303030u);
    of_scales[r] = (p[1] & 0x3F3F3F3Fu) | static_cast<std::uint64_t>(high_scales) << 32;
    of_minimums[r] = (p[2] & 0x3F3F3F3Fu) | static_cast<std::uint64_t>(high_minimums) << 32;
  }
  scales = widen(of_scales[0], of_scales[1]);
  minimums = widen(of_minimums[0], of_minimums[1]);
}
inline Ints widen_signed(const std::int8_t* p) {
  const int16x8_t a = vmovl_s8(vld1_s8(p)), b = vmovl_s8(vld1_s8(p + 8));
  return {widen_low(a), widen_high(a), widen_low(b), widen_high(b)};
}
inline void narrow(std::int8_t* p, const Ints& x) {
  vst1_s8(p, vmovn_s16(vcombine_s16(vmovn_s32(x.v[0]), vmovn_s32(x.v[1]))));
  vst1_s8(p + 8, vmovn_s16(vcombine_s16(vmovn_s32(x.v[2]), vmovn_s32(x.v[3]))));
}

// --- Bytes --------------------------------------------------------------------------------------

inline const std::uint8_t* bytes_at(const void* p) { return static_cast<const std::uint8_t*>(p); }

inline Bytes splat_byte(std::uint8_t x) {
  const uint8x16_t v = vdupq_n_u8(x);
  return {v, v, v, v};
}
inline Bytes load_two(const void* low, const void* high) {
  return {vld1q_u8(bytes_at(low)), vld1q_u8(bytes_at(low) + 16), vld1q_u8(bytes_at(high)),
          vld1q_u8(bytes_at(high) + 16)};
}
inline Bytes load_bytes(const void* p) { return load_two(p, bytes_at(p) + 32); }
inline void store_bytes(void* p, const Bytes& x) {
  for (int i = 0; i < 4; ++i) vst1q_u8(static_cast<std::uint8_t*>(p) + 16 * i, x.v[i]);
}
inline Bytes load_bytes_twice(const void* p) {
  const auto* bytes = static_cast<const std::uint8_t*>(p);
  const uint8x16_t a = vld1q_u8(bytes), b = vld1q_u8(bytes + 16);
  return {a, b, a, b};
}
inline Bytes load_four(const void* p) {
  std::uint32_t x;
  std::memcpy(&x, p, sizeof x);
  const uint8x16_t v = vreinterpretq_u8_u32(vdupq_n_u32(x));
  return {v, v, v, v};
}
// 16-bit lanes; the instruction has no shift by nothing.
template <int kBits>
inline uint8x16_t lanes_right(uint8x16_t x) {
  if constexpr (kBits == 0)
    return x;
  else
    return vreinterpretq_u8_u16(vshrq_n_u16(vreinterpretq_u16_u8(x), kBits));
}
template <int kLow, int kHigh>
inline Bytes load_shifted(const void* p) {
  const uint8x16_t a = vld1q_u8(bytes_at(p)), b = vld1q_u8(bytes_at(p) + 16);
  return {lanes_right<kLow>(a), lanes_right<kLow>(b), lanes_right<kHigh>(a), lanes_right<kHigh>(b)};
}
inline Bytes load_nibbles(const void* low, const void* high) {
  const uint8x16_t a = vld1q_u8(bytes_at(low)), b = vld1q_u8(bytes_at(high));
  const uint8x16_t mask = vdupq_n_u8(15);
  return {vandq_u8(a, mask), vshrq_n_u8(a, 4), vandq_u8(b, mask), vshrq_n_u8(b, 4)};
}
inline Bytes bit_and(const Bytes& x, const Bytes& y) {
  Bytes r;
  for (int i = 0; i < 4; ++i) r.v[i] = vandq_u8(x.v[i], y.v[i]);
  return r;
}
inline Bytes add(const Bytes& x, const Bytes& y) {
  Bytes r;
  for (int i = 0; i < 4; ++i) r.v[i] = vaddq_u8(x.v[i], y.v[i]);
  return r;
}
inline Bytes bit_or(const Bytes& x, const Bytes& y) {
  Bytes r;
  for (int i = 0; i < 4; ++i) r.v[i] = vorrq_u8(x.v[i], y.v[i]);
  return r;
}
template <int kBits>
inline Bytes shift_right(const Bytes& x) {
  Bytes r;
  for (int i = 0; i < 4; ++i) r.v[i] = lanes_right<kBits>(x.v[i]);
  return r;
}
template <int kBits>
inline Bytes shift_left(const Bytes& x) {
  Bytes r;
  for (int i = 0; i < 4; ++i)
    r.v[i] = vreinterpretq_u8_u16(vshlq_n_u16(vreinterpretq_u16_u8(x.v[i]), kBits));
  return r;
}
inline Bytes where_set(std::uint64_t bits, std::uint8_t value) {
  const uint8x8_t each = vcreate_u8(0x8040201008040201u);
  const uint8x16_t all = vdupq_n_u8(value);
  Bytes r;
  for (int i = 0; i < 4; ++i) {
    const uint8x16_t copies =
        vcombine_u8(vdup_n_u8(static_cast<std::uint8_t>(bits >> (16 * i))),
                    vdup_n_u8(static_cast<std::uint8_t>(bits >> (16 * i + 8))));
    r.v[i] = vandq_u8(vtstq_u8(copies, vcombine_u8(each, each)), all);
  }
  return r;
}
inline Bytes look_up(const Bytes& indices, const std::int8_t* table) {
  const uint8x16_t levels = vreinterpretq_u8_s8(vld1q_s8(table));
  Bytes r;
  for (int i = 0; i < 4; ++i) r.v[i] = vqtbl1q_u8(levels, indices.v[i]);
  return r;
}
inline Bytes bit_xor(const Bytes& x, const Bytes& y) {
  Bytes r;
  for (int i = 0; i < 4; ++i) r.v[i] = veorq_u8(x.v[i], y.v[i]);
  return r;
}
inline Bytes as_bytes(const Ints& x) {
  Bytes r;
  for (int i = 0; i < 4; ++i) r.v[i] = vreinterpretq_u8_s32(x.v[i]);
  return r;
}
inline Bytes load_quarters(const void* p) {
  const uint8x16_t v = vld1q_u8(bytes_at(p)), mask = vdupq_n_u8(3);
  return {vandq_u8(v, mask), vandq_u8(vshrq_n_u8(v, 2), mask), vandq_u8(vshrq_n_u8(v, 4), mask),
          vshrq_n_u8(v, 6)};
}
inline Bytes load_nibbles_by_eight(const void* p) {
  Bytes r;
  for (int i = 0; i < 2; ++i) {
    const uint8x16_t v = vld1q_u8(bytes_at(p) + 16 * i);
    const uint64x2_t low = vreinterpretq_u64_u8(vandq_u8(v, vdupq_n_u8(15)));
    const uint64x2_t high = vreinterpretq_u64_u8(vshrq_n_u8(v, 4));
    r.v[2 * i] = vreinterpretq_u8_u64(vzip1q_u64(low, high));
    r.v[2 * i + 1] = vreinterpretq_u8_u64(vzip2q_u64(low, high));
  }
  return r;
}
inline Bytes whole_thirds(const Bytes& x) {
  Bytes r;
  for (int i = 0; i < 4; ++i) {
    const uint8x16_t first = vcgeq_u8(x.v[i], vdupq_n_u8(86));
    const uint8x16_t second = vcgeq_u8(x.v[i], vdupq_n_u8(171));
    r.v[i] = vsubq_u8(vdupq_n_u8(0), vaddq_u8(first, second));  // each of them is minus one
  }
  return r;
}

inline uint32x4_t low_pairs(uint32x4_t x, uint32x4_t y) {
  return vreinterpretq_u32_u64(vtrn1q_u64(vreinterpretq_u64_u32(x), vreinterpretq_u64_u32(y)));
}
inline uint32x4_t high_pairs(uint32x4_t x, uint32x4_t y) {
  return vreinterpretq_u32_u64(vtrn2q_u64(vreinterpretq_u64_u32(x), vreinterpretq_u64_u32(y)));
}
// Four rows of four words; out[c] holds word c of every row.
inline void transpose_four(const uint8x16_t (&rows)[4], uint8x16_t (&out)[4]) {
  uint32x4_t r[4];
  for (int i = 0; i < 4; ++i) r[i] = vreinterpretq_u32_u8(rows[i]);
  const uint32x4_t even01 = vtrn1q_u32(r[0], r[1]), odd01 = vtrn2q_u32(r[0], r[1]);
  const uint32x4_t even23 = vtrn1q_u32(r[2], r[3]), odd23 = vtrn2q_u32(r[2], r[3]);
  out[0] = vreinterpretq_u8_u32(low_pairs(even01, even23));
  out[1] = vreinterpretq_u8_u32(low_pairs(odd01, odd23));
  out[2] = vreinterpretq_u8_u32(high_pairs(even01, even23));
  out[3] = vreinterpretq_u8_u32(high_pairs(odd01, odd23));
}
inline void transpose(const std::uint8_t* rows, std::size_t stride, Bytes (&out)[16]) {
  for (std::size_t g = 0; g < 4; ++g)
    for (std::size_t c = 0; c < 4; ++c) {
      uint8x16_t square[4], turned[4];
      for (std::size_t i = 0; i < 4; ++i)
        square[i] = vld1q_u8(rows + (4 * g + i) * stride + 16 * c);
      transpose_four(square, turned);
      for (std::size_t i = 0; i < 4; ++i) out[4 * c + i].v[g] = turned[i];
    }
}
inline void interleave(const Bytes (&a)[4], const Bytes (&b)[4], Bytes (&words)[8]) {
  const Bytes* rows[2] = {a, b};
  for (int r = 0; r < 2; ++r)
    for (int q = 0; q < 4; ++q) {  // words 0 to 3 of the even blocks, 4 to 7, then of the odd ones
      uint8x16_t turned[4];
      transpose_four({rows[r][0].v[q], rows[r][1].v[q], rows[r][2].v[q], rows[r][3].v[q]}, turned);
      for (int i = 0; i < 4; ++i) words[q % 2 * 4 + i].v[2 * r + q / 2] = turned[i];
    }
}

inline constexpr bool kInterleavesNibbles = false;

// --- Sums of products ---------------------------------------------------------------------------

inline Ints sums_of_four(const Ints (&x)[4]) {
  Ints r;
  for (int i = 0; i < 4; ++i) {
    const int32x4_t* v = x[i].v;
    r.v[i] = vpaddq_s32(vpaddq_s32(v[0], v[1]), vpaddq_s32(v[2], v[3]));
  }
  return r;
}
inline int32x4_t every_fourth(int first, const Ints& x) {
  const int32x4_t low = first % 2 == 0 ? vuzp1q_s32(x.v[0], x.v[1]) : vuzp2q_s32(x.v[0], x.v[1]);
  const int32x4_t high = first % 2 == 0 ? vuzp1q_s32(x.v[2], x.v[3]) : vuzp2q_s32(x.v[2], x.v[3]);
  return first < 2 ? vuzp1q_s32(low, high) : vuzp2q_s32(low, high);
}
inline void halves_in_block_order(const Ints& a, const Ints& b, Ints (&halves)[2]) {
  for (int h = 0; h < 2; ++h)
    halves[h] = {every_fourth(h, a), every_fourth(h + 2, a), every_fourth(h, b),
                 every_fourth(h + 2, b)};
}
