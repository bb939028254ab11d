// Packed rows times many packed tokens, written once: sixteen rows are unpacked into a panel in
// which a vector holds four neighbouring elements of each row, so that a product needs no sums
// across lanes. The panel is multiplied with all tokens; the sums are those of the thin path.
//
// For 32 elements b of the panel's rows, in order of (b % 8, b / 8), which is the order of use:
//   weights  (8, 16, 4) bytes: element 4 k + i of row r at [k][r][i]
//   scale, minimum (16 each), fine and fine_minimums (2, 16 each; halves of 16 elements)

inline constexpr std::int64_t kPanelRows = 16;

struct PanelBlock {
  alignas(64) std::uint8_t weights[8][16][4];
  float scale[16];
  float minimum[16];
  float fine[2][16];
  float fine_minimums[2][16];
};

static_assert(sizeof(PanelBlock) == kPanelBlockBytes);

inline PanelBlock* panel_block(PanelBlock* panel, std::int64_t groups, std::int64_t group,
                               std::int64_t lane) {
  return panel + lane * groups + group;
}

// What the rows of a group are unpacked into on their way to the panel.
struct RowMajorGroup {
  alignas(64) std::uint8_t weights[16][256];
  alignas(64) float scales[16][16];  // 8 scales, 8 minimums
  alignas(64) float fine[16][16], fine_minimums[16][16];
};

template <typename Format>
inline void unpack_pair(const std::byte* a, const std::byte* b, std::int64_t r,
                        RowMajorGroup& rows) {
  const std::byte* source[2] = {a, b};
  Scales scales;
  Format::scales(a, b, scales);
  for (int row = 0; row < 2; ++row) {
    Bytes w[4];
    Format::unpack(source[row], w);
    for (int i = 0; i < 4; ++i) {
      if constexpr (Format::kSigned) w[i] = prepare_signed(w[i]);
      store_bytes(rows.weights[r + row] + 64 * i, w[i]);
    }
    if constexpr (Format::kFine) store(rows.fine[r + row], to_floats(scales.fine[row]));
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

template <typename Format>
inline void transpose_group(const RowMajorGroup& rows, PanelBlock* panel, std::int64_t groups,
                            std::int64_t group) {
  Bytes words[16];
  for (int i = 0; i < 4; ++i) {
    transpose_words(rows.weights[0] + 64 * i, sizeof rows.weights[0], words);
    for (int k = 0; k < 16; ++k)
      store_bytes(panel_block(panel, groups, group, 2 * i + k / 8)->weights[k % 8], words[k]);
  }
  transpose_words(rows.scales, sizeof rows.scales[0], words);
  for (int lane = 0; lane < 8; ++lane) {
    PanelBlock* block = panel_block(panel, groups, group, lane);
    store_bytes(block->scale, words[lane]);
    if constexpr (Format::kMinimums != Minimums::kNone)
      store_bytes(block->minimum, words[8 + lane]);
  }
  if constexpr (Format::kFine) {
    transpose_words(rows.fine, sizeof rows.fine[0], words);
    for (int i = 0; i < 16; ++i)
      store_bytes(panel_block(panel, groups, group, i / 2)->fine[i % 2], words[i]);
  }
  if constexpr (Format::kMinimums == Minimums::kFine) {
    transpose_words(rows.fine_minimums, sizeof rows.fine_minimums[0], words);
    for (int i = 0; i < 16; ++i)
      store_bytes(panel_block(panel, groups, group, i / 2)->fine_minimums[i % 2], words[i]);
  }
}

// Rows that a last panel lacks repeat its last row; their results are not stored.
template <typename Format>
inline void fill_panel(const DotRows& rows, std::int64_t first, std::int64_t groups,
                       PanelBlock* panel) {
  constexpr auto kStep = static_cast<std::int64_t>(Format::kGroupBytes);
  const std::int64_t whole = rows.width / 256, rest = rows.width % 256;
  const std::byte* start[kPanelRows];
  for (std::int64_t r = 0; r < kPanelRows; ++r) {
    const std::int64_t row = first + r < rows.rows ? first + r : rows.rows - 1;
    start[r] = rows.weights + row * rows.row_bytes;
  }
  RowMajorGroup row_major;
  for (std::int64_t g = 0; g < whole; ++g) {
    for (std::int64_t r = 0; r < kPanelRows; r += 2) {
      const std::byte *a = start[r] + g * kStep, *b = start[r + 1] + g * kStep;
      prefetch_group<Format>(a, kPanelRows * rows.row_bytes);  // of the next panel
      prefetch_group<Format>(b, kPanelRows * rows.row_bytes);
      unpack_pair<Format>(a, b, r, row_major);
    }
    transpose_group<Format>(row_major, panel, groups, g);
  }
  if (rest != 0) {
    for (std::int64_t r = 0; r < kPanelRows; r += 2) {
      LastGroup<Format> a, b;
      a.fill(start[r] + rows.row_bytes, rest);
      b.fill(start[r + 1] + rows.row_bytes, rest);
      unpack_pair<Format>(a.bytes, b.bytes, r, row_major);
    }
    transpose_group<Format>(row_major, panel, groups, whole);
  }
}

// What of a format the multiplication sees, so that formats alike share its code.
template <bool kSignedV, bool kFineV, Minimums kMinimumsV, int kOffsetV>
struct PanelKind {
  static constexpr bool kSigned = kSignedV, kFine = kFineV;
  static constexpr Minimums kMinimums = kMinimumsV;
  static constexpr int kOffset = kOffsetV;  // as offset_bits
};

// Adds the products of elements [4 * begin, 4 * end) of a block.
template <typename Kind, int kTokens>
inline void panel_sums(const PanelBlock& block, int begin, int end, const std::int8_t* quants,
                       std::int64_t stride, Ints (&sums)[kTokens]) {
  for (int k = begin; k < end; ++k) {
    const Bytes w = load_bytes(block.weights[k]);
    for (int t = 0; t < kTokens; ++t)
      sums[t] = dot_step<Kind>(sums[t], w, load_four(quants + t * stride + 4 * k));
  }
}

// The products so far less what the offset of the weights adds to them. As all of what follows in
// integers below 2^24, exact in floats.
template <typename Kind>
inline Floats without_offset(const Ints& products, float x_sum) {
  if constexpr (Kind::kOffset < 0)
    return to_floats(products);
  else
    return fma(splat(-static_cast<float>(1 << Kind::kOffset)), splat(x_sum), to_floats(products));
}

// The integers S_b of one block, for kTokens tokens from `token`.
template <typename Kind, int kTokens>
inline void block_sums(const PanelBlock& block, const PackedActivations& x, std::int64_t token,
                       std::int64_t b, Floats (&s)[kTokens]) {
  const std::int64_t stride = 256 * x.groups;
  const std::int8_t* quants = x.quants + token * stride + 32 * b;
  const float* x_sums = x.float_sums + token * 16 * x.groups + 2 * b;
  Ints products[kTokens];
  for (Ints& sum : products) sum = splat_int(0);
  panel_sums<Kind, kTokens>(block, 0, Kind::kFine ? 4 : 8, quants, stride, products);
  for (int t = 0; t < kTokens; ++t) {
    const float* of_t = x_sums + t * 16 * x.groups;
    const float sum = Kind::kOffset < 0 ? 0 : Kind::kFine ? of_t[0] : of_t[0] + of_t[1];
    s[t] = without_offset<Kind>(products[t], sum);
    if constexpr (Kind::kFine) s[t] = mul(s[t], load(block.fine[0]));
  }
  if constexpr (Kind::kFine) {
    for (Ints& sum : products) sum = splat_int(0);
    panel_sums<Kind, kTokens>(block, 4, 8, quants, stride, products);
    for (int t = 0; t < kTokens; ++t)
      s[t] = fma(without_offset<Kind>(products[t], x_sums[t * 16 * x.groups + 1]),
                 load(block.fine[1]), s[t]);
  }
}

template <typename Kind, int kTokens>
inline void add_panel_block(const PanelBlock& block, const PackedActivations& x, std::int64_t token,
                            std::int64_t b, Floats (&acc)[kTokens]) {
  Floats s[kTokens];
  block_sums<Kind, kTokens>(block, x, token, b, s);
  for (int t = 0; t < kTokens; ++t) {
    const std::int64_t at = (token + t) * 8 * x.groups + b;
    const Floats x_scale = splat(x.scales[at]);
    acc[t] = fma(s[t], mul(load(block.scale), x_scale), acc[t]);
    if constexpr (Kind::kMinimums == Minimums::kFloat) {
      acc[t] = fma(load(block.minimum), splat(x.scaled_sums[at]), acc[t]);
    } else if constexpr (Kind::kMinimums == Minimums::kFine) {
      const float* x_sums = x.float_sums + 2 * at;
      const Floats m = fma(load(block.fine_minimums[1]), splat(x_sums[1]),
                           mul(load(block.fine_minimums[0]), splat(x_sums[0])));
      acc[t] = fma(load(block.minimum), mul(m, x_scale), acc[t]);
    }
  }
}

// Tokens [token, token + kTokens) with the panel; `count` rows are stored.
template <typename Kind, int kTokens>
void panel_tile(PanelBlock* panel, const PackedActivations& x, std::int64_t token, float* out,
                std::int64_t out_stride, std::int64_t count) {
  Floats lanes[8][kTokens];
  for (int lane = 0; lane < 8; ++lane) {
    Floats acc[kTokens];
    for (Floats& sum : acc) sum = splat(0);
    for (std::int64_t g = 0; g < x.groups; ++g)
      add_panel_block<Kind, kTokens>(*panel_block(panel, x.groups, g, lane), x, token, 8 * g + lane,
                                     acc);
    for (int t = 0; t < kTokens; ++t) lanes[lane][t] = acc[t];
  }
  for (int t = 0; t < kTokens; ++t) {
    Floats pairs[4];
    for (int lane = 0; lane < 4; ++lane) pairs[lane] = add(lanes[lane][t], lanes[lane + 4][t]);
    const Floats total = add(add(pairs[0], pairs[2]), add(pairs[1], pairs[3]));
    float* to = out + (token + t) * out_stride;
    if (count == kPanelRows)
      store(to, total);
    else
      store_part(to, total, count);
  }
}

template <typename Kind, int kTokens>
inline void panel_tokens(PanelBlock* panel, const PackedActivations& x, std::int64_t token,
                         float* out, std::int64_t out_stride, std::int64_t count) {
  for (; token + kTokens <= x.tokens; token += kTokens)
    panel_tile<Kind, kTokens>(panel, x, token, out, out_stride, count);
  if constexpr (kTokens > 1)
    panel_tokens<Kind, kTokens / 2>(panel, x, token, out, out_stride, count);
}

template <typename Format>
void wide_dot(const DotRows& rows, const PackedActivations& x, std::byte* scratch) {
  using Kind = PanelKind<Format::kSigned, Format::kFine, Format::kMinimums, offset_bits<Format>()>;
  auto* panel = reinterpret_cast<PanelBlock*>(scratch);
  for (std::int64_t row = 0; row < rows.rows; row += kPanelRows) {
    const std::int64_t left = rows.rows - row;
    fill_panel<Format>(rows, row, x.groups, panel);
    panel_tokens<Kind, kWideTokens>(panel, x, 0, rows.out + row, rows.out_stride,
                                    left < kPanelRows ? left : kPanelRows);
  }
}
