// The trellis formats of storage_types_iqk.h, in the manner of formats.inl. A state k steps along a
// path is its start times the k-th power of the step's factor, so the weights of a path are found
// side by side.

// Lane l: the power that leads to element l % kWeights of its path.
template <std::size_t kWeights>
constexpr std::array<std::int32_t, 16> trellis_powers() {
  std::array<std::int32_t, 16> powers{};
  for (std::size_t l = 0; l < 16; ++l) {
    std::uint32_t power = 1;
    for (std::size_t k = 0; k <= l % kWeights; ++k) power = next_trellis_state(power);
    powers[l] = static_cast<std::int32_t>(power);
  }
  return powers;
}
template <std::size_t kWeights>
inline constexpr auto kTrellisPowers = trellis_powers<kWeights>();

// The sixteen weights of the paths that begin at `starts`, as signed bytes.
template <std::size_t kWeights>
inline void store_path(std::int8_t* to, const Ints& starts) {
  const Ints states = mul(starts, load_ints(kTrellisPowers<kWeights>.data()));
  const Bytes six_bits = low_bits(as_bytes(states), 0x3F);
  narrow(to, dot_unsigned(splat_int(-126), six_bits, splat_byte(1)));
}

// Sixty-four weights: eight paths of eight.
inline Bytes eight_paths(const std::uint32_t (&indices)[8]) {
  alignas(64) std::int8_t bytes[64];
  for (int i = 0; i < 4; ++i) {
    const auto start = [&](int path) {
      return std::bit_cast<float>(indices[2 * i + path] + kTrellisStart);
    };
    store_path<8>(bytes + 16 * i, as_ints(join(start(0), start(1))));
  }
  return load_bytes(bytes);
}

template <typename Block>
struct TrellisFormat : ThirtyTwosFormat<Block> {
  static Floats levels(const std::uint8_t (&codes)[16]) {
    std::int8_t scales[16];
    for (int i = 0; i < 16; ++i) scales[i] = kIQ4Levels[codes[i]];
    return to_floats(widen_signed(scales));
  }
};

// Eight half bytes: lo of four bytes, then hi.
inline std::uint64_t nibbles_by_four(const std::uint8_t* packed) {
  const std::uint64_t four = four_bytes(packed);
  return (four & 0x0F0F0F0Fu) | (four >> 4 & 0x0F0F0F0Fu) << 32;
}

struct FormatIQ1_KT : TrellisFormat<BlockIQ1_KT> {
  static void unpack(const std::byte* group, Bytes (&w)[4]) {
    const auto* block = blocks_at<BlockIQ1_KT>(group);
    for (unsigned i = 0; i < 4; ++i) {
      std::uint32_t indices[8];
      for (unsigned k = 0; k < 8; ++k) {
        const unsigned g = 8 * i + k;
        const unsigned high = block->high[g % 16] >> 4 * (g / 16) & 15u;
        const unsigned top = block->scales[g / 4] >> (4 + g % 4) & 1u;
        indices[k] = block->low[g] | high << 8 | top << 12;
      }
      w[i] = eight_paths(indices);
    }
  }
  static void scales(const std::byte* a, const std::byte* b, Scales& to) {
    std::uint8_t codes[16];
    for (int i = 0; i < 8; ++i) {
      codes[i] = blocks_at<BlockIQ1_KT>(a)->scales[i] & 15;
      codes[i + 8] = blocks_at<BlockIQ1_KT>(b)->scales[i] & 15;
    }
    to.scale = levels(codes);
  }
};

template <typename Block>
struct WordTrellis : TrellisFormat<Block> {  // IQ2_KT, IQ3_KT
  static void unpack(const std::byte* group, Bytes (&w)[4]) {
    const auto* block = blocks_at<Block>(group);
    for (int i = 0; i < 4; ++i) {
      std::uint32_t indices[8];
      for (int k = 0; k < 8; ++k) indices[k] = block->indices[8 * i + k];
      w[i] = eight_paths(indices);
    }
  }
};

struct FormatIQ2_KT : WordTrellis<BlockIQ2_KT> {
  static void scales(const std::byte* a, const std::byte* b, Scales& to) {
    const std::uint64_t of_both[2] = {nibbles_by_four(blocks_at<BlockIQ2_KT>(a)->scales),
                                      nibbles_by_four(blocks_at<BlockIQ2_KT>(b)->scales)};
    std::uint8_t codes[16];
    std::memcpy(codes, of_both, sizeof codes);
    to.scale = levels(codes);
  }
};

struct FormatIQ3_KT : WordTrellis<BlockIQ3_KT> {
  static void unpack(const std::byte* group, Bytes (&w)[4]) {
    WordTrellis::unpack(group, w);
    const std::uint8_t* signs = blocks_at<BlockIQ3_KT>(group)->signs;
    with_signs(w[0], load_bit_planes<0, 0>(signs));
    with_signs(w[1], load_bit_planes<2, 0>(signs));
    with_signs(w[2], load_bit_planes<4, 0>(signs));
    with_signs(w[3], load_bit_planes<6, 0>(signs));
  }
  static void scales(const std::byte* a, const std::byte* b, Scales& to) {
    to.scale = to_floats(widen(nibbles_by_four(blocks_at<BlockIQ3_KT>(a)->scales),
                               nibbles_by_four(blocks_at<BlockIQ3_KT>(b)->scales)));
  }

 private:
  // Minus the size of w where `minus` is 1, plus its size where it is 0. To negate is to turn all
  // bits and add one.
  static void with_signs(Bytes& w, const Bytes& minus) {
    const Bytes turn = bit_xor(low_bits(shift_right<7>(w), 1), minus);
    const Bytes ones = add(bit_xor(turn, splat_byte(1)), splat_byte(255));
    w = add(bit_xor(w, ones), turn);
  }
};

struct FormatIQ4_KT : TrellisFormat<BlockIQ4_KT> {
  static void unpack(const std::byte* group, Bytes (&w)[4]) {
    const auto* block = blocks_at<BlockIQ4_KT>(group);
    alignas(64) std::uint32_t starts[256];
    for (unsigned g = 0; g < 64; ++g) {
      const std::uint32_t start = index(*block, g) + kTrellisStart;
      for (unsigned l = 0; l < 4; ++l) starts[4 * g + l] = start;
    }
    alignas(64) std::int8_t bytes[256];
    for (int at = 0; at < 256; at += 16)
      store_path<4>(bytes + at, load_ints(reinterpret_cast<const std::int32_t*>(starts + at)));
    for (int i = 0; i < 4; ++i) w[i] = load_bytes(bytes + 64 * i);
  }
  static void scales(const std::byte* a, const std::byte* b, Scales& to) {
    std::int8_t scales[16];
    for (int i = 0; i < 8; ++i) {
      scales[i] = scale(blocks_at<BlockIQ4_KT>(a)->scales[i]);
      scales[i + 8] = scale(blocks_at<BlockIQ4_KT>(b)->scales[i]);
    }
    to.scale = to_floats(widen_signed(scales));
  }

 private:
  static std::uint32_t index(const BlockIQ4_KT& block, unsigned g) {
    const std::uint32_t word = block.scales[g / 8];
    const unsigned high = block.high[g % 32] >> 4 * (g / 32) & 15u;
    return block.low[g] | high << 8 | (word >> (8 + 3 * (g % 8)) & 7u) << 12 | (word & 1) << 15;
  }
  static std::int8_t scale(std::uint32_t word) {
    return static_cast<std::int8_t>(static_cast<int>(word >> 1 & 127) - 64);
  }
};
