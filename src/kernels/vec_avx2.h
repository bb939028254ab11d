// The vocabulary of vec_scalar.h, which says what each word means, in AVX2, FMA and F16C: two
// registers for one. The products are in products_avx2.h or products_avx2vnni.h.

inline constexpr int kLanes = 16;
inline constexpr int kThinTokens = 4, kPanelVectors = 1, kWideTokens = 2;
inline constexpr int kFloatRows = 2, kFloatTokens = 2, kPeakChains = 5;
inline constexpr int kAttentionRows = 4, kAttentionVectors = 1, kProductVectors = 1;

struct Floats {
  __m256 a, b;
};
struct Ints {
  __m256i a, b;
};
struct Bytes {
  __m256i a, b;
};
struct Mask {
  __m256 a, b;
};

inline __m256i load_half(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i_u*>(p));
}
inline __m128i load_quarter(const void* p) {
  return _mm_loadu_si128(static_cast<const __m128i_u*>(p));
}
inline void store_half(void* p, __m256i x) { _mm256_storeu_si256(static_cast<__m256i_u*>(p), x); }

inline void opaque(Floats& x) { asm volatile("" : "+x"(x.a), "+x"(x.b)); }
inline void opaque(Bytes& x) { asm volatile("" : "+x"(x.a), "+x"(x.b)); }

// --- Floats -------------------------------------------------------------------------------------

inline Floats splat(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
inline Floats load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
inline void store(float* p, const Floats& x) {
  _mm256_storeu_ps(p, x.a);
  _mm256_storeu_ps(p + 8, x.b);
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
  return {_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b)};
}
inline Floats sub(const Floats& x, const Floats& y) {
  return {_mm256_sub_ps(x.a, y.a), _mm256_sub_ps(x.b, y.b)};
}
inline Floats mul(const Floats& x, const Floats& y) {
  return {_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b)};
}
inline Floats div(const Floats& x, const Floats& y) {
  return {_mm256_div_ps(x.a, y.a), _mm256_div_ps(x.b, y.b)};
}
inline Floats square_root(const Floats& x) { return {_mm256_sqrt_ps(x.a), _mm256_sqrt_ps(x.b)}; }
inline Floats fma(const Floats& x, const Floats& y, const Floats& z) {
  return {_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b)};
}
inline Floats maximum(const Floats& x, const Floats& y) {
  return {_mm256_max_ps(x.a, y.a), _mm256_max_ps(x.b, y.b)};
}
inline Floats minimum(const Floats& x, const Floats& y) {
  return {_mm256_min_ps(x.a, y.a), _mm256_min_ps(x.b, y.b)};
}
inline Mask less(const Floats& x, const Floats& y) {
  return {_mm256_cmp_ps(x.a, y.a, _CMP_LT_OQ), _mm256_cmp_ps(x.b, y.b, _CMP_LT_OQ)};
}
inline Floats select(const Mask& m, const Floats& yes, const Floats& no) {
  return {_mm256_blendv_ps(no.a, yes.a, m.a), _mm256_blendv_ps(no.b, yes.b, m.b)};
}
inline float first_lane(const Floats& x) { return _mm256_cvtss_f32(x.a); }
template <int kDistance>
inline __m256 swap_lanes_of_half(__m256 x) {
  if constexpr (kDistance == 1)
    return _mm256_permute_ps(x, _MM_SHUFFLE(2, 3, 0, 1));
  else if constexpr (kDistance == 2)
    return _mm256_permute_ps(x, _MM_SHUFFLE(1, 0, 3, 2));
  else
    return _mm256_permute2f128_ps(x, x, 1);
}
template <int kDistance>
inline Floats swap_lanes(const Floats& x) {
  if constexpr (kDistance == 8)
    return {x.b, x.a};
  else
    return {swap_lanes_of_half<kDistance>(x.a), swap_lanes_of_half<kDistance>(x.b)};
}
// Eight lanes added in halves.
inline float sum_half(__m256 x) {
  const __m128 b = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  const __m128 c = _mm_add_ps(b, _mm_movehl_ps(b, b));
  return _mm_cvtss_f32(_mm_add_ss(c, _mm_movehdup_ps(c)));
}
inline float sum(const Floats& x) { return sum_half(_mm256_add_ps(x.a, x.b)); }
inline __m256 pairs_added(__m256 a, __m256 b) {  // of 64 bits, in every 128-bit lane
  const __m256d x = _mm256_castps_pd(a), y = _mm256_castps_pd(b);
  return _mm256_add_ps(_mm256_castpd_ps(_mm256_unpacklo_pd(x, y)),
                       _mm256_castpd_ps(_mm256_unpackhi_pd(x, y)));
}
inline __m256 sums_of_eight_rows(const Floats* x) {
  __m256 fours[4];  // 128-bit lane i of fours[j]: what is left of x[4 i + j]
  for (int j = 0; j < 4; ++j) {
    const __m256 low = _mm256_add_ps(x[j].a, x[j].b), high = _mm256_add_ps(x[4 + j].a, x[4 + j].b);
    fours[j] = _mm256_add_ps(_mm256_permute2f128_ps(low, high, 0x20),
                             _mm256_permute2f128_ps(low, high, 0x31));
  }
  const __m256 low = pairs_added(fours[0], fours[1]), high = pairs_added(fours[2], fours[3]);
  return _mm256_add_ps(_mm256_shuffle_ps(low, high, _MM_SHUFFLE(2, 0, 2, 0)),
                       _mm256_shuffle_ps(low, high, _MM_SHUFFLE(3, 1, 3, 1)));
}
inline Floats sums_of_sixteen(const Floats (&x)[16]) {
  return {sums_of_eight_rows(x), sums_of_eight_rows(x + 8)};
}
inline float block_sum(__m256 x) {
  const __m256 a = _mm256_add_ps(x, _mm256_permute_ps(x, _MM_SHUFFLE(1, 0, 3, 2)));
  const __m256 b = _mm256_add_ps(a, _mm256_permute_ps(a, _MM_SHUFFLE(2, 3, 0, 1)));
  return _mm_cvtss_f32(_mm_add_ps(_mm256_castps256_ps128(b), _mm256_extractf128_ps(b, 1)));
}
inline void half_sums(const Floats& x, float& low, float& high) {
  low = block_sum(x.a);
  high = block_sum(x.b);
}
inline Floats in_block_order(const Floats& x) {
  const __m256i order = _mm256_setr_epi32(0, 2, 4, 6, 1, 3, 5, 7);
  return {_mm256_permutevar8x32_ps(x.a, order), _mm256_permutevar8x32_ps(x.b, order)};
}
inline Floats join(float low, float high) { return {_mm256_set1_ps(low), _mm256_set1_ps(high)}; }
inline __m256 splat_f16(const void* p) {
  std::uint16_t bits;
  std::memcpy(&bits, p, 2);
  return _mm256_cvtph_ps(_mm_set1_epi16(static_cast<short>(bits)));
}
inline Floats join_f16(const void* low, const void* high) {
  return {splat_f16(low), splat_f16(high)};
}
inline void join_f16_pairs(const void* low, const void* high, Floats& first, Floats& second) {
  first = join_f16(low, high);
  second =
      join_f16(static_cast<const std::byte*>(low) + 2, static_cast<const std::byte*>(high) + 2);
}
inline Floats load_twice(const float* p) {
  const __m256 x = _mm256_loadu_ps(p);
  return {x, x};
}
inline void store_halves(float* low, float* high, const Floats& x) {
  _mm256_storeu_ps(low, x.a);
  _mm256_storeu_ps(high, x.b);
}
inline Floats from_f16(const std::uint16_t* p) {
  return {_mm256_cvtph_ps(load_quarter(p)), _mm256_cvtph_ps(load_quarter(p + 8))};
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
inline __m256 half_from_bf16(const std::uint16_t* p) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(load_quarter(p)), 16));
}
inline Floats from_bf16(const std::uint16_t* p) {
  return {half_from_bf16(p), half_from_bf16(p + 8)};
}
inline void to_f16(std::uint16_t* p, const Floats& x) {
  constexpr int kNearest = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
  store_half(p, _mm256_set_m128i(_mm256_cvtps_ph(x.b, kNearest), _mm256_cvtps_ph(x.a, kNearest)));
}

// --- Ints ---------------------------------------------------------------------------------------

inline Ints splat_int(std::int32_t x) { return {_mm256_set1_epi32(x), _mm256_set1_epi32(x)}; }
inline Ints load_twice(const std::int32_t* p) { return {load_half(p), load_half(p)}; }
inline Ints load_ints(const std::int32_t* p) { return {load_half(p), load_half(p + 8)}; }
inline void store_ints(std::int32_t* p, const Ints& x) {
  store_half(p, x.a);
  store_half(p + 8, x.b);
}
inline Ints add(const Ints& x, const Ints& y) {
  return {_mm256_add_epi32(x.a, y.a), _mm256_add_epi32(x.b, y.b)};
}
inline Ints sub(const Ints& x, const Ints& y) {
  return {_mm256_sub_epi32(x.a, y.a), _mm256_sub_epi32(x.b, y.b)};
}
inline Ints mul(const Ints& x, const Ints& y) {
  return {_mm256_mullo_epi32(x.a, y.a), _mm256_mullo_epi32(x.b, y.b)};
}
inline Ints bit_and(const Ints& x, const Ints& y) {
  return {_mm256_and_si256(x.a, y.a), _mm256_and_si256(x.b, y.b)};
}
inline Ints maximum(const Ints& x, const Ints& y) {
  return {_mm256_max_epi32(x.a, y.a), _mm256_max_epi32(x.b, y.b)};
}
inline std::int32_t largest(const Ints& x) {
  const __m256i a = _mm256_max_epi32(x.a, x.b);
  const __m128i b = _mm_max_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
  const __m128i c = _mm_max_epi32(b, _mm_shuffle_epi32(b, _MM_SHUFFLE(1, 0, 3, 2)));
  return _mm_cvtsi128_si32(_mm_max_epi32(c, _mm_shuffle_epi32(c, _MM_SHUFFLE(2, 3, 0, 1))));
}
template <int kBits>
inline Ints shift_left(const Ints& x) {
  return {_mm256_slli_epi32(x.a, kBits), _mm256_slli_epi32(x.b, kBits)};
}
template <int kBits>
inline Ints shift_right(const Ints& x) {
  return {_mm256_srai_epi32(x.a, kBits), _mm256_srai_epi32(x.b, kBits)};
}
inline Floats to_floats(const Ints& x) {
  return {_mm256_cvtepi32_ps(x.a), _mm256_cvtepi32_ps(x.b)};
}
inline Ints to_ints(const Floats& x) { return {_mm256_cvtps_epi32(x.a), _mm256_cvtps_epi32(x.b)}; }
inline Ints as_ints(const Floats& x) {
  return {_mm256_castps_si256(x.a), _mm256_castps_si256(x.b)};
}
inline Floats as_floats(const Ints& x) {
  return {_mm256_castsi256_ps(x.a), _mm256_castsi256_ps(x.b)};
}
inline Ints widen(std::uint64_t low, std::uint64_t high) {
  return {_mm256_cvtepu8_epi32(_mm_cvtsi64_si128(static_cast<long long>(low))),
          _mm256_cvtepu8_epi32(_mm_cvtsi64_si128(static_cast<long long>(high)))};
}
// Eight bytes of the 16 in either 128-bit lane, a word each; -1: zero.
inline __m256i pick_bytes(__m256i x, const std::int8_t (&which)[8]) {
  const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i_u*>(which));
  const __m256i at = _mm256_or_si256(_mm256_cvtepi8_epi32(bytes), _mm256_set1_epi32(-0x100));
  return _mm256_shuffle_epi8(x, at);
}
inline void half_six_bit_scales(const void* head, __m256i& scales, __m256i& minimums) {
  static constexpr std::int8_t kScales[8] = {4, 5, 6, 7, 12, 13, 14, 15};
  static constexpr std::int8_t kHighScales[8] = {-1, -1, -1, -1, 4, 5, 6, 7};
  static constexpr std::int8_t kMinimums[8] = {8, 9, 10, 11, 12, 13, 14, 15};
  static constexpr std::int8_t kHighMinimums[8] = {-1, -1, -1, -1, 8, 9, 10, 11};
  const __m256i x = _mm256_broadcastsi128_si256(load_quarter(head));
  const auto high_bits = [&x](const std::int8_t(&which)[8]) {
    return _mm256_and_si256(_mm256_srli_epi32(pick_bytes(x, which), 2), _mm256_set1_epi32(0x30));
  };
  const __m256i low_scales =
      _mm256_and_si256(pick_bytes(x, kScales), _mm256_setr_epi32(63, 63, 63, 63, 15, 15, 15, 15));
  const __m256i low_minimums =
      _mm256_srlv_epi32(_mm256_and_si256(pick_bytes(x, kMinimums),
                                         _mm256_setr_epi32(63, 63, 63, 63, 255, 255, 255, 255)),
                        _mm256_setr_epi32(0, 0, 0, 0, 4, 4, 4, 4));
  scales = _mm256_or_si256(low_scales, high_bits(kHighScales));
  minimums = _mm256_or_si256(low_minimums, high_bits(kHighMinimums));
}
inline void six_bit_scales(const void* a, const void* b, Ints& scales, Ints& minimums) {
  half_six_bit_scales(a, scales.a, minimums.a);
  half_six_bit_scales(b, scales.b, minimums.b);
}
inline Ints widen_signed(const std::int8_t* p) {
  const __m128i bytes = load_quarter(p);
  return {_mm256_cvtepi8_epi32(bytes), _mm256_cvtepi8_epi32(_mm_srli_si128(bytes, 8))};
}
inline void narrow(std::int8_t* p, const Ints& x) {
  const __m256i words = _mm256_packs_epi32(x.a, x.b);  // by 128-bit lanes: a0 b0, a1 b1
  const __m256i ordered = _mm256_permute4x64_epi64(words, _MM_SHUFFLE(3, 1, 2, 0));
  const __m128i bytes =
      _mm_packs_epi16(_mm256_castsi256_si128(ordered), _mm256_extracti128_si256(ordered, 1));
  _mm_storeu_si128(reinterpret_cast<__m128i_u*>(p), bytes);
}

// --- Bytes --------------------------------------------------------------------------------------

inline Bytes splat_byte(std::uint8_t x) {
  const __m256i v = _mm256_set1_epi8(static_cast<char>(x));
  return {v, v};
}
inline Bytes load_two(const void* low, const void* high) {
  return {load_half(low), load_half(high)};
}
inline Bytes load_bytes(const void* p) {
  return load_two(p, static_cast<const std::uint8_t*>(p) + 32);
}
inline void store_bytes(void* p, const Bytes& x) {
  store_half(p, x.a);
  store_half(static_cast<std::uint8_t*>(p) + 32, x.b);
}
inline Bytes load_bytes_twice(const void* p) { return {load_half(p), load_half(p)}; }
inline Bytes load_four(const void* p) {
  std::int32_t x;
  std::memcpy(&x, p, sizeof x);
  return {_mm256_set1_epi32(x), _mm256_set1_epi32(x)};
}
template <int kLow, int kHigh>
inline Bytes load_shifted(const void* p) {
  const __m256i v = load_half(p);
  return {_mm256_srli_epi16(v, kLow), _mm256_srli_epi16(v, kHigh)};
}
inline __m256i half_nibbles(const void* p) {
  const __m128i v = load_quarter(p);
  return _mm256_and_si256(_mm256_set_m128i(_mm_srli_epi16(v, 4), v), _mm256_set1_epi8(15));
}
inline Bytes load_nibbles(const void* low, const void* high) {
  return {half_nibbles(low), half_nibbles(high)};
}
inline Bytes bit_and(const Bytes& x, const Bytes& y) {
  return {_mm256_and_si256(x.a, y.a), _mm256_and_si256(x.b, y.b)};
}
inline Bytes add(const Bytes& x, const Bytes& y) {
  return {_mm256_add_epi8(x.a, y.a), _mm256_add_epi8(x.b, y.b)};
}
inline Bytes bit_or(const Bytes& x, const Bytes& y) {
  return {_mm256_or_si256(x.a, y.a), _mm256_or_si256(x.b, y.b)};
}
template <int kBits>
inline Bytes shift_right(const Bytes& x) {
  return {_mm256_srli_epi16(x.a, kBits), _mm256_srli_epi16(x.b, kBits)};
}
template <int kBits>
inline Bytes shift_left(const Bytes& x) {
  return {_mm256_slli_epi16(x.a, kBits), _mm256_slli_epi16(x.b, kBits)};
}
// All ones in byte i where bit i is set.
inline __m256i mask_of_bits(std::uint32_t bits) {
  const __m256i spread =
      _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
  const __m256i each = _mm256_set1_epi64x(static_cast<long long>(0x8040201008040201u));
  const __m256i copies =
      _mm256_shuffle_epi8(_mm256_set1_epi32(static_cast<std::int32_t>(bits)), spread);
  return _mm256_cmpeq_epi8(_mm256_and_si256(copies, each), each);
}
inline Bytes where_set(std::uint64_t bits, std::uint8_t value) {
  const Bytes masks = {mask_of_bits(static_cast<std::uint32_t>(bits)),
                       mask_of_bits(static_cast<std::uint32_t>(bits >> 32))};
  return bit_and(masks, splat_byte(value));
}
inline Bytes look_up(const Bytes& indices, const std::int8_t* table) {
  const __m256i levels = _mm256_broadcastsi128_si256(load_quarter(table));
  return {_mm256_shuffle_epi8(levels, indices.a), _mm256_shuffle_epi8(levels, indices.b)};
}
inline Bytes bit_xor(const Bytes& x, const Bytes& y) {
  return {_mm256_xor_si256(x.a, y.a), _mm256_xor_si256(x.b, y.b)};
}
inline Bytes as_bytes(const Ints& x) { return {x.a, x.b}; }
inline Bytes load_quarters(const void* p) {
  const __m128i v = load_quarter(p);
  const __m256i low = _mm256_set_m128i(_mm_srli_epi16(v, 2), v);
  return {_mm256_and_si256(low, _mm256_set1_epi8(3)),
          _mm256_and_si256(_mm256_srli_epi16(low, 4), _mm256_set1_epi8(3))};
}
inline Bytes load_nibbles_by_eight(const void* p) {
  const __m256i v = load_half(p), counts = _mm256_setr_epi64x(0, 4, 0, 4);
  const __m256i low = _mm256_permute4x64_epi64(v, _MM_SHUFFLE(1, 1, 0, 0));
  const __m256i high = _mm256_permute4x64_epi64(v, _MM_SHUFFLE(3, 3, 2, 2));
  return {_mm256_and_si256(_mm256_srlv_epi64(low, counts), _mm256_set1_epi8(15)),
          _mm256_and_si256(_mm256_srlv_epi64(high, counts), _mm256_set1_epi8(15))};
}
// Minus one where x is at least `least`.
inline __m256i at_least(__m256i x, std::uint8_t least) {
  return _mm256_cmpeq_epi8(_mm256_max_epu8(x, _mm256_set1_epi8(static_cast<char>(least))), x);
}
inline __m256i half_thirds(__m256i x) {
  return _mm256_sub_epi8(_mm256_setzero_si256(),
                         _mm256_add_epi8(at_least(x, 86), at_least(x, 171)));
}
inline Bytes whole_thirds(const Bytes& x) { return {half_thirds(x.a), half_thirds(x.b)}; }

// An 8 x 8 matrix of 32-bit words, transposed.
inline void transpose_eight(const __m256i (&rows)[8], __m256i (&out)[8]) {
  // Words within 128-bit lanes first: element i of lane L of b[4 g + c] is word 4 L + c of row
  // 4 g + i.
  __m256i b[8];
  for (int g = 0; g < 8; g += 4) {
    const __m256i low01 = _mm256_unpacklo_epi32(rows[g], rows[g + 1]);
    const __m256i high01 = _mm256_unpackhi_epi32(rows[g], rows[g + 1]);
    const __m256i low23 = _mm256_unpacklo_epi32(rows[g + 2], rows[g + 3]);
    const __m256i high23 = _mm256_unpackhi_epi32(rows[g + 2], rows[g + 3]);
    b[g] = _mm256_unpacklo_epi64(low01, low23);
    b[g + 1] = _mm256_unpackhi_epi64(low01, low23);
    b[g + 2] = _mm256_unpacklo_epi64(high01, high23);
    b[g + 3] = _mm256_unpackhi_epi64(high01, high23);
  }
  for (int c = 0; c < 4; ++c) {
    out[c] = _mm256_permute2x128_si256(b[c], b[4 + c], 0x20);
    out[4 + c] = _mm256_permute2x128_si256(b[c], b[4 + c], 0x31);
  }
}
inline void transpose_eight(const std::uint8_t* rows, std::size_t stride, __m256i (&out)[8]) {
  __m256i loaded[8];
  for (std::size_t r = 0; r < 8; ++r) loaded[r] = load_half(rows + r * stride);
  transpose_eight(loaded, out);
}
inline void transpose(const std::uint8_t* rows, std::size_t stride, Bytes (&out)[16]) {
  for (std::size_t half = 0; half < 2; ++half) {
    __m256i low[8], high[8];
    transpose_eight(rows + 32 * half, stride, low);
    transpose_eight(rows + 8 * stride + 32 * half, stride, high);
    for (std::size_t c = 0; c < 8; ++c) out[8 * half + c] = {low[c], high[c]};
  }
}

inline void interleave(const Bytes (&a)[4], const Bytes (&b)[4], Bytes (&words)[8]) {
  __m256i of_a[8], of_b[8];
  transpose_eight({a[0].a, a[1].a, a[2].a, a[3].a, a[0].b, a[1].b, a[2].b, a[3].b}, of_a);
  transpose_eight({b[0].a, b[1].a, b[2].a, b[3].a, b[0].b, b[1].b, b[2].b, b[3].b}, of_b);
  for (int k = 0; k < 8; ++k) words[k] = {of_a[k], of_b[k]};
}

inline constexpr bool kInterleavesNibbles = false;

// --- Sums of products ---------------------------------------------------------------------------

// Sums of the low 128-bit lanes of x0.a, x0.b, x1.a, x1.b, then of their high lanes.
inline __m256i lane_sums(const Ints& x0, const Ints& x1) {
  return _mm256_hadd_epi32(_mm256_hadd_epi32(x0.a, x0.b), _mm256_hadd_epi32(x1.a, x1.b));
}
inline Ints sums_of_four(const Ints (&x)[4]) {
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  return {_mm256_permutevar8x32_epi32(lane_sums(x[0], x[1]), order),
          _mm256_permutevar8x32_epi32(lane_sums(x[2], x[3]), order)};
}
// Words i, i + 4, i + 8, i + 12, i + 2, i + 6, i + 10, i + 14 of x, where i is 0 or 1.
template <int kFirst>
inline __m256i every_second(const Ints& x) {
  constexpr int kPick = kFirst == 0 ? _MM_SHUFFLE(2, 0, 2, 0) : _MM_SHUFFLE(3, 1, 3, 1);
  const __m256 picked =
      _mm256_shuffle_ps(_mm256_castsi256_ps(x.a), _mm256_castsi256_ps(x.b), kPick);
  const __m256i order = _mm256_setr_epi32(0, 4, 2, 6, 1, 5, 3, 7);
  return _mm256_permutevar8x32_epi32(_mm256_castps_si256(picked), order);
}
inline void halves_in_block_order(const Ints& a, const Ints& b, Ints (&halves)[2]) {
  halves[0] = {every_second<0>(a), every_second<0>(b)};
  halves[1] = {every_second<1>(a), every_second<1>(b)};
}
