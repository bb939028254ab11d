// Products of bytes in AVX2. Meanings: vec_scalar.h.

inline constexpr int kSignedDotOffset = 0;
inline constexpr bool kPairsTokens = false;

inline __m256i half_dot(__m256i sums, __m256i w, __m256i x) {
  const __m256i pairs = _mm256_maddubs_epi16(w, x);  // at most 2 * 128 * 127
  return _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}
inline Ints dot_unsigned(const Ints& sums, const Bytes& w, const Bytes& x) {
  return {half_dot(sums.a, w.a, x.a), half_dot(sums.b, w.b, x.b)};
}
inline Bytes prepare_signed(const Bytes& w) { return w; }
inline Ints dot_signed(const Ints& sums, const Bytes& w, const Bytes& x) {
  return {half_dot(sums.a, _mm256_abs_epi8(w.a), _mm256_sign_epi8(x.a, w.a)),
          half_dot(sums.b, _mm256_abs_epi8(w.b), _mm256_sign_epi8(x.b, w.b))};
}
