// The formats of few levels, in the manner of formats.inl: one and two bits, trits, and FP4 with a
// scale per sixteen.

// The f16 of kBlocks blocks of a and of b, each for the 8 / kBlocks blocks of 32 that it covers.
template <int kBlocks, typename Block>
inline Floats spread_d(const std::byte* a, const std::byte* b) {
  constexpr int kCopies = 8 / kBlocks;
  std::uint16_t bits[16];
  for (int i = 0; i < 8; ++i) {
    bits[i] = blocks_at<Block>(a)[i / kCopies].d;
    bits[i + 8] = blocks_at<Block>(b)[i / kCopies].d;
  }
  return from_f16(bits);
}

// Codes from 0, less one: what all but NVFP4 here have in common.
template <typename Block, int kBlocks>
struct FewLevels {
  static constexpr bool kSigned = false, kFine = false;
  static constexpr int kOffsetBits = 0;
  static constexpr Minimums kMinimums = Minimums::kNone;
  static constexpr DType kType = Block::kType;
  static constexpr std::size_t kGroupBytes = kBlocks * sizeof(Block);
};

struct FormatQ1_0 : FewLevels<BlockQ1_0, 2> {
  static void unpack(const std::byte* group, Bytes (&w)[4]) {
    for (int i = 0; i < 4; ++i) {
      std::uint64_t bits;
      std::memcpy(&bits, blocks_at<BlockQ1_0>(group)[i / 2].bits + i % 2 * 8, sizeof bits);
      w[i] = where_set(bits, 2);
    }
  }
  static void scales(const std::byte* a, const std::byte* b, Scales& to) {
    to.scale = spread_d<2, BlockQ1_0>(a, b);
  }
};

struct FormatQ2_0 : FewLevels<BlockQ2_0, 4> {
  static void unpack(const std::byte* group, Bytes (&w)[4]) {
    for (int i = 0; i < 4; ++i) {
      const std::uint8_t* qs = blocks_at<BlockQ2_0>(group)[i].qs;
      // The byte of four codes, alone in a lane of 32 bits; each code moves to a byte of its own.
      const Ints four = widen(eight_bytes(qs), eight_bytes(qs + 8));
      const Ints low =
          add(bit_and(four, splat_int(0x03)), shift_left<6>(bit_and(four, splat_int(0x0C))));
      const Ints high = add(shift_left<12>(bit_and(four, splat_int(0x30))),
                            shift_left<18>(bit_and(four, splat_int(0xC0))));
      w[i] = as_bytes(add(low, high));
    }
  }
  static void scales(const std::byte* a, const std::byte* b, Scales& to) {
    to.scale = spread_d<4, BlockQ2_0>(a, b);
  }
};

struct FormatTQ2_0 : FewLevels<BlockTQ2_0, 1> {
  static void unpack(const std::byte* group, Bytes (&w)[4]) {
    const std::uint8_t* qs = blocks_at<BlockTQ2_0>(group)->qs;
    for (int n = 0; n < 2; ++n) {
      w[2 * n] = low_bits(load_shifted<0, 2>(qs + 32 * n), 3);
      w[2 * n + 1] = low_bits(load_shifted<4, 6>(qs + 32 * n), 3);
    }
  }
  static void scales(const std::byte* a, const std::byte* b, Scales& to) {
    to.scale = joined_d<BlockTQ2_0>(a, b);
  }
};

struct FormatTQ1_0 : FewLevels<BlockTQ1_0, 1> {
  static void unpack(const std::byte* group, Bytes (&w)[4]) {
    // Trit n of all bytes at once, sent to the places of its elements. What the last bytes of the
    // vector hold, which are the scale and whatever follows the block, goes nowhere.
    alignas(64) std::uint8_t bytes[64] = {};
    std::memcpy(bytes, group, sizeof(BlockTQ1_0));
    alignas(64) std::uint8_t trits[64], all[256];
    Bytes fraction = load_bytes(bytes);
    for (int n = 0; n < 5; ++n) {
      store_bytes(trits, whole_thirds(fraction));
      std::memcpy(all + 32 * n, trits, 32);
      std::memcpy(all + 160 + 16 * n, trits + 32, 16);
      if (n < 4) std::memcpy(all + 240 + 4 * n, trits + 48, 4);
      fraction = add(fraction, add(fraction, fraction));
    }
    for (int i = 0; i < 4; ++i) w[i] = load_bytes(all + 64 * i);
  }
  static void scales(const std::byte* a, const std::byte* b, Scales& to) {
    to.scale = joined_d<BlockTQ1_0>(a, b);
  }
};

// --- Rows with a scale of their own -------------------------------------------------------------

template <typename Block>
struct PlainRow : FewLevels<Block, 4> {
  using RowHeader = typename Block::RowHeader;
  static void scales(const std::byte*, const std::byte*, Scales& to) { to.scale = splat(1); }
};

struct FormatIQ2_BN : PlainRow<BlockIQ2_BN> {
  static void unpack(const std::byte* group, Bytes (&w)[4]) {
    for (int i = 0; i < 4; ++i) w[i] = load_quarters(blocks_at<BlockIQ2_BN>(group)[i].qs);
  }
};

// The five trits of a byte, highest first, a byte each.
inline constexpr std::array<std::uint64_t, 256> kFiveTrits = [] {
  std::array<std::uint64_t, 256> table{};
  for (unsigned byte = 0; byte < 256; ++byte)
    for (unsigned n = 0, power = 81; n < 5; ++n, power /= 3)
      table[byte] |= std::uint64_t{(byte * power & 255) * 3 >> 8} << (8 * n);
  return table;
}();

struct FormatIQ1_BN : PlainRow<BlockIQ1_BN> {
  static void unpack(const std::byte* group, Bytes (&w)[4]) {
    alignas(64) std::uint8_t all[64 + 8];  // a write has three bytes more than it means
    for (int i = 0; i < 4; ++i) {
      const BlockIQ1_BN& block = blocks_at<BlockIQ1_BN>(group)[i];
      for (int g = 0; g < 4; ++g) {
        for (int k = 0; k < 3; ++k)
          std::memcpy(all + 16 * g + 5 * k, &kFiveTrits[block.qs[3 * g + k]], 8);
        all[16 * g + 15] = static_cast<std::uint8_t>(kFiveTrits[block.rest] >> (8 * g));
      }
      w[i] = load_bytes(all);
    }
  }
};

struct FormatQ8_KV : PlainRow<BlockQ8_KV> {
  static constexpr bool kSigned = true;
  static constexpr int kOffsetBits = -1;
  static constexpr std::size_t kGroupBytes = 8 * sizeof(BlockQ8_KV);
  static void unpack(const std::byte* group, Bytes (&w)[4]) {
    for (int i = 0; i < 4; ++i) w[i] = load_bytes(group + 64 * i);
  }
};

// --- FP4 ----------------------------------------------------------------------------------------

struct FormatNVFP4 {
  static constexpr bool kSigned = true, kFine = true, kFloatFine = true;
  static constexpr int kOffsetBits = -1;
  static constexpr Minimums kMinimums = Minimums::kNone;
  static constexpr DType kType = DType::kNVFP4;
  static constexpr std::size_t kGroupBytes = 4 * sizeof(BlockNVFP4);

  static void unpack(const std::byte* group, Bytes (&w)[4]) {
    for (int i = 0; i < 4; ++i)
      w[i] =
          look_up(load_nibbles_by_eight(blocks_at<BlockNVFP4>(group)[i].qs), kE2M1Doubled.data());
  }
  // Four significant bits a scale; with sums of sixteen products below 2^15 all is exact.
  static void scales(const std::byte* a, const std::byte* b, Scales& to) {
    to.scale = splat(1);
    const std::byte* rows[2] = {a, b};
    for (int r = 0; r < 2; ++r) {
      float fine[16];
      for (int i = 0; i < 16; ++i)
        fine[i] = kHalfUE4M3[blocks_at<BlockNVFP4>(rows[r])[i / 4].scales[i % 4]];
      to.float_fine[r] = load(fine);
    }
  }

 private:
  static constexpr std::array<float, 256> kHalfUE4M3 = [] {
    std::array<float, 256> table{};
    for (unsigned bits = 0; bits < 256; ++bits)
      table[bits] = 0.5f * ue4m3_to_float(static_cast<std::uint8_t>(bits));
    return table;
  }();
};
