// Products of bytes by SDOT of ARMv8.2. Meanings: vec_scalar.h.

inline constexpr int kSignedDotOffset = 0;
inline constexpr bool kPairsTokens = false;

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
