// Packed rows times many packed tokens, written once: a panel of rows is unpacked so that a vector
// holds four neighbouring elements of each of sixteen rows, and a product needs no sums across
// lanes. The panel is multiplied with all tokens; the sums are those of the thin path.
//
// The eight sums of kernels.h (block b belongs to sum b % 8) are computed one after the other: the
// panel's blocks of one sum, its slab, are few enough to stay in the nearest cache while all tokens
// pass by, and so each byte of activations that is fetched meets all rows of the panel.

inline constexpr std::int64_t kPanelRows = 16 * kPanelVectors;
static_assert(kPanelRows <= kMostPanelRows);

// 32 elements of the panel's rows: element 4 k + i of row 16 v + r at weights[k][v][4 r + i], or,
// where kPairsTokens, as pair_words() leaves words k and k + 1.
template <typename Kind>
struct alignas(64) PanelBlock {
  std::uint8_t weights[8][kPanelVectors][64];
  float numbers[Kind::kNumbers][kPanelVectors][16];
};
static_assert(sizeof(PanelBlock<ProductKind<false, true, Minimums::kFine, -1>>) <=
              static_cast<std::size_t>(kPanelRows) * (kMostPanelBlockBytes / kMostPanelRows));

// --- Unpacking ----------------------------------------------------------------------------------

// What sixteen rows of a group are unpacked into on their way to the panel.
struct RowMajorGroup {
  alignas(64) std::uint8_t weights[16][256];  // or half bytes, in the first 128
  alignas(64) float scales[16][16];           // 8 scales, 8 minimums
  alignas(64) float fine[16][16], fine_minimums[16][16];
};

template <typename Format>
inline void unpack_pair(const std::byte* a, const std::byte* b, std::int64_t r,
                        RowMajorGroup& rows) {
  const std::byte* source[2] = {a, b};
  Scales scales;
  Format::scales(a, b, scales);
  for (int row = 0; row < 2; ++row) {
    if constexpr (has_nibbles<Format>()) {
      std::memcpy(rows.weights[r + row], Format::nibbles(source[row]), 128);
    } else if constexpr (has_nibble_blocks<Format>()) {
      const std::uint8_t* blocks = Format::nibble_blocks(source[row]);
      for (std::size_t i = 0; i < 8; ++i)
        std::memcpy(rows.weights[r + row] + 16 * i, blocks + i * Format::kNibbleStride, 16);
    } else {
      Bytes w[4];
      Format::unpack(source[row], w);
      for (int i = 0; i < 4; ++i)
        store_bytes(rows.weights[r + row] + 64 * i, to_kept_byte<Format>(w[i]));
    }
    if constexpr (has_float_fine<Format>())
      store(rows.fine[r + row], scales.float_fine[row]);
    else if constexpr (Format::kFine)
      store(rows.fine[r + row], to_floats(scales.fine[row]));
    if constexpr (Format::kMinimums == Minimums::kFine)
      store(rows.fine_minimums[r + row], to_floats(scales.fine_minimums[row]));
  }
  store_halves(rows.scales[r], rows.scales[r + 1], scales.scale);
  if constexpr (Format::kMinimums != Minimums::kNone)
    store_halves(rows.scales[r] + 8, rows.scales[r + 1] + 8, scales.minimum);
}

inline void transpose_words(const void* rows, std::size_t stride, Bytes (&out)[16]) {
  transpose(static_cast<const std::uint8_t*>(rows), stride, out);
}

// Word `index` of a group's half bytes, of sixteen rows.
template <typename Format, typename Block>
inline void spread_nibbles(const Bytes& word, int index, Block* first, std::int64_t groups, int v) {
  const Bytes low = low_bits(word, 15), high = low_bits(shift_right<4>(word), 15);
  if constexpr (has_nibbles<Format>()) {
    const int pair = index / 8;
    store_bytes(first[2 * pair * groups].weights[index % 8][v], low);
    store_bytes(first[(2 * pair + 1) * groups].weights[index % 8][v], high);
  } else {
    auto& weights = first[index / 4 * groups].weights;
    store_bytes(weights[index % 4][v], to_kept_byte<Format>(Format::level(low)));
    store_bytes(weights[index % 4 + 4][v], to_kept_byte<Format>(Format::level(high)));
  }
}

// The blocks of one group are `groups` blocks apart, one a lane.
template <typename Format, typename Block>
inline void transpose_group(const RowMajorGroup& rows, Block* first, std::int64_t groups, int v) {
  using Kind = KindOf<Format>;
  Bytes words[16];
  constexpr bool kHalfBytes = has_nibbles<Format>() || has_nibble_blocks<Format>();
  for (int i = 0; i < (kHalfBytes ? 2 : 4); ++i) {
    transpose_words(rows.weights[0] + 64 * i, sizeof rows.weights[0], words);
    for (int k = 0; k < 16; ++k) {
      if constexpr (kHalfBytes) {
        spread_nibbles<Format>(words[k], 16 * i + k, first, groups, v);
      } else {
        const int part = 2 * i + k / 8;  // of 32 bytes
        store_bytes(first[part * groups].weights[k % 8][v], words[k]);
      }
    }
  }
  transpose_words(rows.scales, sizeof rows.scales[0], words);
  for (int lane = 0; lane < 8; ++lane) {
    store_bytes(first[lane * groups].numbers[0][v], words[lane]);
    if constexpr (Format::kMinimums != Minimums::kNone)
      store_bytes(first[lane * groups].numbers[Kind::kMinimumAt][v], words[8 + lane]);
  }
  if constexpr (Format::kFine) {
    transpose_words(rows.fine, sizeof rows.fine[0], words);
    for (int i = 0; i < 16; ++i)
      store_bytes(first[i / 2 * groups].numbers[Kind::kFineAt + i % 2][v], words[i]);
  }
  if constexpr (Format::kMinimums == Minimums::kFine) {
    transpose_words(rows.fine_minimums, sizeof rows.fine_minimums[0], words);
    for (int i = 0; i < 16; ++i)
      store_bytes(first[i / 2 * groups].numbers[Kind::kFineMinimumsAt + i % 2][v], words[i]);
  }
  if constexpr (kPairsTokens)
    for (int lane = 0; lane < 8; ++lane)
      for (int k = 0; k < 8; k += 2)
        pair_words(first[lane * groups].weights[k][v], first[lane * groups].weights[k + 1][v]);
}

// Sixteen rows from `first`, as vector v of the panel. Rows that there are not repeat the last one;
// their results are not stored.
template <typename Format, typename Block>
inline void fill_vector(const DotRows& rows, std::int64_t first, std::int64_t groups, int v,
                        Block* panel) {
  constexpr auto kStep = static_cast<std::int64_t>(Format::kGroupBytes);
  const std::int64_t whole = rows.width / 256, rest = rows.width % 256;
  const std::byte* start[16];
  for (std::int64_t r = 0; r < 16; ++r) {
    const std::int64_t row = first + r < rows.rows ? first + r : rows.rows - 1;
    start[r] = rows.weights + row * rows.row_bytes;
  }
  RowMajorGroup row_major;
  for (std::int64_t g = 0; g < whole; ++g) {
    for (std::int64_t r = 0; r < 16; r += 2) {
      const std::byte *a = start[r] + g * kStep, *b = start[r + 1] + g * kStep;
      prefetch_group<Format>(a, 16 * rows.row_bytes);  // of the next sixteen
      prefetch_group<Format>(b, 16 * rows.row_bytes);
      unpack_pair<Format>(a, b, r, row_major);
    }
    transpose_group<Format>(row_major, panel + g, groups, v);
  }
  if (rest != 0) {
    for (std::int64_t r = 0; r < 16; r += 2) {
      LastGroup<Format> a, b;
      a.fill(start[r] + whole * kStep, rest);
      b.fill(start[r + 1] + whole * kStep, rest);
      unpack_pair<Format>(a.bytes, b.bytes, r, row_major);
    }
    transpose_group<Format>(row_major, panel + whole, groups, v);
  }
}

// --- Multiplying --------------------------------------------------------------------------------
//
// A tile's sums live in registers only if everything around them is one function.

// What the offset of the weights takes away from the sums of half a block (kFine) or of a block.
template <typename Kind, int kBegin>
inline std::int32_t first_sum(const ActivationBlock& x) {
  if constexpr (Kind::kOffset < 0) return 0;
  const std::int32_t start = Kind::kFine ? x.offset_sums[kBegin / 4] : x.offset_sum;
  return start >> (7 - Kind::kOffset);  // exact: a multiple of 128
}

// panel_sums() by pairs of tokens; the last of an odd number is a pair with itself.
template <typename Kind, int kBegin, int kEnd, int kTokens>
[[gnu::always_inline]] inline void paired_panel_sums(const PanelBlock<Kind>& block,
                                                     const ActivationBlock* x,
                                                     std::int64_t x_stride,
                                                     Ints (&sums)[kPanelVectors][kTokens]) {
  for (int t = 0; t < kTokens; t += 2) {
    const int other = t + 1 < kTokens ? t + 1 : t;
    const ActivationBlock &first = x[t * x_stride], &second = x[other * x_stride];
    for (int v = 0; v < kPanelVectors; ++v) {
      auto pair = splat_pair(first_sum<Kind, kBegin>(first), first_sum<Kind, kBegin>(second));
      for (int k = kBegin; k < kEnd; k += 2)
        pair = dot_pair(pair, block.weights[k][v], block.weights[k + 1][v], first.quants + 4 * k,
                        second.quants + 4 * k);
      split(pair, sums[v][t], sums[v][other]);
    }
  }
}

// The integers of elements [4 * kBegin, 4 * kEnd) of a block and kTokens tokens, x_stride blocks
// apart, from what the offset of the weights takes away.
template <typename Kind, int kBegin, int kEnd, int kTokens>
[[gnu::always_inline]] inline void panel_sums(const PanelBlock<Kind>& block,
                                              const ActivationBlock* x, std::int64_t x_stride,
                                              Ints (&sums)[kPanelVectors][kTokens]) {
  if constexpr (kPairsTokens)
    return paired_panel_sums<Kind, kBegin, kEnd>(block, x, x_stride, sums);
  for (int t = 0; t < kTokens; ++t)
    for (int v = 0; v < kPanelVectors; ++v)
      sums[v][t] = splat_int(first_sum<Kind, kBegin>(x[t * x_stride]));
  // Unrolled, addresses are constants; they would take a sixth of the time.
#pragma clang loop unroll(full)
  for (int k = kBegin; k < kEnd; ++k)
    for (int t = 0; t < kTokens; ++t) {
      const Bytes four = load_four(x[t * x_stride].quants + 4 * k);
      for (int v = 0; v < kPanelVectors; ++v)
        sums[v][t] = dot_step<Kind>(sums[v][t], load_bytes(block.weights[k][v]), four);
    }
}

// S_b of kernels.h for one block. All of it is integers below 2^24, exact in floats.
template <typename Kind, int kTokens>
[[gnu::always_inline]] inline void block_sums(const PanelBlock<Kind>& block,
                                              const ActivationBlock* x, std::int64_t x_stride,
                                              Floats (&s)[kPanelVectors][kTokens]) {
  Ints sums[kPanelVectors][kTokens];
  panel_sums<Kind, 0, Kind::kFine ? 4 : 8>(block, x, x_stride, sums);
  for (int v = 0; v < kPanelVectors; ++v)
    for (int t = 0; t < kTokens; ++t) {
      s[v][t] = to_floats(sums[v][t]);
      if constexpr (Kind::kFine) s[v][t] = mul(s[v][t], load(block.numbers[Kind::kFineAt][v]));
    }
  if constexpr (Kind::kFine) {
    panel_sums<Kind, 4, 8>(block, x, x_stride, sums);
    for (int v = 0; v < kPanelVectors; ++v)
      for (int t = 0; t < kTokens; ++t)
        s[v][t] = fma(to_floats(sums[v][t]), load(block.numbers[Kind::kFineAt + 1][v]), s[v][t]);
  }
}

template <typename Kind, int kTokens>
[[gnu::always_inline]] inline void add_panel_block(const PanelBlock<Kind>& block,
                                                   const ActivationBlock* x, std::int64_t x_stride,
                                                   Floats (&acc)[kPanelVectors][kTokens]) {
  Floats s[kPanelVectors][kTokens];
  block_sums<Kind, kTokens>(block, x, x_stride, s);
  for (int t = 0; t < kTokens; ++t) {
    const ActivationBlock& of_t = x[t * x_stride];
    const Floats x_scale = splat(of_t.scale);
    for (int v = 0; v < kPanelVectors; ++v) {
      acc[v][t] = fma(s[v][t], mul(load(block.numbers[0][v]), x_scale), acc[v][t]);
      if constexpr (Kind::kMinimums == Minimums::kFloat) {
        acc[v][t] =
            fma(load(block.numbers[Kind::kMinimumAt][v]), splat(of_t.scaled_sum), acc[v][t]);
      } else if constexpr (Kind::kMinimums == Minimums::kFine) {
        constexpr float kUnit = -1.0f / 128;
        const Floats first = splat(static_cast<float>(of_t.offset_sums[0]) * kUnit);
        const Floats second = splat(static_cast<float>(of_t.offset_sums[1]) * kUnit);
        const Floats m = fma(load(block.numbers[Kind::kFineMinimumsAt + 1][v]), second,
                             mul(load(block.numbers[Kind::kFineMinimumsAt][v]), first));
        acc[v][t] = fma(load(block.numbers[Kind::kMinimumAt][v]), mul(m, x_scale), acc[v][t]);
      }
    }
  }
}

// Where the sums of the lanes go. Lanes come in the order of kLaneOrder, and `partial` holds what
// of ((0 + 4) + (2 + 6)) + ((1 + 5) + (3 + 7)) is known: three sets of (tokens, kPanelRows).
inline constexpr int kLaneOrder[8] = {0, 4, 2, 6, 1, 5, 3, 7};
struct LaneSums {
  float* partial;
  float* out;  // of the panel's first row and the chunk's first token
  std::int64_t out_stride;
  std::int64_t rows;  // that are stored
};

template <int kTokens>
[[gnu::always_inline]] inline void add_lane(const LaneSums& to, int lane, std::int64_t token,
                                            const Floats (&sums)[kPanelVectors][kTokens]) {
  constexpr std::int64_t kSet = kWideChunkTokens * kPanelRows;
  const auto each = [&](auto&& take) {
    for (int t = 0; t < kTokens; ++t)
      for (int v = 0; v < kPanelVectors; ++v)
        take(to.partial + (token + t) * kPanelRows + 16 * v, sums[v][t], t, v);
  };
  switch (lane) {
    case 0:
      return each([](float* a, const Floats& sum, int, int) { store(a, sum); });
    case 4:
      return each([](float* a, const Floats& sum, int, int) { store(a, add(load(a), sum)); });
    case 2:
    case 3:
      return each([](float* a, const Floats& sum, int, int) { store(a + kSet, sum); });
    case 6:
      return each([](float* a, const Floats& sum, int, int) {
        store(a, add(load(a), add(load(a + kSet), sum)));
      });
    case 1:
      return each([](float* a, const Floats& sum, int, int) { store(a + 2 * kSet, sum); });
    case 5:
      return each([](float* a, const Floats& sum, int, int) {
        store(a + 2 * kSet, add(load(a + 2 * kSet), sum));
      });
    default:
      each([&](const float* a, const Floats& sum, int t, int v) {
        const Floats odd = add(load(a + 2 * kSet), add(load(a + kSet), sum));
        const std::int64_t left = to.rows - 16 * v;
        store_at_most(to.out + (token + t) * to.out_stride + 16 * v, add(load(a), odd), left);
      });
  }
}

// One lane of kTokens tokens: `slab` and each token's blocks have `groups` blocks.
template <typename Kind, int kTokens>
void panel_tile(const PanelBlock<Kind>* slab, const ActivationBlock* x, std::int64_t groups,
                int lane, std::int64_t token, const LaneSums& to) {
  Floats acc[kPanelVectors][kTokens];
  for (auto& of_vector : acc)
    for (Floats& sum : of_vector) sum = splat(0);
  for (std::int64_t g = 0; g < groups; ++g)
    add_panel_block<Kind, kTokens>(slab[g], x + g, groups, acc);
  add_lane<kTokens>(to, lane, token, acc);
}

// Tokens [token, tokens) of a chunk in tiles of at most kTokens, as even as can be.
template <typename Kind, int kTokens = kWideTokens>
inline void panel_tiles(const PanelBlock<Kind>* slab, const ActivationBlock* x, std::int64_t groups,
                        int lane, std::int64_t token, std::int64_t tokens, const LaneSums& to) {
  std::int64_t tiles = (tokens - token + kTokens - 1) / kTokens;
  for (; tiles * (kTokens - 1) < tokens - token; --tiles, token += kTokens)
    panel_tile<Kind, kTokens>(slab, x + token * groups, groups, lane, token, to);
  if constexpr (kTokens > 1) {
    if (token < tokens) panel_tiles<Kind, kTokens - 1>(slab, x, groups, lane, token, tokens, to);
  }
}

template <typename Format>
void wide_dot(const DotRows& rows, const PackedActivations& x, std::byte* scratch) {
  using Kind = KindOf<Format>;
  auto* panel = reinterpret_cast<PanelBlock<Kind>*>(scratch);
  auto* partial = reinterpret_cast<float*>(scratch + static_cast<std::size_t>(8 * x.groups) *
                                                         kMostPanelBlockBytes);
  for (std::int64_t row = 0; row < rows.rows; row += kPanelRows) {
    const std::int64_t left = rows.rows - row;
    for (int v = 0; v < kPanelVectors; ++v)
      fill_vector<Format>(rows, row + 16 * v, x.groups, v, panel);
    for (std::int64_t token = 0; token < x.tokens; token += kWideChunkTokens) {
      const std::int64_t more = x.tokens - token;
      const std::int64_t tokens = more < kWideChunkTokens ? more : kWideChunkTokens;
      const LaneSums to{partial, rows.out + token * rows.out_stride + row, rows.out_stride,
                        left < kPanelRows ? left : kPanelRows};
      for (const int lane : kLaneOrder)
        panel_tiles<Kind>(panel + lane * x.groups, x.wide + (lane * x.tokens + token) * x.groups,
                          x.groups, lane, 0, tokens, to);
    }
  }
}
