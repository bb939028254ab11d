// Products of bytes in AVX-512 VNNI. Meanings: vec_scalar.h.

inline constexpr int kSignedDotOffset = 128;
inline constexpr bool kPairsTokens = false;

inline Ints dot_unsigned(const Ints& sums, const Bytes& w, const Bytes& x) {
  return {_mm512_dpbusd_epi32(sums.v, w.v, x.v)};
}
inline Bytes prepare_signed(const Bytes& w) {
  return {_mm512_xor_si512(w.v, _mm512_set1_epi8(-128))};
}
inline Ints dot_signed(const Ints& sums, const Bytes& w, const Bytes& x) {
  return {_mm512_dpbusd_epi32(sums.v, w.v, x.v)};
}
