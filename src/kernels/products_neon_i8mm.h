// Products of bytes by SDOT, and those of panels by SMMLA of ARMv8.6, which multiplies two rows of
// eight elements with those of two tokens. Meanings: vec_scalar.h.

inline constexpr int kSignedDotOffset = 0;

inline Bytes prepare_signed(const Bytes& w) { return w; }
inline Ints dot_signed(const Ints& sums, const Bytes& w, const Bytes& x) {
  Ints r;
  for (int i = 0; i < 4; ++i)
    r.v[i] = vdotq_s32(sums.v[i], vreinterpretq_s8_u8(w.v[i]), vreinterpretq_s8_u8(x.v[i]));
  return r;
}
// Weights of at most 127 are signed bytes too.
inline Ints dot_unsigned(const Ints& sums, const Bytes& w, const Bytes& x) {
  return dot_signed(sums, w, x);
}

inline constexpr bool kPairsTokens = true;
// Sums of sixteen rows and two tokens: of rows 2 i and 2 i + 1 in v[i], the tokens side by side.
struct PairSums {
  int32x4_t v[8];
};
inline PairSums splat_pair(std::int32_t first, std::int32_t second) {
  const std::int32_t both[4] = {first, second, first, second};
  PairSums r;
  for (int32x4_t& sums : r.v) sums = vld1q_s32(both);
  return r;
}
// Words k and k + 1 of sixteen rows, side by side row by row: rows 4 i and 4 i + 1 in the first 64
// bytes, 4 i + 2 and 4 i + 3 in the second.
inline void pair_words(std::uint8_t* even, std::uint8_t* odd) {
  for (int i = 0; i < 4; ++i) {
    const uint32x4_t a = vreinterpretq_u32_u8(vld1q_u8(even + 16 * i));
    const uint32x4_t b = vreinterpretq_u32_u8(vld1q_u8(odd + 16 * i));
    vst1q_u8(even + 16 * i, vreinterpretq_u8_u32(vzip1q_u32(a, b)));
    vst1q_u8(odd + 16 * i, vreinterpretq_u8_u32(vzip2q_u32(a, b)));
  }
}
// Adds the products of paired words with eight elements of either token.
inline PairSums dot_pair(const PairSums& sums, const std::uint8_t* even, const std::uint8_t* odd,
                         const std::int8_t* first, const std::int8_t* second) {
  const int8x16_t x = vcombine_s8(vld1_s8(first), vld1_s8(second));
  PairSums r;
  for (int i = 0; i < 4; ++i) {
    r.v[2 * i] = vmmlaq_s32(sums.v[2 * i], vreinterpretq_s8_u8(vld1q_u8(even + 16 * i)), x);
    r.v[2 * i + 1] = vmmlaq_s32(sums.v[2 * i + 1], vreinterpretq_s8_u8(vld1q_u8(odd + 16 * i)), x);
  }
  return r;
}
inline void split(const PairSums& sums, Ints& first, Ints& second) {
  for (int i = 0; i < 4; ++i) {
    first.v[i] = vuzp1q_s32(sums.v[2 * i], sums.v[2 * i + 1]);
    second.v[i] = vuzp2q_s32(sums.v[2 * i], sums.v[2 * i + 1]);
  }
}
