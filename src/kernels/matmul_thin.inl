// Packed rows times few packed tokens, written once: the rows are read where they lie, two at a
// time, and unpacked in registers. The order of the sums is in kernels.h (IntegerDotFunction).

template <typename Format>
constexpr int offset_bits() {
  if (!Format::kSigned) return Format::kOffsetBits;
  return kSignedDotOffset == 128 ? 7 : -1;
}

// What a row lacks to a whole group is filled with zeros: blocks of zeros add nothing.
template <typename Format>
struct LastGroup {
  alignas(64) std::byte bytes[Format::kGroupBytes];

  // The last `elements` (a multiple of 32, less than 256) of a row.
  void fill(const std::byte* group, std::int64_t elements) {
    const std::size_t count = Format::kGroupBytes * static_cast<std::size_t>(elements) / 256;
    std::memset(bytes, 0, sizeof bytes);
    std::memcpy(bytes, group, count);
  }
};

template <typename Format>
inline Ints dot_step(const Ints& sums, const Bytes& w, const Bytes& x) {
  if constexpr (Format::kSigned)
    return dot_signed(sums, w, x);
  else
    return dot_unsigned(sums, w, x);
}

// S_b of one group of rows a and b with token t.
template <typename Format>
inline Floats group_sums(const Bytes (&a)[4], const Bytes (&b)[4], const Scales& scales,
                         const std::int8_t* quants, const std::int32_t* sums) {
  constexpr int kOffset = offset_bits<Format>();
  const Ints zero = splat_int(0);
  Ints dots_a[4], dots_b[4];
  for (int i = 0; i < 4; ++i) {
    const Bytes x = load_bytes(quants + 64 * i);
    dots_a[i] = dot_step<Format>(zero, a[i], x);
    dots_b[i] = dot_step<Format>(zero, b[i], x);
  }
  if constexpr (Format::kFine) {
    Ints fine_a = sums_of_four(dots_a), fine_b = sums_of_four(dots_b);
    if constexpr (kOffset >= 0) {
      const Ints offset = shift_left<kOffset>(load_ints(sums));
      fine_a = sub(fine_a, offset);
      fine_b = sub(fine_b, offset);
    }
    if constexpr (has_float_fine<Format>())
      return sums_of_two(mul(to_floats(fine_a), scales.float_fine[0]),
                         mul(to_floats(fine_b), scales.float_fine[1]));
    else
      return to_floats(sums_of_two(mul(fine_a, scales.fine[0]), mul(fine_b, scales.fine[1])));
  } else {
    Ints both = sums_of_eight(dots_a, dots_b);
    if constexpr (kOffset >= 0) {
      const Ints fine = load_ints(sums);
      both = sub(both, shift_left<kOffset>(sums_of_two(fine, fine)));
    }
    return to_floats(both);
  }
}

// Rows are read in pairs, in short runs of either, which the machine's own prefetching follows only
// slowly: asking for what comes kAhead bytes later makes a token a quarter faster.
template <typename Format>
inline void prefetch_group(const std::byte* group, std::int64_t ahead) {
  const auto first = reinterpret_cast<std::uintptr_t>(group) + static_cast<std::uintptr_t>(ahead);
  for (std::size_t at = 0; at < Format::kGroupBytes; at += 64)  // cache lines; may be past the end
    __builtin_prefetch(reinterpret_cast<const void*>(first + at));
}

template <typename Format, int kTokens>
inline void add_group(const std::byte* a, const std::byte* b, const PackedActivations& x,
                      std::int64_t token, std::int64_t group, Floats (&acc)[kTokens]) {
  constexpr std::int64_t kAhead = 4096;
  prefetch_group<Format>(a, kAhead);
  prefetch_group<Format>(b, kAhead);
  Bytes weights_a[4], weights_b[4];
  Format::unpack(a, weights_a);
  Format::unpack(b, weights_b);
  if constexpr (Format::kSigned) {
    for (Bytes& w : weights_a) w = prepare_signed(w);
    for (Bytes& w : weights_b) w = prepare_signed(w);
  }
  Scales scales;
  Format::scales(a, b, scales);
  for (int t = 0; t < kTokens; ++t) {
    const std::int64_t at = (token + t) * x.groups + group;
    const std::int32_t* sums = x.sums + 16 * at;
    const Floats s = group_sums<Format>(weights_a, weights_b, scales, x.quants + 256 * at, sums);
    const Floats x_scales = load_twice(x.scales + 8 * at);
    acc[t] = fma(s, mul(scales.scale, x_scales), acc[t]);
    if constexpr (Format::kMinimums == Minimums::kFloat) {
      acc[t] = fma(scales.minimum, load_twice(x.scaled_sums + 8 * at), acc[t]);
    } else if constexpr (Format::kMinimums == Minimums::kFine) {
      const Ints x_sums = load_ints(sums);
      const Ints m =
          sums_of_two(mul(scales.fine_minimums[0], x_sums), mul(scales.fine_minimums[1], x_sums));
      acc[t] = fma(scales.minimum, mul(to_floats(m), x_scales), acc[t]);
    }
  }
}

template <typename Format, int kTokens>
inline void thin_tile(const DotRows& rows, const PackedActivations& x, std::int64_t row,
                      std::int64_t token) {
  const bool pair = row + 1 < rows.rows;
  const std::byte* a = rows.weights + row * rows.row_bytes;
  const std::byte* b = pair ? a + rows.row_bytes : a;
  constexpr auto kStep = static_cast<std::int64_t>(Format::kGroupBytes);
  const std::int64_t whole = rows.width / 256, rest = rows.width % 256;
  Floats acc[kTokens];
  for (Floats& sum : acc) sum = splat(0);
  for (std::int64_t g = 0; g < whole; ++g)
    add_group<Format, kTokens>(a + g * kStep, b + g * kStep, x, token, g, acc);
  if (rest != 0) {
    LastGroup<Format> last_a, last_b;
    last_a.fill(a + whole * kStep, rest);
    last_b.fill(b + whole * kStep, rest);
    add_group<Format, kTokens>(last_a.bytes, last_b.bytes, x, token, whole, acc);
  }
  for (int t = 0; t < kTokens; ++t) {
    float low = 0, high = 0;
    half_sums(acc[t], low, high);
    float* out = rows.out + (token + t) * rows.out_stride + row;
    out[0] = low;
    if (pair) out[1] = high;
  }
}

template <typename Format>
void thin_dot(const DotRows& rows, const PackedActivations& x, std::byte* /*scratch*/) {
  for (std::int64_t row = 0; row < rows.rows; row += 2) {
    std::int64_t token = 0;
    for (; token + 4 <= x.tokens; token += 4) thin_tile<Format, 4>(rows, x, row, token);
    for (; token + 2 <= x.tokens; token += 2) thin_tile<Format, 2>(rows, x, row, token);
    if (token < x.tokens) thin_tile<Format, 1>(rows, x, row, token);
  }
}
