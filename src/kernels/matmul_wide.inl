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
  std::int32_t fine[2][16];
  std::int32_t fine_minimums[2][16];
};

static_assert(sizeof(PanelBlock) == kPanelBlockBytes);

inline PanelBlock* panel_block(PanelBlock* panel, std::int64_t groups, std::int64_t group,
                               std::int64_t lane) {
  return panel + lane * groups + group;
}

// One group of rows a and b, which are rows r and r + 1 of the panel.
template <typename Format>
inline void fill_group(const std::byte* a, const std::byte* b, PanelBlock* panel,
                       std::int64_t groups, std::int64_t group, std::int64_t r) {
  const std::byte* source[2] = {a, b};
  for (int row = 0; row < 2; ++row) {
    Bytes w[4];
    Format::unpack(source[row], w);
    for (int i = 0; i < 4; ++i) {
      if constexpr (Format::kSigned) w[i] = prepare_signed(w[i]);
      alignas(64) std::uint8_t bytes[64];
      store_bytes(bytes, w[i]);
      for (int half = 0; half < 2; ++half) {
        PanelBlock* block = panel_block(panel, groups, group, 2 * i + half);
        for (int k = 0; k < 8; ++k)
          std::memcpy(block->weights[k][r + row], bytes + 32 * half + 4 * k, 4);
      }
    }
  }
  Scales scales;
  Format::scales(a, b, scales);
  alignas(64) float scale[2][8], minimum[2][8] = {};
  store(scale[0], scales.scale);
  if constexpr (Format::kMinimums != Minimums::kNone) store(minimum[0], scales.minimum);
  alignas(64) std::int32_t fine[2][16] = {}, fine_minimums[2][16] = {};
  for (int row = 0; row < 2; ++row) {
    if constexpr (Format::kFine) store_ints(fine[row], scales.fine[row]);
    if constexpr (Format::kMinimums == Minimums::kFine)
      store_ints(fine_minimums[row], scales.fine_minimums[row]);
  }
  for (int lane = 0; lane < 8; ++lane) {
    PanelBlock* block = panel_block(panel, groups, group, lane);
    for (int row = 0; row < 2; ++row) {
      block->scale[r + row] = scale[row][lane];
      block->minimum[r + row] = minimum[row][lane];
      for (int half = 0; half < 2; ++half) {
        block->fine[half][r + row] = fine[row][2 * lane + half];
        block->fine_minimums[half][r + row] = fine_minimums[row][2 * lane + half];
      }
    }
  }
}

// Rows that a last panel lacks repeat its last row; their results are not stored.
template <typename Format>
inline void fill_panel(const DotRows& rows, std::int64_t first, std::int64_t groups,
                       PanelBlock* panel) {
  constexpr auto kStep = static_cast<std::int64_t>(Format::kGroupBytes);
  const std::int64_t whole = rows.width / 256, rest = rows.width % 256;
  for (std::int64_t r = 0; r < kPanelRows; r += 2) {
    const std::int64_t last = rows.rows - 1;
    const std::byte* a = rows.weights + (first + r < last ? first + r : last) * rows.row_bytes;
    const std::byte* b =
        rows.weights + (first + r + 1 < last ? first + r + 1 : last) * rows.row_bytes;
    for (std::int64_t g = 0; g < whole; ++g)
      fill_group<Format>(a + g * kStep, b + g * kStep, panel, groups, g, r);
    if (rest != 0) {
      LastGroup<Format> last_a, last_b;
      last_a.fill(a + rows.row_bytes, rest);
      last_b.fill(b + rows.row_bytes, rest);
      fill_group<Format>(last_a.bytes, last_b.bytes, panel, groups, whole, r);
    }
  }
}

// What of a format the multiplication sees, so that formats alike share its code.
template <bool kSignedV, bool kFineV, Minimums kMinimumsV>
struct PanelKind {
  static constexpr bool kSigned = kSignedV, kFine = kFineV;
  static constexpr Minimums kMinimums = kMinimumsV;
};

// Sums of elements [4 * begin, 4 * end) of a block, each token's starting at -offset * x_sum.
template <typename Kind, int kTokens>
inline void panel_sums(const PanelBlock& block, int begin, int end, const std::int8_t* quants,
                       std::int64_t stride, Ints (&sums)[kTokens]) {
  for (int k = begin; k < end; ++k) {
    const Bytes w = load_bytes(block.weights[k]);
    for (int t = 0; t < kTokens; ++t)
      sums[t] = dot_step<Kind>(sums[t], w, load_four(quants + t * stride + 4 * k));
  }
}

template <typename Kind, int kTokens>
inline void add_panel_block(const PanelBlock& block, const PackedActivations& x, std::int64_t token,
                            std::int64_t b, int offset_shift, Floats (&acc)[kTokens]) {
  const std::int64_t stride = 256 * x.groups;
  const std::int8_t* quants = x.quants + token * stride + 32 * b;
  Ints halves[2][kTokens];
  for (int t = 0; t < kTokens; ++t) {
    const std::int32_t* sums = x.sums + (token + t) * 16 * x.groups + 2 * b;
    const std::int32_t low = offset_shift < 0 ? 0 : -(sums[0] * (1 << offset_shift));
    const std::int32_t high = offset_shift < 0 ? 0 : -(sums[1] * (1 << offset_shift));
    halves[0][t] = splat_int(Kind::kFine ? low : low + high);
    if constexpr (Kind::kFine) halves[1][t] = splat_int(high);
  }
  if constexpr (Kind::kFine) {
    panel_sums<Kind, kTokens>(block, 0, 4, quants, stride, halves[0]);
    panel_sums<Kind, kTokens>(block, 4, 8, quants, stride, halves[1]);
    for (int t = 0; t < kTokens; ++t)
      halves[0][t] = add(mul(halves[0][t], load_ints(block.fine[0])),
                         mul(halves[1][t], load_ints(block.fine[1])));
  } else {
    panel_sums<Kind, kTokens>(block, 0, 8, quants, stride, halves[0]);
  }
  for (int t = 0; t < kTokens; ++t) {
    const std::int64_t at = (token + t) * 8 * x.groups + b;
    const Floats x_scale = splat(x.scales[at]);
    acc[t] = fma(to_floats(halves[0][t]), mul(load(block.scale), x_scale), acc[t]);
    if constexpr (Kind::kMinimums == Minimums::kFloat) {
      acc[t] = fma(load(block.minimum), splat(x.scaled_sums[at]), acc[t]);
    } else if constexpr (Kind::kMinimums == Minimums::kFine) {
      const Ints m = add(mul(load_ints(block.fine_minimums[0]), splat_int(x.sums[2 * at])),
                         mul(load_ints(block.fine_minimums[1]), splat_int(x.sums[2 * at + 1])));
      acc[t] = fma(load(block.minimum), mul(to_floats(m), x_scale), acc[t]);
    }
  }
}

// Tokens [token, token + kTokens) with the panel; `count` rows are stored.
template <typename Kind, int kTokens>
void panel_tile(PanelBlock* panel, const PackedActivations& x, std::int64_t token, int offset_shift,
                float* out, std::int64_t out_stride, std::int64_t count) {
  Floats lanes[8][kTokens];
  for (int lane = 0; lane < 8; ++lane) {
    Floats acc[kTokens];
    for (Floats& sum : acc) sum = splat(0);
    for (std::int64_t g = 0; g < x.groups; ++g)
      add_panel_block<Kind, kTokens>(*panel_block(panel, x.groups, g, lane), x, token, 8 * g + lane,
                                     offset_shift, acc);
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
                         int offset_shift, float* out, std::int64_t out_stride,
                         std::int64_t count) {
  for (; token + kTokens <= x.tokens; token += kTokens)
    panel_tile<Kind, kTokens>(panel, x, token, offset_shift, out, out_stride, count);
  if constexpr (kTokens > 1)
    panel_tokens<Kind, kTokens / 2>(panel, x, token, offset_shift, out, out_stride, count);
}

template <typename Format>
void wide_dot(const DotRows& rows, const PackedActivations& x, std::byte* scratch) {
  using Kind = PanelKind<Format::kSigned, Format::kFine, Format::kMinimums>;
  auto* panel = reinterpret_cast<PanelBlock*>(scratch);
  for (std::int64_t row = 0; row < rows.rows; row += kPanelRows) {
    const std::int64_t left = rows.rows - row;
    fill_panel<Format>(rows, row, x.groups, panel);
    panel_tokens<Kind, kWideTokens>(panel, x, 0, offset_bits<Format>(), rows.out + row,
                                    rows.out_stride, left < kPanelRows ? left : kPanelRows);
  }
}
