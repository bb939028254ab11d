// The formats of storage_types_iqk.h, in the manner of formats.inl: levels looked up, with a shift
// and an integer scale for every 16 or 32 elements. Where rows begin with a scale it is not part of
// this; the sums are multiplied by it in the end (IntegerDot::row_scale).

// --- Shifts -------------------------------------------------------------------------------------

// kValue in every byte of the sixteens whose bits are set: bits 0 to 3 for the four of a vector.
template <std::uint8_t kValue>
struct ShiftRows {
  std::uint8_t bytes[4][32];
  constexpr ShiftRows() : bytes() {
    for (unsigned bits = 0; bits < 4; ++bits)
      for (unsigned i = 0; i < 32; ++i) bytes[bits][i] = (bits >> i / 16 & 1) != 0 ? kValue : 0;
  }
};
template <std::uint8_t kValue>
inline constexpr ShiftRows<kValue> kShiftRows;

template <std::uint8_t kValue>
inline Bytes shift_sixteens(unsigned bits) {
  return load_two(kShiftRows<kValue>.bytes[bits & 3], kShiftRows<kValue>.bytes[bits >> 2 & 3]);
}
// The same of thirty-twos, by bits 0 and 1.
template <std::uint8_t kValue>
inline Bytes shift_halves(unsigned bits) {
  return load_two(kShiftRows<kValue>.bytes[(bits & 1) * 3],
                  kShiftRows<kValue>.bytes[(bits >> 1 & 1) * 3]);
}

// --- Codes and levels ---------------------------------------------------------------------------

// Levels, and after them the levels shifted: the shift is one more bit of the code.
template <int kShift, std::size_t kCount>
constexpr std::array<std::int8_t, 16> with_shifted(const std::array<std::int8_t, kCount>& levels) {
  std::array<std::int8_t, 16> table{};
  for (std::size_t q = 0; q < 2 * kCount && q < 16; ++q)
    table[q] = static_cast<std::int8_t>(levels[q % kCount] + (q < kCount ? 0 : kShift));
  return table;
}
inline constexpr auto kIQ2Table = with_shifted<kIQ2Shift>(kIQ2Levels);
inline constexpr auto kIQ3Table = with_shifted<kIQ3Shift>(kIQ3Levels);

// The upper sixteen levels of IQ5, and what the lower ones are less.
inline constexpr std::array<std::array<std::int8_t, 16>, 2> kIQ5Tables = [] {
  std::array<std::array<std::int8_t, 16>, 2> tables{};
  for (std::size_t q = 0; q < 16; ++q) {
    tables[0][q] = kIQ5Levels[q + 16];
    tables[1][q] = static_cast<std::int8_t>(kIQ5Levels[q] - kIQ5Levels[q + 16]);
  }
  return tables;
}();

// In every unpack_* `shift(i)` is what goes with elements 64 i to 64 i + 63.

template <typename Block, typename Shift>
inline void unpack_iq2(const Block& block, Shift shift, Bytes (&w)[4]) {
  for (int n = 0; n < 2; ++n) {
    w[2 * n] = low_bits(load_shifted<0, 2>(block.qs + 32 * n), 3);
    w[2 * n + 1] = low_bits(load_shifted<4, 6>(block.qs + 32 * n), 3);
  }
  for (int i = 0; i < 4; ++i) w[i] = look_up(bit_or(w[i], shift(i)), kIQ2Table.data());
}

template <typename Block, typename Shift>
inline void unpack_iq3(const Block& block, Shift shift, Bytes (&w)[4]) {
  w[0] = load_bit_planes<0, 2>(block.qh);
  w[1] = load_bit_planes<2, 2>(block.qh);
  w[2] = load_bit_planes<4, 2>(block.qh);
  w[3] = load_bit_planes<6, 2>(block.qh);
  for (int n = 0; n < 2; ++n) {
    const std::uint8_t* qs = block.qs + 32 * n;
    w[2 * n] = bit_or(w[2 * n], low_bits(load_shifted<0, 2>(qs), 3));
    w[2 * n + 1] = bit_or(w[2 * n + 1], low_bits(load_shifted<4, 6>(qs), 3));
  }
  for (int i = 0; i < 4; ++i) w[i] = look_up(bit_or(w[i], shift(i)), kIQ3Table.data());
}

template <typename Shift>
inline void unpack_iq4(const std::uint8_t* qs, Shift shift, Bytes (&w)[4]) {
  for (int i = 0; i < 4; ++i) {
    const Bytes levels = look_up(load_nibbles(qs + 32 * i, qs + 32 * i + 16), kIQ4Levels.data());
    w[i] = add(levels, shift(i));
  }
}

template <typename Block, typename Shift>
inline void unpack_iq5(const Block& block, Shift shift, Bytes (&w)[4]) {
  w[0] = load_bit_planes<0, 0>(block.qh);
  w[1] = load_bit_planes<2, 0>(block.qh);
  w[2] = load_bit_planes<4, 0>(block.qh);
  w[3] = load_bit_planes<6, 0>(block.qh);
  for (int i = 0; i < 4; ++i) {
    const Bytes q = low_bits(load_shifted<0, 4>(block.qs + 32 * i), 15);
    const Bytes where_low = add(w[i], splat_byte(255));  // ones where the fifth bit is clear
    const Bytes down = bit_and(look_up(q, kIQ5Tables[1].data()), where_low);
    w[i] = add(add(look_up(q, kIQ5Tables[0].data()), down), shift(i));
  }
}

// --- Sixteen scales a block of 256 --------------------------------------------------------------

template <typename Block>
struct SixteensFormat {
  static constexpr bool kSigned = true, kFine = true;
  static constexpr int kOffsetBits = -1;
  static constexpr Minimums kMinimums = Minimums::kNone;
  static constexpr DType kType = Block::kType;
  static constexpr std::size_t kGroupBytes = sizeof(Block);

  template <std::uint8_t kShift>
  static auto shifts(const std::byte* group) {
    const unsigned bits = blocks_at<Block>(group)->shifts;
    return [bits](int i) { return shift_sixteens<kShift>(bits >> (4 * i)); };
  }
};

struct FormatIQ2_K : SixteensFormat<BlockIQ2_K> {
  static void unpack(const std::byte* group, Bytes (&w)[4]) {
    unpack_iq2(*blocks_at<BlockIQ2_K>(group), shifts<4>(group), w);  // bit 2 of the code
  }
  static void scales(const std::byte* a, const std::byte* b, Scales& to) {
    to.scale = joined_d<BlockIQ2_K>(a, b);
    const std::byte* rows[2] = {a, b};
    for (int r = 0; r < 2; ++r) {
      const std::uint8_t* packed = blocks_at<BlockIQ2_K>(rows[r])->scales;
      const Ints nibbles =
          widen(spread_nibbles(four_bytes(packed)), spread_nibbles(four_bytes(packed + 4)));
      to.fine[r] = sub(nibbles, splat_int(8));
    }
  }
};

struct FormatIQ3_K : SixteensFormat<BlockIQ3_K> {
  static void unpack(const std::byte* group, Bytes (&w)[4]) {
    unpack_iq3(*blocks_at<BlockIQ3_K>(group), shifts<8>(group), w);  // bit 3 of the code
  }
  static void scales(const std::byte* a, const std::byte* b, Scales& to) {
    to.scale = joined_d<BlockIQ3_K>(a, b);
    to.fine[0] = fine_scales(*blocks_at<BlockIQ3_K>(a));
    to.fine[1] = fine_scales(*blocks_at<BlockIQ3_K>(b));
  }

 private:
  // Odd numbers from 1 to 31, the sign apart: all bits turned, and one added, where it is minus.
  static Ints fine_scales(const BlockIQ3_K& block) {
    std::uint64_t scales[2];
    for (int half = 0; half < 2; ++half) {
      const std::uint64_t size =
          spread_nibbles(four_bytes(block.scales + 4 * half)) << 1 | 0x0101010101010101u;
      const std::uint64_t minus = spread_bits(block.signs >> (8 * half) & 255u);
      scales[half] = (size ^ minus * 255) + minus;
    }
    return widen_signed(reinterpret_cast<const std::int8_t*>(scales));
  }
};

template <typename Block>
struct SixBitScales : SixteensFormat<Block> {  // IQ4_K, IQ5_K
  static void scales(const std::byte* a, const std::byte* b, Scales& to) {
    to.scale = joined_d<Block>(a, b);
    to.fine[0] = fine_scales(*blocks_at<Block>(a));
    to.fine[1] = fine_scales(*blocks_at<Block>(b));
  }

 private:
  static Ints fine_scales(const Block& block) {
    const std::uint32_t high = four_bytes(block.scales_high);
    const std::uint64_t first = spread_nibbles(four_bytes(block.scales_low)) |
                                spread_pairs(static_cast<std::uint16_t>(high)) << 4;
    const std::uint64_t second = spread_nibbles(four_bytes(block.scales_low + 4)) |
                                 spread_pairs(static_cast<std::uint16_t>(high >> 16)) << 4;
    return sub(widen(first, second), splat_int(32));
  }
};

struct FormatIQ4_K : SixBitScales<BlockIQ4_K> {
  static void unpack(const std::byte* group, Bytes (&w)[4]) {
    unpack_iq4(blocks_at<BlockIQ4_K>(group)->qs, shifts<kIQ4Shift>(group), w);
  }
};
struct FormatIQ5_K : SixBitScales<BlockIQ5_K> {
  static void unpack(const std::byte* group, Bytes (&w)[4]) {
    unpack_iq5(*blocks_at<BlockIQ5_K>(group), shifts<kIQ5Shift>(group), w);
  }
};

// --- Eight scales a block of 256, and one a row -------------------------------------------------

template <typename Block>
struct ThirtyTwosFormat {
  using RowHeader = typename Block::RowHeader;
  static constexpr bool kSigned = true, kFine = false;
  static constexpr int kOffsetBits = -1;
  static constexpr Minimums kMinimums = Minimums::kNone;
  static constexpr DType kType = Block::kType;
  static constexpr std::size_t kGroupBytes = sizeof(Block);
};

inline Floats scales_less(std::uint64_t a, std::uint64_t b, int offset) {
  return to_floats(sub(widen(a, b), splat_int(offset)));
}

struct FormatIQ2_KS : ThirtyTwosFormat<BlockIQ2_KS> {
  static void unpack(const std::byte* group, Bytes (&w)[4]) {
    const auto* block = blocks_at<BlockIQ2_KS>(group);
    const unsigned bits = block->extra;
    unpack_iq2(*block, [bits](int i) { return shift_halves<4>(bits >> (2 * i)); }, w);
  }
  static void scales(const std::byte* a, const std::byte* b, Scales& to) {
    to.scale =
        scales_less(codes(*blocks_at<BlockIQ2_KS>(a)), codes(*blocks_at<BlockIQ2_KS>(b)), 16);
  }

 private:
  static std::uint64_t codes(const BlockIQ2_KS& block) {
    return spread_nibbles(four_bytes(block.scales)) | spread_bits(block.extra >> 8) << 4;
  }
};

struct FormatIQ3_KS : ThirtyTwosFormat<BlockIQ3_KS> {
  static void unpack(const std::byte* group, Bytes (&w)[4]) {
    const auto* block = blocks_at<BlockIQ3_KS>(group);
    const unsigned bits = block->extra >> 8;
    unpack_iq3(*block, [bits](int i) { return shift_halves<8>(bits >> (2 * i)); }, w);
  }
  static void scales(const std::byte* a, const std::byte* b, Scales& to) {
    to.scale =
        scales_less(codes(*blocks_at<BlockIQ3_KS>(a)), codes(*blocks_at<BlockIQ3_KS>(b)), 16);
  }

 private:
  static std::uint64_t codes(const BlockIQ3_KS& block) {
    const std::uint64_t packed = four_bytes(block.scales);
    const std::uint64_t nibbles = (packed & 0x0F0F0F0Fu) | (packed >> 4 & 0x0F0F0F0Fu) << 32;
    return nibbles | spread_bits(block.extra) << 4;
  }
};

// Seven bits of scale and one of shift in each of eight bytes.
inline std::uint64_t scales_of_bytes(std::uint64_t bytes) { return bytes & 0xFEFEFEFEFEFEFEFEu; }
template <std::uint8_t kShift>
inline auto shifts_of_bytes(std::uint64_t bytes) {
  return [bytes](int i) {
    const auto two = static_cast<unsigned>(bytes >> (16 * i));
    return shift_halves<kShift>((two & 1) | (two >> 8 & 1) << 1);
  };
}

template <typename Block>
struct ByteScales : ThirtyTwosFormat<Block> {  // IQ4_KS, IQ5_KS
  static void scales(const std::byte* a, const std::byte* b, Scales& to) {
    to.scale = scales_less(scales_of_bytes(eight_bytes(blocks_at<Block>(a)->scales)),
                           scales_of_bytes(eight_bytes(blocks_at<Block>(b)->scales)), 127);
  }
};

struct FormatIQ4_KS : ByteScales<BlockIQ4_KS> {
  static void unpack(const std::byte* group, Bytes (&w)[4]) {
    const auto* block = blocks_at<BlockIQ4_KS>(group);
    unpack_iq4(block->qs, shifts_of_bytes<kIQ4Shift>(eight_bytes(block->scales)), w);
  }
};
struct FormatIQ5_KS : ByteScales<BlockIQ5_KS> {
  static void unpack(const std::byte* group, Bytes (&w)[4]) {
    const auto* block = blocks_at<BlockIQ5_KS>(group);
    unpack_iq5(*block, shifts_of_bytes<kIQ5Shift>(eight_bytes(block->scales)), w);
  }
};

struct FormatIQ4_KSS : ThirtyTwosFormat<BlockIQ4_KSS> {
  static void unpack(const std::byte* group, Bytes (&w)[4]) {
    constexpr std::uint8_t kAllButFirst[4] = {0xFE, 0xFF, 0xFE, 0xFF};
    alignas(64) std::uint8_t qs[128];
    for (int half = 0; half < 2; ++half) {
      const Bytes words = bit_and(load_bytes(group + 64 * half), load_four(kAllButFirst));
      store_bytes(qs + 64 * half, bit_xor(words, shift_right<1>(words)));
    }
    unpack_iq4(qs, shifts_of_bytes<kIQ4Shift>(scale_bytes(group)), w);
  }
  static void scales(const std::byte* a, const std::byte* b, Scales& to) {
    to.scale = scales_less(scales_of_bytes(scale_bytes(a)), scales_of_bytes(scale_bytes(b)), 127);
  }

 private:
  // Bit 0 of eight neighbouring words makes one byte.
  static std::uint64_t scale_bytes(const std::byte* group) {
    std::uint64_t bytes = 0;
    for (int at = 0; at < 16; ++at) {
      std::uint64_t four;
      std::memcpy(&four, group + 8 * at, sizeof four);
      // The products land in bits 48 to 51 and elsewhere, each in a place of its own.
      const std::uint64_t bits = (four & 0x0001000100010001u) * 0x0001000200040008u >> 48 & 15;
      bytes |= bits << (4 * at);
    }
    return bytes;
  }
};

// --- One scale a block of 32 --------------------------------------------------------------------

struct FormatQ6_0 : BlocksOf32<BlockQ6_0, 5> {
  static void unpack(const std::byte* group, Bytes (&w)[4]) {
    const auto* block = blocks_at<BlockQ6_0>(group);
    for (int i = 0; i < 4; ++i) {
      const BlockQ6_0 &first = block[2 * i], &second = block[2 * i + 1];
      // Half bytes in the order of elements 8 n + l % 8 are pairs of bits of elements 16 apart.
      const std::uint64_t a = eight_bytes(first.qh), b = eight_bytes(second.qh);
      std::uint64_t high[8];
      const std::uint64_t both[2] = {a, b};
      for (int r = 0; r < 2; ++r) {
        high[4 * r] = both[r] << 4 & 0x3030303030303030u;
        high[4 * r + 1] = both[r] & 0x3030303030303030u;
        high[4 * r + 2] = both[r] << 2 & 0x3030303030303030u;
        high[4 * r + 3] = both[r] >> 2 & 0x3030303030303030u;
      }
      w[i] = bit_or(load_nibbles(first.qs, second.qs), load_bytes(high));
    }
  }
};
