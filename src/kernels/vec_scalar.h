// The vocabulary of vectors, in plain C++: what vec_avx2.h, vec_avx512.h and vec_neon.h must equal,
// bit for bit.
//
// Included once a translation unit, inside that instruction set's namespace and target region, so
// there is neither an include guard nor an #include: isa_*.cpp bring the standard headers.
//
// Floats is sixteen floats, Ints sixteen 32-bit integers, Bytes 64 bytes, Mask sixteen booleans.
// Shifts of bytes move bits across neighbouring bytes of a 16-bit lane; the caller masks.

inline constexpr int kLanes = 16;
// Tiles that fit the registers: tokens that share a pass over two rows (matmul_thin.inl); vectors
// of rows in a panel and tokens that share a pass over it (matmul_wide.inl); rows and tokens of a
// product of floats (matmul_float.inl).
inline constexpr int kThinTokens = 4, kPanelVectors = 1, kWideTokens = 2;
inline constexpr int kFloatRows = 2, kFloatTokens = 2;
// Independent sums that keep the multipliers busy and fit the registers (peaks.inl).
inline constexpr int kPeakChains = 2;
// Rows and vectors of a tile of float products (attention.inl; product.inl has the same rows).
inline constexpr int kAttentionRows = 2, kAttentionVectors = 1, kProductVectors = 1;

struct Floats {
  float v[16];
};
struct Ints {
  std::int32_t v[16];
};
struct Bytes {
  std::uint8_t v[64];
};
struct Mask {
  bool v[16];
};

// The compiler may assume nothing about the value from here on. Costs no instruction.
inline void opaque(Floats& x) { asm volatile("" : "+m"(x)); }
inline void opaque(Bytes& x) { asm volatile("" : "+m"(x)); }

// --- Floats -------------------------------------------------------------------------------------

inline Floats splat(float x) {
  Floats r;
  for (float& e : r.v) e = x;
  return r;
}
inline Floats load(const float* p) {
  Floats r;
  std::memcpy(r.v, p, sizeof r.v);
  return r;
}
// The first n of sixteen, 0 <= n < 16; zeros in the others' place.
inline Floats load_part(const float* p, std::int64_t n) {
  Floats r = splat(0);
  std::memcpy(r.v, p, static_cast<std::size_t>(n) * sizeof(float));
  return r;
}
inline void store(float* p, const Floats& x) { std::memcpy(p, x.v, sizeof x.v); }
inline void store_part(float* p, const Floats& x, std::int64_t n) {
  std::memcpy(p, x.v, static_cast<std::size_t>(n) * sizeof(float));
}
inline Floats add(const Floats& a, const Floats& b) {
  Floats r;
  for (int i = 0; i < 16; ++i) r.v[i] = a.v[i] + b.v[i];
  return r;
}
inline Floats sub(const Floats& a, const Floats& b) {
  Floats r;
  for (int i = 0; i < 16; ++i) r.v[i] = a.v[i] - b.v[i];
  return r;
}
inline Floats mul(const Floats& a, const Floats& b) {
  Floats r;
  for (int i = 0; i < 16; ++i) r.v[i] = a.v[i] * b.v[i];
  return r;
}
inline Floats div(const Floats& a, const Floats& b) {
  Floats r;
  for (int i = 0; i < 16; ++i) r.v[i] = a.v[i] / b.v[i];
  return r;
}
inline Floats fma(const Floats& a, const Floats& b, const Floats& c) {
  Floats r;
  for (int i = 0; i < 16; ++i) r.v[i] = std::fma(a.v[i], b.v[i], c.v[i]);
  return r;
}
inline Floats square_root(const Floats& x) {  // correctly rounded
  Floats r;
  for (int i = 0; i < 16; ++i) r.v[i] = std::sqrt(x.v[i]);
  return r;
}
// The second operand unless the first is greater (less): so b where either is NaN.
inline Floats maximum(const Floats& a, const Floats& b) {
  Floats r;
  for (int i = 0; i < 16; ++i) r.v[i] = a.v[i] > b.v[i] ? a.v[i] : b.v[i];
  return r;
}
inline Floats minimum(const Floats& a, const Floats& b) {
  Floats r;
  for (int i = 0; i < 16; ++i) r.v[i] = a.v[i] < b.v[i] ? a.v[i] : b.v[i];
  return r;
}
inline Mask less(const Floats& a, const Floats& b) {
  Mask r;
  for (int i = 0; i < 16; ++i) r.v[i] = a.v[i] < b.v[i];
  return r;
}
inline Floats select(const Mask& m, const Floats& yes, const Floats& no) {
  Floats r;
  for (int i = 0; i < 16; ++i) r.v[i] = m.v[i] ? yes.v[i] : no.v[i];
  return r;
}
inline float first_lane(const Floats& x) { return x.v[0]; }
// Lane i ^ kDistance in lane i; kDistance is 1, 2, 4 or 8.
template <int kDistance>
inline Floats swap_lanes(const Floats& x) {
  Floats r;
  for (int i = 0; i < 16; ++i) r.v[i] = x.v[i ^ kDistance];
  return r;
}
inline float sum(const Floats& x) {
  float a[8], b[4];
  for (int i = 0; i < 8; ++i) a[i] = x.v[i] + x.v[i + 8];
  for (int i = 0; i < 4; ++i) b[i] = a[i] + a[i + 4];
  return (b[0] + b[2]) + (b[1] + b[3]);
}
inline Floats sums_of_sixteen(const Floats (&x)[16]) {  // lane i: sum(x[i])
  Floats r;
  for (int i = 0; i < 16; ++i) r.v[i] = sum(x[i]);
  return r;
}
// The sums of lanes 0 to 7 and of lanes 8 to 15, where the lanes hold blocks in kBlockOrder: with
// block b in p[b], ((p0 + p4) + (p2 + p6)) + ((p1 + p5) + (p3 + p7)).
inline void half_sums(const Floats& x, float& low, float& high) {
  const auto sum_of = [](const float* p) {
    return ((p[0] + p[2]) + (p[1] + p[3])) + ((p[4] + p[6]) + (p[5] + p[7]));
  };
  low = sum_of(x.v);
  high = sum_of(x.v + 8);
}
// Either half from natural order into kBlockOrder.
inline Floats in_block_order(const Floats& x) {
  Floats r;
  for (int i = 0; i < 16; ++i) r.v[i] = x.v[i / 8 * 8 + kBlockOrder[i % 8]];
  return r;
}
inline Floats join(float low, float high) {  // eight lanes each
  Floats r;
  for (int i = 0; i < 8; ++i) r.v[i] = low, r.v[i + 8] = high;
  return r;
}
// The f16 at `low` and at `high`, eight lanes each.
inline Floats join_f16(const void* low, const void* high) {
  std::uint16_t bits[2];
  std::memcpy(bits, low, 2);
  std::memcpy(bits + 1, high, 2);
  return join(f16_to_float(bits[0]), f16_to_float(bits[1]));
}
// Two f16 side by side at `low` and at `high`: the first of each, then the second.
inline void join_f16_pairs(const void* low, const void* high, Floats& first, Floats& second) {
  first = join_f16(low, high);
  second =
      join_f16(static_cast<const std::byte*>(low) + 2, static_cast<const std::byte*>(high) + 2);
}
// Eight f16 from a and eight from b, each kStride bytes after the one before.
template <std::size_t kStride>
inline Floats strided_f16(const void* a, const void* b) {
  Floats r;
  for (std::size_t i = 0; i < 8; ++i) {
    std::uint16_t bits[2];
    std::memcpy(bits, static_cast<const std::byte*>(a) + i * kStride, 2);
    std::memcpy(bits + 1, static_cast<const std::byte*>(b) + i * kStride, 2);
    r.v[i] = f16_to_float(bits[0]);
    r.v[i + 8] = f16_to_float(bits[1]);
  }
  return r;
}
inline Floats load_twice(const float* p) {  // eight floats, into both halves
  Floats r;
  for (int i = 0; i < 8; ++i) r.v[i] = r.v[i + 8] = p[i];
  return r;
}
// The low and the high eight lanes to two places.
inline void store_halves(float* low, float* high, const Floats& x) {
  std::memcpy(low, x.v, 32);
  std::memcpy(high, x.v + 8, 32);
}
inline Floats from_f16(const std::uint16_t* p) {
  Floats r;
  for (int i = 0; i < 16; ++i) r.v[i] = f16_to_float(p[i]);
  return r;
}
inline Floats from_bf16(const std::uint16_t* p) {
  Floats r;
  for (int i = 0; i < 16; ++i) r.v[i] = bf16_to_float(p[i]);
  return r;
}
inline void to_f16(std::uint16_t* p, const Floats& x) {
  for (int i = 0; i < 16; ++i) p[i] = float_to_f16(x.v[i]);
}

// --- Ints ---------------------------------------------------------------------------------------

inline Ints splat_int(std::int32_t x) {
  Ints r;
  for (std::int32_t& e : r.v) e = x;
  return r;
}
inline Ints load_twice(const std::int32_t* p) {  // eight, into both halves
  Ints r;
  for (int i = 0; i < 8; ++i) r.v[i] = r.v[i + 8] = p[i];
  return r;
}
inline Ints load_ints(const std::int32_t* p) {
  Ints r;
  std::memcpy(r.v, p, sizeof r.v);
  return r;
}
inline void store_ints(std::int32_t* p, const Ints& x) { std::memcpy(p, x.v, sizeof x.v); }
// Modulo 2^32, as the trellis formats want it of a product.
template <typename Operation>
inline Ints modulo(const Ints& a, const Ints& b, const Operation& operation) {
  Ints r;
  for (int i = 0; i < 16; ++i)
    r.v[i] = static_cast<std::int32_t>(
        operation(static_cast<std::uint32_t>(a.v[i]), static_cast<std::uint32_t>(b.v[i])));
  return r;
}
inline Ints add(const Ints& a, const Ints& b) {
  return modulo(a, b, [](std::uint32_t x, std::uint32_t y) { return x + y; });
}
inline Ints sub(const Ints& a, const Ints& b) {
  return modulo(a, b, [](std::uint32_t x, std::uint32_t y) { return x - y; });
}
inline Ints mul(const Ints& a, const Ints& b) {
  return modulo(a, b, [](std::uint32_t x, std::uint32_t y) { return x * y; });
}
inline Ints bit_and(const Ints& a, const Ints& b) {
  Ints r;
  for (int i = 0; i < 16; ++i) r.v[i] = a.v[i] & b.v[i];
  return r;
}
// Of numbers without a sign bit.
inline Ints maximum(const Ints& a, const Ints& b) {
  Ints r;
  for (int i = 0; i < 16; ++i) r.v[i] = a.v[i] > b.v[i] ? a.v[i] : b.v[i];
  return r;
}
inline std::int32_t largest(const Ints& x) {
  std::int32_t r = x.v[0];
  for (int i = 1; i < 16; ++i) r = x.v[i] > r ? x.v[i] : r;
  return r;
}
template <int kBits>
inline Ints shift_left(const Ints& x) {
  Ints r;
  for (int i = 0; i < 16; ++i)
    r.v[i] = static_cast<std::int32_t>(static_cast<std::uint32_t>(x.v[i]) << kBits);
  return r;
}
template <int kBits>
inline Ints shift_right(const Ints& x) {  // of signed numbers
  Ints r;
  for (int i = 0; i < 16; ++i) r.v[i] = x.v[i] >> kBits;
  return r;
}
inline Floats to_floats(const Ints& x) {
  Floats r;
  for (int i = 0; i < 16; ++i) r.v[i] = static_cast<float>(x.v[i]);
  return r;
}
// To the nearest, ties to even; |x| < 2^31.
inline Ints to_ints(const Floats& x) {
  Ints r;
  for (int i = 0; i < 16; ++i) r.v[i] = static_cast<std::int32_t>(std::lrintf(x.v[i]));
  return r;
}
inline Ints as_ints(const Floats& x) {
  Ints r;
  std::memcpy(r.v, x.v, sizeof r.v);
  return r;
}
inline Floats as_floats(const Ints& x) {
  Floats r;
  std::memcpy(r.v, x.v, sizeof r.v);
  return r;
}
// Sixteen unsigned bytes: the eight of `low` (first byte lowest), then the eight of `high`.
inline Ints widen(std::uint64_t low, std::uint64_t high) {
  Ints r;
  for (int i = 0; i < 8; ++i) {
    r.v[i] = static_cast<std::int32_t>(low >> (8 * i) & 0xFF);
    r.v[i + 8] = static_cast<std::int32_t>(high >> (8 * i) & 0xFF);
  }
  return r;
}
// The eight scales and minimums of unpack_k_scale, from the 16 bytes at a and at b of which the
// last 12 hold them.
inline void six_bit_scales(const void* a, const void* b, Ints& scales, Ints& minimums) {
  std::uint8_t heads[2][16];
  std::memcpy(heads[0], a, 16);
  std::memcpy(heads[1], b, 16);
  for (int i = 0; i < 16; ++i) {
    const KScale both = unpack_k_scale(heads[i / 8] + 4, i % 8);
    scales.v[i] = both.scale;
    minimums.v[i] = both.min;
  }
}
inline Ints widen_signed(const std::int8_t* p) {
  Ints r;
  for (int i = 0; i < 16; ++i) r.v[i] = p[i];
  return r;
}
// As signed bytes, of numbers in [-128, 127].
inline void narrow(std::int8_t* p, const Ints& x) {
  for (int i = 0; i < 16; ++i) p[i] = static_cast<std::int8_t>(x.v[i]);
}

// --- Bytes --------------------------------------------------------------------------------------

inline Bytes splat_byte(std::uint8_t x) {
  Bytes r;
  for (std::uint8_t& e : r.v) e = x;
  return r;
}
inline Bytes load_bytes(const void* p) {
  Bytes r;
  std::memcpy(r.v, p, sizeof r.v);
  return r;
}
inline void store_bytes(void* p, const Bytes& x) { std::memcpy(p, x.v, sizeof x.v); }
inline Bytes load_two(const void* low, const void* high) {  // 32 bytes each
  Bytes r;
  std::memcpy(r.v, low, 32);
  std::memcpy(r.v + 32, high, 32);
  return r;
}
inline Bytes load_bytes_twice(const void* p) {  // 32 bytes, into both halves
  Bytes r;
  std::memcpy(r.v, p, 32);
  std::memcpy(r.v + 32, p, 32);
  return r;
}
inline Bytes load_four(const void* p) {  // four bytes, sixteen times
  Bytes r;
  for (int i = 0; i < 16; ++i) std::memcpy(r.v + 4 * i, p, 4);
  return r;
}
// The 32 bytes at p twice, the first copy shifted right by kLow bits, the second by kHigh.
template <int kLow, int kHigh>
inline Bytes load_shifted(const void* p) {
  std::uint16_t half[16];
  std::memcpy(half, p, sizeof half);
  Bytes r;
  for (int i = 0; i < 16; ++i) {
    const auto low = static_cast<std::uint16_t>(half[i] >> kLow);
    const auto high = static_cast<std::uint16_t>(half[i] >> kHigh);
    std::memcpy(r.v + 2 * i, &low, 2);
    std::memcpy(r.v + 32 + 2 * i, &high, 2);
  }
  return r;
}
// Two blocks of 16 bytes: the low four bits of each byte of a block, then the high four.
inline Bytes load_nibbles(const void* low, const void* high) {
  std::uint8_t bytes[32];
  std::memcpy(bytes, low, 16);
  std::memcpy(bytes + 16, high, 16);
  Bytes r;
  for (int block = 0; block < 2; ++block)
    for (int i = 0; i < 16; ++i) {
      r.v[32 * block + i] = bytes[16 * block + i] & 15;
      r.v[32 * block + 16 + i] = bytes[16 * block + i] >> 4;
    }
  return r;
}
inline Bytes bit_and(const Bytes& a, const Bytes& b) {
  Bytes r;
  for (int i = 0; i < 64; ++i) r.v[i] = a.v[i] & b.v[i];
  return r;
}
inline Bytes add(const Bytes& a, const Bytes& b) {  // modulo 256
  Bytes r;
  for (int i = 0; i < 64; ++i) r.v[i] = static_cast<std::uint8_t>(a.v[i] + b.v[i]);
  return r;
}
inline Bytes bit_or(const Bytes& a, const Bytes& b) {
  Bytes r;
  for (int i = 0; i < 64; ++i) r.v[i] = a.v[i] | b.v[i];
  return r;
}
template <int kBits>
inline Bytes shift_right(const Bytes& x) {
  Bytes r;
  for (int i = 0; i < 64; i += 2) {
    const int pair = (x.v[i] | x.v[i + 1] << 8) >> kBits;
    r.v[i] = static_cast<std::uint8_t>(pair & 0xFF);
    r.v[i + 1] = static_cast<std::uint8_t>(pair >> 8);
  }
  return r;
}
template <int kBits>
inline Bytes shift_left(const Bytes& x) {
  Bytes r;
  for (int i = 0; i < 64; i += 2) {
    const int pair = (x.v[i] | x.v[i + 1] << 8) << kBits;
    r.v[i] = static_cast<std::uint8_t>(pair & 0xFF);
    r.v[i + 1] = static_cast<std::uint8_t>(pair >> 8 & 0xFF);
  }
  return r;
}
// `value` in byte i where bit i is set.
inline Bytes where_set(std::uint64_t bits, std::uint8_t value) {
  Bytes r;
  for (int i = 0; i < 64; ++i) r.v[i] = (bits >> i & 1) != 0 ? value : 0;
  return r;
}
inline Bytes look_up(const Bytes& indices,
                     const std::int8_t* table) {  // 16 levels; indices below 16
  Bytes r;
  for (int i = 0; i < 64; ++i) r.v[i] = static_cast<std::uint8_t>(table[indices.v[i]]);
  return r;
}
inline Bytes bit_xor(const Bytes& a, const Bytes& b) {
  Bytes r;
  for (int i = 0; i < 64; ++i) r.v[i] = a.v[i] ^ b.v[i];
  return r;
}
inline Bytes as_bytes(const Ints& x) {
  Bytes r;
  std::memcpy(r.v, x.v, sizeof r.v);
  return r;
}
// The 16 bytes at p four times, shifted right by 0, 2, 4 and 6 bits: the two lowest bits of each.
inline Bytes load_quarters(const void* p) {
  std::uint8_t bytes[16];
  std::memcpy(bytes, p, sizeof bytes);
  Bytes r;
  for (int i = 0; i < 64; ++i) r.v[i] = bytes[i % 16] >> (2 * (i / 16)) & 3;
  return r;
}
// Four times eight bytes: the low four bits of each byte of an eight, then the high four.
inline Bytes load_nibbles_by_eight(const void* p) {
  std::uint8_t bytes[32];
  std::memcpy(bytes, p, sizeof bytes);
  Bytes r;
  for (int i = 0; i < 64; ++i) r.v[i] = bytes[i / 16 * 8 + i % 8] >> (4 * (i / 8 % 2)) & 15;
  return r;
}
inline Bytes whole_thirds(const Bytes& x) {  // the whole part of 3 x / 256
  Bytes r;
  for (int i = 0; i < 64; ++i) r.v[i] = static_cast<std::uint8_t>(3 * x.v[i] >> 8);
  return r;
}

// The 16 x 16 matrix of 32-bit words whose row r begins `stride` bytes after row r - 1, transposed:
// out[c] holds word c of every row.
inline void transpose(const std::uint8_t* rows, std::size_t stride, Bytes (&out)[16]) {
  for (std::size_t r = 0; r < 16; ++r)
    for (std::size_t c = 0; c < 16; ++c)
      std::memcpy(out[c].v + 4 * r, rows + r * stride + 4 * c, 4);
}

// a and b are eight blocks of 32 bytes each. Into words[k] goes word k of each block, those of a in
// the low lanes, both in kBlockOrder.
inline void interleave(const Bytes (&a)[4], const Bytes (&b)[4], Bytes (&words)[8]) {
  for (int k = 0; k < 8; ++k)
    for (int i = 0; i < 8; ++i) {
      const int block = kBlockOrder[i], at = 32 * (block % 2) + 4 * k;
      std::memcpy(words[k].v + 4 * i, a[block / 2].v + at, 4);
      std::memcpy(words[k].v + 32 + 4 * i, b[block / 2].v + at, 4);
    }
}

// Whether the vocabulary has two words more, which turn the words of half bytes before they are
// spread, at less than the cost of `interleave`, and give the same:
//   interleave_nibbles(a, b, words)         byte 32 c + i of the 128 at a and b: element i of block
//                                           2 c in the low four bits, of block 2 c + 1 in the high
//   interleave_nibble_blocks(a, b, stride, words)
//                                           block i in the 16 bytes at a + i * stride: byte j holds
//                                           element j in the low four bits, 16 + j in the high ones
inline constexpr bool kInterleavesNibbles = false;

// --- Products -----------------------------------------------------------------------------------

// dot_signed(w, x) gives the sum of (w + kSignedDotOffset) * x.
inline constexpr int kSignedDotOffset = 0;
// Whether panels are multiplied with two tokens at a time, by words that products_neon_i8mm.h has.
inline constexpr bool kPairsTokens = false;

// sums[i] + the four products of bytes 4 i to 4 i + 3: w unsigned and at most 127, x signed.
inline Ints dot_unsigned(const Ints& sums, const Bytes& w, const Bytes& x) {
  Ints r = sums;
  for (int i = 0; i < 64; ++i) r.v[i / 4] += w.v[i] * static_cast<std::int8_t>(x.v[i]);
  return r;
}
// What dot_signed wants of signed weights; once for many products.
inline Bytes prepare_signed(const Bytes& w) { return w; }
// The same of signed weights; x in [-127, 127].
inline Ints dot_signed(const Ints& sums, const Bytes& w, const Bytes& x) {
  Ints r = sums;
  for (int i = 0; i < 64; ++i)
    r.v[i / 4] += static_cast<std::int8_t>(w.v[i]) * static_cast<std::int8_t>(x.v[i]);
  return r;
}

// Each four neighbouring lanes added: sixteen sums, four of each argument.
inline Ints sums_of_four(const Ints (&x)[4]) {
  Ints r;
  for (int i = 0; i < 16; ++i) {
    const std::int32_t* p = x[i / 4].v + 4 * (i % 4);
    r.v[i] = p[0] + p[1] + p[2] + p[3];
  }
  return r;
}
// a and b hold two integers a block, in natural order. Into halves[h] goes integer h of each block,
// those of a in the low lanes, both in kBlockOrder.
inline void halves_in_block_order(const Ints& a, const Ints& b, Ints (&halves)[2]) {
  for (int i = 0; i < 8; ++i)
    for (int h = 0; h < 2; ++h) {
      halves[h].v[i] = a.v[2 * kBlockOrder[i] + h];
      halves[h].v[i + 8] = b.v[2 * kBlockOrder[i] + h];
    }
}
