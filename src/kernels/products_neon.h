// Products of bytes in the Advanced SIMD of ARMv8.0. Meanings: vec_scalar.h.

inline constexpr int kSignedDotOffset = 0;
inline constexpr bool kPairsTokens = false;

inline Bytes prepare_signed(const Bytes& w) { return w; }
inline Ints dot_signed(const Ints& sums, const Bytes& w, const Bytes& x) {
  Ints r;
  for (int i = 0; i < 4; ++i) {
    const int8x16_t a = vreinterpretq_s8_u8(w.v[i]), b = vreinterpretq_s8_u8(x.v[i]);
    const int16x8_t low = vmull_s8(vget_low_s8(a), vget_low_s8(b)), high = vmull_high_s8(a, b);
    r.v[i] = vpadalq_s16(sums.v[i], vpaddq_s16(low, high));  // pairs are at most 2 * 128 * 127
  }
  return r;
}
// Weights of at most 127 are signed bytes too.
inline Ints dot_unsigned(const Ints& sums, const Bytes& w, const Bytes& x) {
  return dot_signed(sums, w, x);
}
