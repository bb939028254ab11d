// Packed rows times few packed tokens, written once: the rows are read where they lie, two at a
// time. The words of their eight blocks of 32 are interleaved, so that lane 8 r + i of a vector
// belongs to row r and block kBlockOrder[i], and a product with activations in the same order
// (ActivationGroup) needs no sums across lanes. The order of the sums is in kernels.h
// (IntegerDotFunction).

// 256 elements of two rows: word k of every lane's block at words[k].
template <typename Kind>
struct alignas(64) PairGroup {
  std::uint8_t words[8][64];
  float numbers[Kind::kNumbers][16];
};
static_assert(sizeof(PairGroup<ProductKind<false, true, Minimums::kFine, -1>>) ==
              kMostPairGroupBytes);

// --- Unpacking ----------------------------------------------------------------------------------

// Two integers a block and row; to[h] gets integer h of each lane's block.
inline void store_halves_in_order(const Ints (&natural)[2], Floats (*as)(const Ints&),
                                  float (*to)[16]) {
  Ints halves[2];
  halves_in_block_order(natural[0], natural[1], halves);
  store(to[0], as(halves[0]));
  store(to[1], as(halves[1]));
}

// Word k of each lane's block, as Format::unpack gives them.
template <typename Format>
[[gnu::always_inline]] inline void unpack_words(const std::byte* a, const std::byte* b,
                                                Bytes (&words)[8]) {
  if constexpr (kInterleavesNibbles && has_nibbles<Format>()) {
    interleave_nibbles(Format::nibbles(a), Format::nibbles(b), words);
  } else if constexpr (kInterleavesNibbles && has_nibble_blocks<Format>()) {
    interleave_nibble_blocks(Format::nibble_blocks(a), Format::nibble_blocks(b),
                             Format::kNibbleStride, words);
    for (Bytes& word : words) word = Format::level(word);
  } else {
    Bytes of_a[4], of_b[4];
    Format::unpack(a, of_a);
    Format::unpack(b, of_b);
    interleave(of_a, of_b, words);
  }
}

template <typename Format>
[[gnu::always_inline]] inline void unpack_pair_group(const std::byte* a, const std::byte* b,
                                                     PairGroup<KindOf<Format>>& to) {
  using Kind = KindOf<Format>;
  constexpr std::int64_t kAhead = 12288;
  prefetch_group<Format>(a, kAhead);
  prefetch_group<Format>(b, kAhead);
  Bytes words[8];
  unpack_words<Format>(a, b, words);
  for (int k = 0; k < 8; ++k) store_bytes(to.words[k], to_kept_byte<Format>(words[k]));
  Scales scales;
  Format::scales(a, b, scales);
  store(to.numbers[0], in_block_order(scales.scale));
  if constexpr (has_float_fine<Format>())
    store_halves_in_order({as_ints(scales.float_fine[0]), as_ints(scales.float_fine[1])}, as_floats,
                          to.numbers + Kind::kFineAt);
  else if constexpr (Format::kFine)
    store_halves_in_order(scales.fine, to_floats, to.numbers + Kind::kFineAt);
  if constexpr (Format::kMinimums != Minimums::kNone)
    store(to.numbers[Kind::kMinimumAt], in_block_order(scales.minimum));
  if constexpr (Format::kMinimums == Minimums::kFine)
    store_halves_in_order(scales.fine_minimums, to_floats, to.numbers + Kind::kFineMinimumsAt);
}

// Calls take(a, b, g) for each group g of row `row` and the next, or of one twice.
template <typename Format, typename Take>
[[gnu::always_inline]] inline void each_pair_group(const DotRows& rows, std::int64_t row,
                                                   const Take& take) {
  constexpr auto kStep = static_cast<std::int64_t>(Format::kGroupBytes);
  const std::byte* a = rows.weights + row * rows.row_bytes;
  const std::byte* b = row + 1 < rows.rows ? a + rows.row_bytes : a;
  const std::int64_t whole = rows.width / 256, rest = rows.width % 256;
  for (std::int64_t g = 0; g < whole; ++g) take(a + g * kStep, b + g * kStep, g);
  if (rest == 0) return;
  LastGroup<Format> last_a, last_b;
  last_a.fill(a + whole * kStep, rest);
  last_b.fill(b + whole * kStep, rest);
  take(last_a.bytes, last_b.bytes, whole);
}

// --- Multiplying --------------------------------------------------------------------------------

// The integers of words [kBegin, kEnd) of each block and kTokens tokens, x_stride groups apart.
template <typename Kind, int kBegin, int kEnd, int kTokens>
[[gnu::always_inline]] inline void pair_sums(const PairGroup<Kind>& group, const ActivationGroup* x,
                                             std::int64_t x_stride, Ints (&sums)[kTokens]) {
  for (int t = 0; t < kTokens; ++t) {
    sums[t] = splat_int(0);
    if constexpr (Kind::kOffset >= 0) {
      const ActivationGroup& of_t = x[t * x_stride];
      sums[t] = load_twice(Kind::kFine ? of_t.offset_sums[kBegin / 4] : of_t.offset_sum);
      if constexpr (Kind::kOffset != 7) sums[t] = shift_right<7 - Kind::kOffset>(sums[t]);  // exact
    }
  }
#pragma clang loop unroll(full)
  for (int k = kBegin; k < kEnd; ++k) {
    const Bytes words = load_bytes(group.words[k]);
    for (int t = 0; t < kTokens; ++t)
      sums[t] = dot_step<Kind>(sums[t], words, load_bytes_twice(x[t * x_stride].quants[k]));
  }
}

template <typename Kind, int kTokens>
[[gnu::always_inline]] inline void add_pair_group(const PairGroup<Kind>& group,
                                                  const ActivationGroup* x, std::int64_t x_stride,
                                                  Floats (&acc)[kTokens]) {
  Ints sums[kTokens];
  Floats s[kTokens];
  pair_sums<Kind, 0, Kind::kFine ? 4 : 8>(group, x, x_stride, sums);
  for (int t = 0; t < kTokens; ++t) s[t] = to_floats(sums[t]);
  if constexpr (Kind::kFine) {
    const Floats first = load(group.numbers[Kind::kFineAt]);
    const Floats second = load(group.numbers[Kind::kFineAt + 1]);
    pair_sums<Kind, 4, 8>(group, x, x_stride, sums);
    for (int t = 0; t < kTokens; ++t) s[t] = fma(to_floats(sums[t]), second, mul(s[t], first));
  }
  const Floats scale = load(group.numbers[0]);
  for (int t = 0; t < kTokens; ++t) {
    const ActivationGroup& of_t = x[t * x_stride];
    const Floats x_scales = load_twice(of_t.scales);
    acc[t] = fma(s[t], mul(scale, x_scales), acc[t]);
    if constexpr (Kind::kMinimums == Minimums::kFloat) {
      acc[t] = fma(load(group.numbers[Kind::kMinimumAt]), load_twice(of_t.scaled_sums), acc[t]);
    } else if constexpr (Kind::kMinimums == Minimums::kFine) {
      const Floats unit = splat(-1.0f / 128);
      const Floats first = mul(to_floats(load_twice(of_t.offset_sums[0])), unit);
      const Floats second = mul(to_floats(load_twice(of_t.offset_sums[1])), unit);
      const Floats m = fma(load(group.numbers[Kind::kFineMinimumsAt + 1]), second,
                           mul(load(group.numbers[Kind::kFineMinimumsAt]), first));
      acc[t] = fma(load(group.numbers[Kind::kMinimumAt]), mul(m, x_scales), acc[t]);
    }
  }
}

inline void store_pair(const Floats& acc, const DotRows& rows, std::int64_t row,
                       std::int64_t token) {
  float low = 0, high = 0;
  half_sums(acc, low, high);
  float* out = rows.out + token * rows.out_stride + row;
  out[0] = low;
  if (row + 1 < rows.rows) out[1] = high;
}

// Tokens [token, x.tokens) in tiles of at most kTokens, as even as can be, with an unpacked pair.
template <typename Kind, int kTokens = kThinTokens>
void pair_tiles(const PairGroup<Kind>* pair, const DotRows& rows, const PackedActivations& x,
                std::int64_t row, std::int64_t token) {
  std::int64_t tiles = (x.tokens - token + kTokens - 1) / kTokens;
  for (; tiles * (kTokens - 1) < x.tokens - token; --tiles, token += kTokens) {
    Floats acc[kTokens];
    for (Floats& sum : acc) sum = splat(0);
    for (std::int64_t g = 0; g < x.groups; ++g)
      add_pair_group<Kind, kTokens>(pair[g], x.thin + token * x.groups + g, x.groups, acc);
    for (int t = 0; t < kTokens; ++t) store_pair(acc[t], rows, row, token + t);
  }
  if constexpr (kTokens > 1) {
    if (token < x.tokens) pair_tiles<Kind, kTokens - 1>(pair, rows, x, row, token);
  }
}

// So few tokens that what is unpacked goes straight from registers into the products.
template <typename Format, int kTokens>
void fused_dot(const DotRows& rows, const PackedActivations& x) {
  for (std::int64_t row = 0; row < rows.rows; row += 2) {
    Floats acc[kTokens];
    for (Floats& sum : acc) sum = splat(0);
    each_pair_group<Format>(
        rows, row,
        [&] [[gnu::always_inline]] (const std::byte* a, const std::byte* b, std::int64_t g) {
          PairGroup<KindOf<Format>> group;
          unpack_pair_group<Format>(a, b, group);
          add_pair_group<KindOf<Format>>(group, x.thin + g, x.groups, acc);
        });
    for (int t = 0; t < kTokens; ++t) store_pair(acc[t], rows, row, t);
  }
}

template <typename Format>
void thin_dot(const DotRows& rows, const PackedActivations& x, std::byte* scratch) {
  using Kind = KindOf<Format>;
  if (x.tokens == 1) return fused_dot<Format, 1>(rows, x);
  if (x.tokens == 2) return fused_dot<Format, 2>(rows, x);
  if (x.tokens == 3) return fused_dot<Format, 3>(rows, x);
  if (x.tokens == 4) return fused_dot<Format, 4>(rows, x);
  auto* pair = reinterpret_cast<PairGroup<Kind>*>(scratch);
  for (std::int64_t row = 0; row < rows.rows; row += 2) {
    each_pair_group<Format>(
        rows, row,
        [&] [[gnu::always_inline]] (const std::byte* a, const std::byte* b, std::int64_t g) {
          unpack_pair_group<Format>(a, b, pair[g]);
        });
    pair_tiles<Kind>(pair, rows, x, row, 0);
  }
}
