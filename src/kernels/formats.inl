// How each packed format becomes bytes and scales, written once on the vocabulary of vec_*.h.
//
// A format works on groups of 256 elements of a row: eight blocks of 32 or one of 256. It says
//   kSigned      whether its bytes are signed; unsigned ones are at most 127
//   kOffsetBits  the weights are its unsigned bytes less 2^kOffsetBits; -1: they are as they are
//   kFine        whether every 16 elements have an integer scale of their own
//   kFloatFine   declared, and true, if that scale is a float of few bits instead
//   kMinimums    what is added per element: nothing, a float per 32, or a float times an integer
//                per 16
//   unpack(g, w) the 256 weights of a group, in order
//   scales(a, b) the scales of a group of row a (lanes 0 to 7) and of row b (lanes 8 to 15)
//   RowHeader    declared if rows begin with a scale for all of them
//   nibbles(g)   declared if has_nibbles() (matmul_kind.inl) describes it: its 128 bytes
//   nibble_blocks(g), kNibbleStride, level(w)
//                declared if every block of 32 has 16 bytes of half bytes as in Q4_0: those of the
//                first block, bytes from one to the next, and what half bytes stand for
// The layouts are those of tensor/storage_types.h. No pattern of bits is refused.

enum class Minimums { kNone, kFloat, kFine };

struct Scales {
  Floats scale;           // w_b of 8 blocks of a, then of b
  Floats minimum;         // m_b likewise; with kFine the factor of the sums of fine_minimums
  Ints fine[2];           // integer scales of the 16 parts of a, of b
  Floats float_fine[2];   // with kFloatFine, instead
  Ints fine_minimums[2];  // likewise
};

template <typename Format>
constexpr bool has_float_fine() {
  return requires { requires Format::kFloatFine; };
}

template <typename Block>
inline const Block* blocks_at(const std::byte* group) {
  return reinterpret_cast<const Block*>(group);
}

// The f16 in one field of eight blocks of a and of b.
template <auto kField, typename Block>
inline Floats halves_of(const Block* a, const Block* b) {
  return strided_f16<sizeof(Block)>(&(a->*kField), &(b->*kField));
}

inline Bytes low_bits(const Bytes& x, std::uint8_t mask) { return bit_and(x, splat_byte(mask)); }

// Bit kBit of the 32 bytes at p, then bit kBit + 1 of the same, each as 1 << kTo.
template <int kBit, int kTo>
inline Bytes load_bit_planes(const void* p) {
  const Bytes bits = low_bits(load_shifted<kBit, kBit + 1>(p), 1);
  return shift_left<kTo>(bits);
}

// --- Small integers, one a byte -----------------------------------------------------------------

inline std::uint64_t eight_bytes(const std::uint8_t* p) {
  std::uint64_t r;
  std::memcpy(&r, p, sizeof r);
  return r;
}
inline std::uint32_t four_bytes(const std::uint8_t* p) {
  std::uint32_t r;
  std::memcpy(&r, p, sizeof r);
  return r;
}
// The half bytes of four bytes, in order, lo first.
inline std::uint64_t spread_nibbles(std::uint32_t packed) {
  std::uint64_t x = packed;
  x = (x | x << 16) & 0x0000FFFF0000FFFFu;
  x = (x | x << 8) & 0x00FF00FF00FF00FFu;
  return (x | x << 4) & 0x0F0F0F0F0F0F0F0Fu;
}
// Eight times two bits.
inline std::uint64_t spread_pairs(std::uint16_t packed) {
  std::uint64_t x = packed;
  x = (x | x << 24) & 0x000000FF000000FFu;
  x = (x | x << 12) & 0x000F000F000F000Fu;
  return (x | x << 6) & 0x0303030303030303u;
}
// Eight times one bit.
inline std::uint64_t spread_bits(unsigned packed) {
  const std::uint64_t each = (packed & 255) * 0x0101010101010101u & 0x8040201008040201u;
  return (each + 0x7F7F7F7F7F7F7F7Fu) >> 7 & 0x0101010101010101u;
}

// --- Blocks of 32 -------------------------------------------------------------------------------

template <typename Block, int kBits>
struct BlocksOf32 {
  static constexpr bool kSigned = false, kFine = false;
  static constexpr int kOffsetBits = kBits;
  static constexpr Minimums kMinimums = Minimums::kNone;
  static constexpr DType kType = Block::kType;
  static constexpr std::size_t kGroupBytes = 8 * sizeof(Block);

  static void scales(const std::byte* a, const std::byte* b, Scales& to) {
    to.scale = halves_of<&Block::d>(blocks_at<Block>(a), blocks_at<Block>(b));
  }
};

template <typename Block, int kBits>
struct NibbleFormat : BlocksOf32<Block, kBits> {  // Q4_0
  static constexpr std::size_t kNibbleStride = sizeof(Block);
  static const std::uint8_t* nibble_blocks(const std::byte* group) {
    return blocks_at<Block>(group)->qs;
  }
  static Bytes level(const Bytes& nibbles) { return nibbles; }
  static void unpack(const std::byte* group, Bytes (&w)[4]) {
    const auto* block = blocks_at<Block>(group);
    for (int i = 0; i < 4; ++i) w[i] = load_nibbles(block[2 * i].qs, block[2 * i + 1].qs);
  }
};
using FormatQ4_0 = NibbleFormat<BlockQ4_0, 3>;

struct FormatQ4_1 : NibbleFormat<BlockQ4_1, -1> {
  static constexpr Minimums kMinimums = Minimums::kFloat;
  static void scales(const std::byte* a, const std::byte* b, Scales& to) {
    const auto *block_a = blocks_at<BlockQ4_1>(a), *block_b = blocks_at<BlockQ4_1>(b);
    to.scale = halves_of<&BlockQ4_1::d>(block_a, block_b);
    to.minimum = halves_of<&BlockQ4_1::m>(block_a, block_b);
  }
};

template <typename Block, int kBits>
struct FiveBitFormat : BlocksOf32<Block, kBits> {  // Q5_0
  static void unpack(const std::byte* group, Bytes (&w)[4]) {
    const auto* block = blocks_at<Block>(group);
    for (int i = 0; i < 4; ++i) {
      const std::uint64_t high = block[2 * i].qh | static_cast<std::uint64_t>(block[2 * i + 1].qh)
                                                       << 32;
      w[i] = bit_or(load_nibbles(block[2 * i].qs, block[2 * i + 1].qs), where_set(high, 16));
    }
  }
};
using FormatQ5_0 = FiveBitFormat<BlockQ5_0, 4>;

struct FormatQ5_1 : FiveBitFormat<BlockQ5_1, -1> {
  static constexpr Minimums kMinimums = Minimums::kFloat;
  static void scales(const std::byte* a, const std::byte* b, Scales& to) {
    const auto *block_a = blocks_at<BlockQ5_1>(a), *block_b = blocks_at<BlockQ5_1>(b);
    to.scale = halves_of<&BlockQ5_1::d>(block_a, block_b);
    to.minimum = halves_of<&BlockQ5_1::m>(block_a, block_b);
  }
};

template <typename Block>
struct ByteFormat : BlocksOf32<Block, -1> {
  static constexpr bool kSigned = true;
  static void unpack(const std::byte* group, Bytes (&w)[4]) {
    const auto* block = blocks_at<Block>(group);
    for (int i = 0; i < 4; ++i) w[i] = load_two(block[2 * i].qs, block[2 * i + 1].qs);
  }
};
using FormatQ8_0 = ByteFormat<BlockQ8_0>;
using FormatQ8_1 = ByteFormat<BlockQ8_1>;

struct FormatIQ4_NL : NibbleFormat<BlockIQ4_NL, -1> {
  static constexpr bool kSigned = true;
  static Bytes level(const Bytes& nibbles) { return look_up(nibbles, kIQ4Levels.data()); }
  static void unpack(const std::byte* group, Bytes (&w)[4]) {
    NibbleFormat::unpack(group, w);
    for (Bytes& part : w) part = level(part);
  }
};

struct FormatMXFP4 : NibbleFormat<BlockMXFP4, -1> {
  static constexpr bool kSigned = true;
  static Bytes level(const Bytes& nibbles) { return look_up(nibbles, kE2M1Doubled.data()); }
  static void unpack(const std::byte* group, Bytes (&w)[4]) {
    NibbleFormat::unpack(group, w);
    for (Bytes& part : w) part = level(part);
  }
  static void scales(const std::byte* a, const std::byte* b, Scales& to) {
    float scale[16];
    for (int i = 0; i < 8; ++i) {
      scale[i] = e8m0_half_to_float(blocks_at<BlockMXFP4>(a)[i].scale);
      scale[i + 8] = e8m0_half_to_float(blocks_at<BlockMXFP4>(b)[i].scale);
    }
    to.scale = load(scale);
  }
};

// --- Blocks of 256 ------------------------------------------------------------------------------

template <typename Block>
inline Floats joined_d(const std::byte* a, const std::byte* b) {
  return join_f16(&blocks_at<Block>(a)->d, &blocks_at<Block>(b)->d);
}
template <typename Block>
inline Floats joined_minus_dmin(const std::byte* a, const std::byte* b) {
  const Floats dmin = join_f16(&blocks_at<Block>(a)->dmin, &blocks_at<Block>(b)->dmin);
  return sub(splat(-0.0f), dmin);
}

template <typename Block>
struct KFormat {  // d, dmin, 12 bytes of scales and minimums, weights
  static constexpr bool kSigned = false, kFine = false;
  static constexpr int kOffsetBits = -1;
  static constexpr Minimums kMinimums = Minimums::kFloat;
  static constexpr DType kType = Block::kType;
  static constexpr std::size_t kGroupBytes = sizeof(Block);

  static void scales(const std::byte* a, const std::byte* b, Scales& to) {
    Ints scales, minimums;
    six_bit_scales(a, b, scales, minimums);
    Floats d, dmin;
    join_f16_pairs(&blocks_at<Block>(a)->d, &blocks_at<Block>(b)->d, d, dmin);
    to.scale = mul(d, to_floats(scales));
    to.minimum = mul(sub(splat(-0.0f), dmin), to_floats(minimums));
  }
};

struct FormatQ4_K : KFormat<BlockQ4_K> {
  static const std::uint8_t* nibbles(const std::byte* group) {
    return blocks_at<BlockQ4_K>(group)->qs;
  }
  static void unpack(const std::byte* group, Bytes (&w)[4]) {
    const std::uint8_t* qs = blocks_at<BlockQ4_K>(group)->qs;
    for (int c = 0; c < 4; ++c) w[c] = low_bits(load_shifted<0, 4>(qs + 32 * c), 15);
  }
};

struct FormatQ5_K : KFormat<BlockQ5_K> {
  static void unpack(const std::byte* group, Bytes (&w)[4]) {
    const auto* block = blocks_at<BlockQ5_K>(group);
    w[0] = load_bit_planes<0, 4>(block->qh);
    w[1] = load_bit_planes<2, 4>(block->qh);
    w[2] = load_bit_planes<4, 4>(block->qh);
    w[3] = load_bit_planes<6, 4>(block->qh);
    for (int c = 0; c < 4; ++c)
      w[c] = bit_or(w[c], low_bits(load_shifted<0, 4>(block->qs + 32 * c), 15));
  }
};

struct FormatQ6_K : KFormat<BlockQ6_K> {
  static constexpr bool kFine = true;
  static constexpr int kOffsetBits = 5;
  static constexpr Minimums kMinimums = Minimums::kNone;

  static void unpack(const std::byte* group, Bytes (&w)[4]) {
    const auto* block = blocks_at<BlockQ6_K>(group);
    for (int n = 0; n < 2; ++n) {
      const Bytes low = load_bytes(block->ql + 64 * n);
      const std::uint8_t* qh = block->qh + 32 * n;
      w[2 * n] = bit_or(low_bits(low, 15), shift_left<4>(low_bits(load_shifted<0, 2>(qh), 3)));
      w[2 * n + 1] = bit_or(low_bits(shift_right<4>(low), 15),
                            shift_left<4>(low_bits(load_shifted<4, 6>(qh), 3)));
    }
  }
  static void scales(const std::byte* a, const std::byte* b, Scales& to) {
    to.scale = joined_d<BlockQ6_K>(a, b);
    to.fine[0] = widen_signed(blocks_at<BlockQ6_K>(a)->scales);
    to.fine[1] = widen_signed(blocks_at<BlockQ6_K>(b)->scales);
  }
};

struct FormatQ2_K : KFormat<BlockQ2_K> {
  static constexpr bool kFine = true;
  static constexpr Minimums kMinimums = Minimums::kFine;

  static void unpack(const std::byte* group, Bytes (&w)[4]) {
    const std::uint8_t* qs = blocks_at<BlockQ2_K>(group)->qs;
    for (int n = 0; n < 2; ++n) {
      w[2 * n] = low_bits(load_shifted<0, 2>(qs + 32 * n), 3);
      w[2 * n + 1] = low_bits(load_shifted<4, 6>(qs + 32 * n), 3);
    }
  }
  static void scales(const std::byte* a, const std::byte* b, Scales& to) {
    to.scale = joined_d<BlockQ2_K>(a, b);
    to.minimum = joined_minus_dmin<BlockQ2_K>(a, b);
    constexpr std::uint64_t kLow = 0x0F0F0F0F0F0F0F0Fu;
    const std::byte* rows[2] = {a, b};
    for (int r = 0; r < 2; ++r) {
      const std::uint8_t* packed = blocks_at<BlockQ2_K>(rows[r])->scales;
      const std::uint64_t first = eight_bytes(packed), second = eight_bytes(packed + 8);
      to.fine[r] = widen(first & kLow, second & kLow);
      to.fine_minimums[r] = widen(first >> 4 & kLow, second >> 4 & kLow);
    }
  }
};

struct FormatQ3_K : KFormat<BlockQ3_K> {
  static constexpr bool kFine = true;
  static constexpr int kOffsetBits = 2;
  static constexpr Minimums kMinimums = Minimums::kNone;

  static void unpack(const std::byte* group, Bytes (&w)[4]) {
    const auto* block = blocks_at<BlockQ3_K>(group);
    w[0] = load_bit_planes<0, 2>(block->hmask);
    w[1] = load_bit_planes<2, 2>(block->hmask);
    w[2] = load_bit_planes<4, 2>(block->hmask);
    w[3] = load_bit_planes<6, 2>(block->hmask);
    for (int n = 0; n < 2; ++n) {
      const std::uint8_t* qs = block->qs + 32 * n;
      w[2 * n] = bit_or(w[2 * n], low_bits(load_shifted<0, 2>(qs), 3));
      w[2 * n + 1] = bit_or(w[2 * n + 1], low_bits(load_shifted<4, 6>(qs), 3));
    }
  }
  static void scales(const std::byte* a, const std::byte* b, Scales& to) {
    to.scale = joined_d<BlockQ3_K>(a, b);
    to.fine[0] = fine_scales(blocks_at<BlockQ3_K>(a)->scales);
    to.fine[1] = fine_scales(blocks_at<BlockQ3_K>(b)->scales);
  }

 private:
  static Ints fine_scales(const std::uint8_t (&packed)[12]) {
    const std::uint64_t low = eight_bytes(packed);
    std::uint32_t high;
    std::memcpy(&high, packed + 8, sizeof high);
    const auto two_bits = [high](int i) -> std::uint64_t {
      return (high >> (2 * i) & 0x03030303u) << 4;
    };
    constexpr std::uint64_t kLow = 0x0F0F0F0F0F0F0F0Fu;
    const Ints scales = widen((low & kLow) | two_bits(0) | two_bits(1) << 32,
                              (low >> 4 & kLow) | two_bits(2) | two_bits(3) << 32);
    return sub(scales, splat_int(32));
  }
};

struct FormatQ8_K : KFormat<BlockQ8_K> {
  static constexpr bool kSigned = true;
  static constexpr Minimums kMinimums = Minimums::kNone;

  static void unpack(const std::byte* group, Bytes (&w)[4]) {
    for (int i = 0; i < 4; ++i) w[i] = load_bytes(blocks_at<BlockQ8_K>(group)->qs + 64 * i);
  }
  static void scales(const std::byte* a, const std::byte* b, Scales& to) {
    to.scale = join(blocks_at<BlockQ8_K>(a)->d, blocks_at<BlockQ8_K>(b)->d);
  }
};

struct FormatIQ4_XS : KFormat<BlockIQ4_XS> {
  static constexpr bool kSigned = true;
  static constexpr Minimums kMinimums = Minimums::kNone;

  static constexpr std::size_t kNibbleStride = 16;
  static const std::uint8_t* nibble_blocks(const std::byte* group) {
    return blocks_at<BlockIQ4_XS>(group)->qs;
  }
  static Bytes level(const Bytes& nibbles) { return look_up(nibbles, kIQ4Levels.data()); }
  static void unpack(const std::byte* group, Bytes (&w)[4]) {
    const std::uint8_t* qs = nibble_blocks(group);
    for (int i = 0; i < 4; ++i) w[i] = level(load_nibbles(qs + 32 * i, qs + 32 * i + 16));
  }
  static void scales(const std::byte* a, const std::byte* b, Scales& to) {
    const Ints s =
        widen(scale_bytes(*blocks_at<BlockIQ4_XS>(a)), scale_bytes(*blocks_at<BlockIQ4_XS>(b)));
    to.scale = mul(joined_d<BlockIQ4_XS>(a, b), to_floats(sub(s, splat_int(32))));
  }

 private:
  static std::uint64_t scale_bytes(const BlockIQ4_XS& block) {
    return spread_nibbles(four_bytes(block.scales_low)) | spread_pairs(block.scales_high) << 4;
  }
};
