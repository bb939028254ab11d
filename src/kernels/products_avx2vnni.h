// Products of bytes in AVX2 with AVX-VNNI. Meanings: vec_scalar.h.

inline constexpr int kSignedDotOffset = 128;
inline constexpr bool kPairsTokens = false;

inline Ints dot_unsigned(const Ints& sums, const Bytes& w, const Bytes& x) {
  return {_mm256_dpbusd_avx_epi32(sums.a, w.a, x.a), _mm256_dpbusd_avx_epi32(sums.b, w.b, x.b)};
}
inline Bytes prepare_signed(const Bytes& w) {
  const __m256i top = _mm256_set1_epi8(-128);
  return {_mm256_xor_si256(w.a, top), _mm256_xor_si256(w.b, top)};
}
inline Ints dot_signed(const Ints& sums, const Bytes& w, const Bytes& x) {
  return dot_unsigned(sums, w, x);
}
