// Products of bytes in AVX-512 BW, for machines without VNNI. Meanings: vec_scalar.h.

inline constexpr int kSignedDotOffset = 0;
inline constexpr bool kPairsTokens = false;

inline Ints dot_unsigned(const Ints& sums, const Bytes& w, const Bytes& x) {
  const __m512i pairs = _mm512_maddubs_epi16(w.v, x.v);  // at most 2 * 127 * 127
  return {_mm512_add_epi32(sums.v, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)))};
}
inline Bytes prepare_signed(const Bytes& w) { return w; }
inline Ints dot_signed(const Ints& sums, const Bytes& w, const Bytes& x) {
  const __m512i turned = _mm512_mask_sub_epi8(x.v, _mm512_movepi8_mask(w.v), __m512i{}, x.v);
  const __m512i pairs = _mm512_maddubs_epi16(_mm512_abs_epi8(w.v), turned);  // 2 * 128 * 127
  return {_mm512_add_epi32(sums.v, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)))};
}
