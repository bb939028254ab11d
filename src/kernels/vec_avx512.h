// The vocabulary of vec_scalar.h, which says what each word means, in AVX-512 F, BW, DQ and VL.
// The products are in products_avx512.h or products_avx512vnni.h.

inline constexpr int kLanes = 16;
inline constexpr int kThinTokens = 8, kPanelVectors = 2, kWideTokens = 6;
inline constexpr int kFloatRows = 4, kFloatTokens = 6, kPeakChains = 12;
inline constexpr int kAttentionRows = 8, kAttentionVectors = 2, kProductVectors = 3;

struct Floats {
  __m512 v;
};
struct Ints {
  __m512i v;
};
struct Bytes {
  __m512i v;
};
struct Mask {
  __mmask16 v;
};

inline void opaque(Floats& x) { asm volatile("" : "+v"(x.v)); }
inline void opaque(Bytes& x) { asm volatile("" : "+v"(x.v)); }

// --- Floats -------------------------------------------------------------------------------------

inline __mmask16 first_lanes(std::int64_t n) { return static_cast<__mmask16>((1u << n) - 1); }

inline Floats splat(float x) { return {_mm512_set1_ps(x)}; }
inline Floats load(const float* p) { return {_mm512_loadu_ps(p)}; }
inline Floats load_part(const float* p, std::int64_t n) {
  return {_mm512_maskz_loadu_ps(first_lanes(n), p)};
}
inline void store(float* p, const Floats& x) { _mm512_storeu_ps(p, x.v); }
inline void store_part(float* p, const Floats& x, std::int64_t n) {
  _mm512_mask_storeu_ps(p, first_lanes(n), x.v);
}
inline Floats add(const Floats& a, const Floats& b) { return {_mm512_add_ps(a.v, b.v)}; }
inline Floats sub(const Floats& a, const Floats& b) { return {_mm512_sub_ps(a.v, b.v)}; }
inline Floats mul(const Floats& a, const Floats& b) { return {_mm512_mul_ps(a.v, b.v)}; }
inline Floats div(const Floats& a, const Floats& b) { return {_mm512_div_ps(a.v, b.v)}; }
inline Floats square_root(const Floats& x) { return {_mm512_sqrt_ps(x.v)}; }
inline Floats fma(const Floats& a, const Floats& b, const Floats& c) {
  return {_mm512_fmadd_ps(a.v, b.v, c.v)};
}
inline Floats maximum(const Floats& a, const Floats& b) { return {_mm512_max_ps(a.v, b.v)}; }
inline Floats minimum(const Floats& a, const Floats& b) { return {_mm512_min_ps(a.v, b.v)}; }
inline Mask less(const Floats& a, const Floats& b) {
  return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ)};
}
inline Floats select(const Mask& m, const Floats& yes, const Floats& no) {
  return {_mm512_mask_blend_ps(m.v, no.v, yes.v)};
}
inline float first_lane(const Floats& x) { return _mm512_cvtss_f32(x.v); }
template <int kDistance>
inline Floats swap_lanes(const Floats& x) {
  if constexpr (kDistance == 1)
    return {_mm512_permute_ps(x.v, _MM_SHUFFLE(2, 3, 0, 1))};
  else if constexpr (kDistance == 2)
    return {_mm512_permute_ps(x.v, _MM_SHUFFLE(1, 0, 3, 2))};
  else if constexpr (kDistance == 4)
    return {_mm512_shuffle_f32x4(x.v, x.v, _MM_SHUFFLE(2, 3, 0, 1))};
  else
    return {_mm512_shuffle_f32x4(x.v, x.v, _MM_SHUFFLE(1, 0, 3, 2))};
}
inline float sum(const Floats& x) {
  const __m256 a = _mm256_add_ps(_mm512_castps512_ps256(x.v), _mm512_extractf32x8_ps(x.v, 1));
  const __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  const __m128 c = _mm_add_ps(b, _mm_movehl_ps(b, b));
  return _mm_cvtss_f32(_mm_add_ss(c, _mm_movehdup_ps(c)));
}
// The 256-bit halves of a added, and those of b; 64-bit pairs in every 128-bit lane likewise.
inline __m512 halves_added(__m512 a, __m512 b) {
  return _mm512_add_ps(_mm512_shuffle_f32x4(a, b, _MM_SHUFFLE(1, 0, 1, 0)),
                       _mm512_shuffle_f32x4(a, b, _MM_SHUFFLE(3, 2, 3, 2)));
}
inline __m512 pairs_added(__m512 a, __m512 b) {
  const __m512d x = _mm512_castps_pd(a), y = _mm512_castps_pd(b);
  return _mm512_add_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(x, y)),
                       _mm512_castpd_ps(_mm512_unpackhi_pd(x, y)));
}
inline Floats sums_of_sixteen(const Floats (&x)[16]) {
  __m512 fours[4];  // 128-bit lane i of fours[j]: what is left of x[4 i + j]
  for (int j = 0; j < 4; ++j) {
    const __m512 low = halves_added(x[j].v, x[4 + j].v);
    const __m512 high = halves_added(x[8 + j].v, x[12 + j].v);
    fours[j] = _mm512_add_ps(_mm512_shuffle_f32x4(low, high, _MM_SHUFFLE(2, 0, 2, 0)),
                             _mm512_shuffle_f32x4(low, high, _MM_SHUFFLE(3, 1, 3, 1)));
  }
  const __m512 low = pairs_added(fours[0], fours[1]), high = pairs_added(fours[2], fours[3]);
  return {_mm512_add_ps(_mm512_shuffle_ps(low, high, _MM_SHUFFLE(2, 0, 2, 0)),
                        _mm512_shuffle_ps(low, high, _MM_SHUFFLE(3, 1, 3, 1)))};
}
inline void half_sums(const Floats& x, float& low, float& high) {
  const __m512 a = _mm512_add_ps(x.v, _mm512_permute_ps(x.v, _MM_SHUFFLE(1, 0, 3, 2)));
  const __m512 b = _mm512_add_ps(a, _mm512_permute_ps(a, _MM_SHUFFLE(2, 3, 0, 1)));
  const __m512 c = _mm512_add_ps(b, _mm512_shuffle_f32x4(b, b, _MM_SHUFFLE(2, 3, 0, 1)));
  low = _mm512_cvtss_f32(c);
  high = _mm256_cvtss_f32(_mm512_extractf32x8_ps(c, 1));
}
inline Floats in_block_order(const Floats& x) {
  const __m512i order = _mm512_setr_epi32(0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15);
  return {_mm512_permutexvar_ps(order, x.v)};
}
inline Floats join(float low, float high) {
  return {_mm512_mask_blend_ps(0xFF00, _mm512_set1_ps(low), _mm512_set1_ps(high))};
}
inline Floats join_f16(const void* low, const void* high) {
  std::uint16_t bits[2];
  std::memcpy(bits, low, 2);
  std::memcpy(bits + 1, high, 2);
  const __m128 both = _mm_cvtph_ps(_mm_cvtsi32_si128(bits[0] | bits[1] << 16));
  const __m512i which = _mm512_setr_epi32(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1);
  return {_mm512_permutexvar_ps(which, _mm512_castps128_ps512(both))};
}
inline void join_f16_pairs(const void* low, const void* high, Floats& first, Floats& second) {
  std::uint32_t of_low, of_high;
  std::memcpy(&of_low, low, 4);
  std::memcpy(&of_high, high, 4);
  const std::uint64_t bits = of_low | static_cast<std::uint64_t>(of_high) << 32;
  const __m128i four = _mm_cvtsi64_si128(static_cast<long long>(bits));
  const __m512 floats = _mm512_castps128_ps512(_mm_cvtph_ps(four));
  const __m512i which = _mm512_setr_epi32(0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 2, 2, 2, 2, 2, 2);
  first.v = _mm512_permutexvar_ps(which, floats);
  second.v = _mm512_permutexvar_ps(_mm512_add_epi32(which, _mm512_set1_epi32(1)), floats);
}
inline Floats load_twice(const float* p) { return {_mm512_broadcast_f32x8(_mm256_loadu_ps(p))}; }
inline void store_halves(float* low, float* high, const Floats& x) {
  _mm256_storeu_ps(low, _mm512_castps512_ps256(x.v));
  _mm256_storeu_ps(high, _mm512_extractf32x8_ps(x.v, 1));
}
inline Floats from_f16(const std::uint16_t* p) {
  return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i_u*>(p)))};
}
// Written to memory one by one and read back at once, they would wait for each other.
template <std::size_t kStride>
inline Floats strided_f16(const void* a, const void* b) {
  const auto *of_a = static_cast<const std::byte*>(a), *of_b = static_cast<const std::byte*>(b);
  __m256i bits = _mm256_setzero_si256();
#pragma clang loop unroll(full)
  for (std::size_t i = 0; i < 8; ++i)  // one element each, at its place among sixteen
    bits =
        _mm256_mask_loadu_epi16(bits, static_cast<__mmask16>(1 << i), of_a + i * kStride - 2 * i);
#pragma clang loop unroll(full)
  for (std::size_t i = 0; i < 8; ++i)
    bits = _mm256_mask_loadu_epi16(bits, static_cast<__mmask16>(256 << i),
                                   of_b + i * kStride - 2 * (i + 8));
  return {_mm512_cvtph_ps(bits)};
}
inline Floats from_bf16(const std::uint16_t* p) {
  const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i_u*>(p));
  return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16))};
}
inline void to_f16(std::uint16_t* p, const Floats& x) {
  _mm256_storeu_si256(reinterpret_cast<__m256i_u*>(p),
                      _mm512_cvtps_ph(x.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

// --- Ints ---------------------------------------------------------------------------------------

inline Ints splat_int(std::int32_t x) { return {_mm512_set1_epi32(x)}; }
inline Ints load_twice(const std::int32_t* p) {
  return {_mm512_broadcast_i32x8(_mm256_loadu_si256(reinterpret_cast<const __m256i_u*>(p)))};
}
inline Ints load_ints(const std::int32_t* p) { return {_mm512_loadu_si512(p)}; }
inline void store_ints(std::int32_t* p, const Ints& x) { _mm512_storeu_si512(p, x.v); }
inline Ints add(const Ints& a, const Ints& b) { return {_mm512_add_epi32(a.v, b.v)}; }
inline Ints sub(const Ints& a, const Ints& b) { return {_mm512_sub_epi32(a.v, b.v)}; }
inline Ints mul(const Ints& a, const Ints& b) { return {_mm512_mullo_epi32(a.v, b.v)}; }
inline Ints bit_and(const Ints& a, const Ints& b) { return {_mm512_and_si512(a.v, b.v)}; }
inline Ints maximum(const Ints& a, const Ints& b) { return {_mm512_max_epi32(a.v, b.v)}; }
inline std::int32_t largest(const Ints& x) {
  const __m256i a =
      _mm256_max_epi32(_mm512_castsi512_si256(x.v), _mm512_extracti32x8_epi32(x.v, 1));
  const __m128i b = _mm_max_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
  const __m128i c = _mm_max_epi32(b, _mm_shuffle_epi32(b, _MM_SHUFFLE(1, 0, 3, 2)));
  return _mm_cvtsi128_si32(_mm_max_epi32(c, _mm_shuffle_epi32(c, _MM_SHUFFLE(2, 3, 0, 1))));
}
template <int kBits>
inline Ints shift_left(const Ints& x) {
  return {_mm512_slli_epi32(x.v, kBits)};
}
template <int kBits>
inline Ints shift_right(const Ints& x) {
  return {_mm512_srai_epi32(x.v, kBits)};
}
inline Floats to_floats(const Ints& x) { return {_mm512_cvtepi32_ps(x.v)}; }
inline Ints to_ints(const Floats& x) { return {_mm512_cvtps_epi32(x.v)}; }
inline Ints as_ints(const Floats& x) { return {_mm512_castps_si512(x.v)}; }
inline Floats as_floats(const Ints& x) { return {_mm512_castsi512_ps(x.v)}; }
inline Ints widen(std::uint64_t low, std::uint64_t high) {
  return {_mm512_cvtepu8_epi32(
      _mm_set_epi64x(static_cast<long long>(high), static_cast<long long>(low)))};
}
// A scale and a minimum share a word.
inline void six_bit_scales(const void* a, const void* b, Ints& scales, Ints& minimums) {
  const auto at = [](int scale, int minimum) { return scale | minimum << 16 | -0x00FF0100; };
  constexpr int kNone = 0x80, kAll = 0x3F003F, kLow = 0x3F000F, kDown = 4 << 16;
  const __m512i which = _mm512_broadcast_i64x4(_mm256_setr_epi32(
      at(4, 8), at(5, 9), at(6, 10), at(7, 11), at(12, 12), at(13, 13), at(14, 14), at(15, 15)));
  const __m512i which_high = _mm512_broadcast_i64x4(
      _mm256_setr_epi32(at(kNone, kNone), at(kNone, kNone), at(kNone, kNone), at(kNone, kNone),
                        at(4, 8), at(5, 9), at(6, 10), at(7, 11)));
  const __m512i counts =
      _mm512_broadcast_i64x4(_mm256_setr_epi32(0, 0, 0, 0, kDown, kDown, kDown, kDown));
  const __m512i mask =
      _mm512_broadcast_i64x4(_mm256_setr_epi32(kAll, kAll, kAll, kAll, kLow, kLow, kLow, kLow));
  const auto load_head = [](const void* p) {
    return _mm512_broadcast_i32x4(_mm_loadu_si128(static_cast<const __m128i_u*>(p)));
  };
  const __m512i heads = _mm512_mask_blend_epi32(0xFF00, load_head(a), load_head(b));
  const __m512i low = _mm512_srlv_epi16(_mm512_shuffle_epi8(heads, which), counts);
  const __m512i high = _mm512_srli_epi16(_mm512_shuffle_epi8(heads, which_high), 2);
  const __m512i both =
      _mm512_or_si512(_mm512_and_si512(low, mask), _mm512_and_si512(high, _mm512_set1_epi16(0x30)));
  scales.v = _mm512_and_si512(both, _mm512_set1_epi32(0xFFFF));
  minimums.v = _mm512_srli_epi32(both, 16);
}
inline Ints widen_signed(const std::int8_t* p) {
  return {_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i_u*>(p)))};
}
inline void narrow(std::int8_t* p, const Ints& x) {
  _mm_storeu_si128(reinterpret_cast<__m128i_u*>(p), _mm512_cvtepi32_epi8(x.v));
}

// --- Bytes --------------------------------------------------------------------------------------

inline __m256i load_half(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i_u*>(p));
}

inline Bytes splat_byte(std::uint8_t x) { return {_mm512_set1_epi8(static_cast<char>(x))}; }
inline Bytes load_bytes(const void* p) { return {_mm512_loadu_si512(p)}; }
inline void store_bytes(void* p, const Bytes& x) { _mm512_storeu_si512(p, x.v); }
inline Bytes load_two(const void* low, const void* high) {
  return {_mm512_inserti64x4(_mm512_castsi256_si512(load_half(low)), load_half(high), 1)};
}
inline Bytes load_bytes_twice(const void* p) { return {_mm512_broadcast_i64x4(load_half(p))}; }
inline Bytes load_four(const void* p) {
  std::int32_t x;
  std::memcpy(&x, p, sizeof x);
  return {_mm512_set1_epi32(x)};
}
template <int kLow, int kHigh>
inline Bytes load_shifted(const void* p) {
  const __m512i counts = _mm512_inserti64x4(_mm512_set1_epi16(kLow), _mm256_set1_epi16(kHigh), 1);
  return {_mm512_srlv_epi16(_mm512_broadcast_i64x4(load_half(p)), counts)};
}
inline Bytes load_nibbles(const void* low, const void* high) {
  const __m256i a =
      _mm256_broadcastsi128_si256(_mm_loadu_si128(static_cast<const __m128i_u*>(low)));
  const __m256i b =
      _mm256_broadcastsi128_si256(_mm_loadu_si128(static_cast<const __m128i_u*>(high)));
  const __m512i counts = _mm512_set_epi64(0x0004000400040004, 0x0004000400040004, 0, 0,
                                          0x0004000400040004, 0x0004000400040004, 0, 0);
  const __m512i both = _mm512_inserti64x4(_mm512_castsi256_si512(a), b, 1);
  return {_mm512_and_si512(_mm512_srlv_epi16(both, counts), _mm512_set1_epi8(15))};
}
inline Bytes bit_and(const Bytes& a, const Bytes& b) { return {_mm512_and_si512(a.v, b.v)}; }
inline Bytes add(const Bytes& a, const Bytes& b) { return {_mm512_add_epi8(a.v, b.v)}; }
inline Bytes bit_or(const Bytes& a, const Bytes& b) { return {_mm512_or_si512(a.v, b.v)}; }
template <int kBits>
inline Bytes shift_right(const Bytes& x) {
  return {_mm512_srli_epi16(x.v, kBits)};
}
template <int kBits>
inline Bytes shift_left(const Bytes& x) {
  return {_mm512_slli_epi16(x.v, kBits)};
}
inline Bytes where_set(std::uint64_t bits, std::uint8_t value) {
  return {_mm512_maskz_set1_epi8(bits, static_cast<char>(value))};
}
inline Bytes look_up(const Bytes& indices, const std::int8_t* table) {
  const __m128i levels = _mm_loadu_si128(reinterpret_cast<const __m128i_u*>(table));
  return {_mm512_shuffle_epi8(_mm512_broadcast_i32x4(levels), indices.v)};
}
inline Bytes bit_xor(const Bytes& a, const Bytes& b) { return {_mm512_xor_si512(a.v, b.v)}; }
inline Bytes as_bytes(const Ints& x) { return {x.v}; }
inline Bytes load_quarters(const void* p) {
  const __m128i v = _mm_loadu_si128(static_cast<const __m128i_u*>(p));
  const __m512i counts =
      _mm512_set_epi64(0x0006000600060006, 0x0006000600060006, 0x0004000400040004,
                       0x0004000400040004, 0x0002000200020002, 0x0002000200020002, 0, 0);
  return {
      _mm512_and_si512(_mm512_srlv_epi16(_mm512_broadcast_i32x4(v), counts), _mm512_set1_epi8(3))};
}
inline Bytes load_nibbles_by_eight(const void* p) {
  const __m512i twice = _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 0, 1, 1, 2, 2, 3, 3),
                                                 _mm512_castsi256_si512(load_half(p)));
  const __m512i counts = _mm512_setr_epi64(0, 4, 0, 4, 0, 4, 0, 4);
  return {_mm512_and_si512(_mm512_srlv_epi64(twice, counts), _mm512_set1_epi8(15))};
}
inline Bytes whole_thirds(const Bytes& x) {
  const __m512i first =
      _mm512_maskz_set1_epi8(_mm512_cmpge_epu8_mask(x.v, _mm512_set1_epi8(86)), 1);
  const __mmask64 second = _mm512_cmpge_epu8_mask(x.v, _mm512_set1_epi8(static_cast<char>(171)));
  return {_mm512_mask_add_epi8(first, second, first, _mm512_set1_epi8(1))};
}

inline void transpose(const std::uint8_t* rows, std::size_t stride, Bytes (&out)[16]) {
  // Words within 128-bit lanes first: after this, element i of lane L of b[4 g + c] is word
  // 4 L + c of row 4 g + i.
  __m512i b[16];
  for (std::size_t g = 0; g < 16; g += 4) {
    const __m512i r0 = _mm512_loadu_si512(rows + g * stride);
    const __m512i r1 = _mm512_loadu_si512(rows + (g + 1) * stride);
    const __m512i r2 = _mm512_loadu_si512(rows + (g + 2) * stride);
    const __m512i r3 = _mm512_loadu_si512(rows + (g + 3) * stride);
    const __m512i low01 = _mm512_unpacklo_epi32(r0, r1), high01 = _mm512_unpackhi_epi32(r0, r1);
    const __m512i low23 = _mm512_unpacklo_epi32(r2, r3), high23 = _mm512_unpackhi_epi32(r2, r3);
    b[g] = _mm512_unpacklo_epi64(low01, low23);
    b[g + 1] = _mm512_unpackhi_epi64(low01, low23);
    b[g + 2] = _mm512_unpacklo_epi64(high01, high23);
    b[g + 3] = _mm512_unpackhi_epi64(high01, high23);
  }
  // Then the lanes: word 4 L + c wants lane L of b[c], b[4 + c], b[8 + c], b[12 + c].
  for (std::size_t c = 0; c < 4; ++c) {
    const __m512i even01 = _mm512_shuffle_i32x4(b[c], b[4 + c], _MM_SHUFFLE(2, 0, 2, 0));
    const __m512i odd01 = _mm512_shuffle_i32x4(b[c], b[4 + c], _MM_SHUFFLE(3, 1, 3, 1));
    const __m512i even23 = _mm512_shuffle_i32x4(b[8 + c], b[12 + c], _MM_SHUFFLE(2, 0, 2, 0));
    const __m512i odd23 = _mm512_shuffle_i32x4(b[8 + c], b[12 + c], _MM_SHUFFLE(3, 1, 3, 1));
    out[c].v = _mm512_shuffle_i32x4(even01, even23, _MM_SHUFFLE(2, 0, 2, 0));
    out[4 + c].v = _mm512_shuffle_i32x4(odd01, odd23, _MM_SHUFFLE(2, 0, 2, 0));
    out[8 + c].v = _mm512_shuffle_i32x4(even01, even23, _MM_SHUFFLE(3, 1, 3, 1));
    out[12 + c].v = _mm512_shuffle_i32x4(odd01, odd23, _MM_SHUFFLE(3, 1, 3, 1));
  }
}

// In lane L of words[c]: word c of lane L of x[0] to x[3].
inline void transpose_lanes(const Bytes (&x)[4], __m512i (&words)[4]) {
  const __m512i low01 = _mm512_unpacklo_epi32(x[0].v, x[1].v);
  const __m512i high01 = _mm512_unpackhi_epi32(x[0].v, x[1].v);
  const __m512i low23 = _mm512_unpacklo_epi32(x[2].v, x[3].v);
  const __m512i high23 = _mm512_unpackhi_epi32(x[2].v, x[3].v);
  words[0] = _mm512_unpacklo_epi64(low01, low23);
  words[1] = _mm512_unpackhi_epi64(low01, low23);
  words[2] = _mm512_unpacklo_epi64(high01, high23);
  words[3] = _mm512_unpackhi_epi64(high01, high23);
}
inline void interleave(const Bytes (&a)[4], const Bytes (&b)[4], Bytes (&words)[8]) {
  __m512i of_a[4], of_b[4];  // lanes: words 0 to 3 of the even blocks, 4 to 7, then of the odd ones
  transpose_lanes(a, of_a);
  transpose_lanes(b, of_b);
  for (int c = 0; c < 4; ++c) {
    words[c].v = _mm512_shuffle_i32x4(of_a[c], of_b[c], _MM_SHUFFLE(2, 0, 2, 0));
    words[c + 4].v = _mm512_shuffle_i32x4(of_a[c], of_b[c], _MM_SHUFFLE(3, 1, 3, 1));
  }
}

inline constexpr bool kInterleavesNibbles = true;
inline void interleave_nibbles(const std::uint8_t* a, const std::uint8_t* b, Bytes (&words)[8]) {
  const __m512i a0 = _mm512_loadu_si512(a), a1 = _mm512_loadu_si512(a + 64);
  const __m512i b0 = _mm512_loadu_si512(b), b1 = _mm512_loadu_si512(b + 64);
  // Each word goes to its even and to its odd block, which take different halves of the bytes.
  const __m512i first = _mm512_setr_epi32(0, 4, 16, 20, 0, 4, 16, 20, 8, 12, 24, 28, 8, 12, 24, 28);
  const __m512i counts = _mm512_setr_epi64(0, 0, 0x0004000400040004, 0x0004000400040004, 0, 0,
                                           0x0004000400040004, 0x0004000400040004);
  // Lanes: four words of blocks 0 and 1, 2 and 3 (x[0]) or 4 and 5, 6 and 7 (x[1]) of a, then of b.
  const auto four_words = [&](const __m512i(&x)[2], Bytes* to) {
    for (int k = 0; k < 4; ++k) {
      const __m512i which = _mm512_add_epi32(first, _mm512_set1_epi32(k));
      const __m512i word = _mm512_permutex2var_epi32(x[0], which, x[1]);
      to[k].v = _mm512_and_si512(_mm512_srlv_epi16(word, counts), _mm512_set1_epi8(15));
    }
  };
  four_words({_mm512_shuffle_i32x4(a0, b0, _MM_SHUFFLE(2, 0, 2, 0)),
              _mm512_shuffle_i32x4(a1, b1, _MM_SHUFFLE(2, 0, 2, 0))},
             words);
  four_words({_mm512_shuffle_i32x4(a0, b0, _MM_SHUFFLE(3, 1, 3, 1)),
              _mm512_shuffle_i32x4(a1, b1, _MM_SHUFFLE(3, 1, 3, 1))},
             words + 4);
}
inline void interleave_nibble_blocks(const std::uint8_t* a, const std::uint8_t* b,
                                     std::size_t stride, Bytes (&words)[8]) {
  const auto block = [stride](const std::uint8_t* row, std::size_t index) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i_u*>(row + index * stride));
  };
  Bytes x[4];  // lanes: an even block and the odd one after it of a, then of b
  for (std::size_t i = 0; i < 4; ++i) {
    const __m256i of_a =
        _mm256_inserti128_si256(_mm256_castsi128_si256(block(a, 2 * i)), block(a, 2 * i + 1), 1);
    const __m512i even = _mm512_inserti32x4(_mm512_castsi256_si512(of_a), block(b, 2 * i), 2);
    x[i].v = _mm512_inserti32x4(even, block(b, 2 * i + 1), 3);
  }
  __m512i turned[4];
  transpose_lanes(x, turned);
  for (int k = 0; k < 4; ++k) {
    words[k].v = _mm512_and_si512(turned[k], _mm512_set1_epi8(15));
    words[k + 4].v = _mm512_and_si512(_mm512_srli_epi16(turned[k], 4), _mm512_set1_epi8(15));
  }
}

// --- Sums of products ---------------------------------------------------------------------------

// In 128-bit lane L, element i: the sum of x[i]'s lane L.
inline __m512i lane_sums(const Ints (&x)[4]) {
  const __m512i a = _mm512_add_epi32(_mm512_unpacklo_epi32(x[0].v, x[1].v),
                                     _mm512_unpackhi_epi32(x[0].v, x[1].v));
  const __m512i b = _mm512_add_epi32(_mm512_unpacklo_epi32(x[2].v, x[3].v),
                                     _mm512_unpackhi_epi32(x[2].v, x[3].v));
  return _mm512_add_epi32(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
}
inline Ints sums_of_four(const Ints (&x)[4]) {
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  return {_mm512_permutexvar_epi32(order, lane_sums(x))};
}
inline void halves_in_block_order(const Ints& a, const Ints& b, Ints (&halves)[2]) {
  const __m512i first =
      _mm512_setr_epi32(0, 4, 8, 12, 2, 6, 10, 14, 16, 20, 24, 28, 18, 22, 26, 30);
  const __m512i second = _mm512_add_epi32(first, _mm512_set1_epi32(1));
  halves[0].v = _mm512_permutex2var_epi32(a.v, first, b.v);
  halves[1].v = _mm512_permutex2var_epi32(a.v, second, b.v);
}
