// Float weights times float tokens, and the packing of activations, written once.

struct F32Weights {
  static constexpr DType kType = DType::kF32;
  using Element = float;
  static Floats load_lanes(const Element* p) { return load(p); }
  static Floats load_lanes(const Element* p, std::int64_t n) { return load_part(p, n); }
};
template <typename Derived>
struct SixteenBitWeights {
  using Element = std::uint16_t;
  static Floats load_lanes(const Element* p, std::int64_t n) {
    Element part[16] = {};
    std::memcpy(part, p, static_cast<std::size_t>(n) * sizeof(Element));
    return Derived::load_lanes(part);
  }
};
struct F16Weights : SixteenBitWeights<F16Weights> {
  static constexpr DType kType = DType::kF16;
  using SixteenBitWeights::load_lanes;
  static Floats load_lanes(const Element* p) { return from_f16(p); }
};
struct BF16Weights : SixteenBitWeights<BF16Weights> {
  static constexpr DType kType = DType::kBF16;
  using SixteenBitWeights::load_lanes;
  static Floats load_lanes(const Element* p) { return from_bf16(p); }
};

template <typename Weights, int kRows, int kTokens>
void float_tile(const DotRows& rows, const float* x, std::int64_t row, std::int64_t token) {
  using Element = typename Weights::Element;
  const Element* w[kRows];
  for (int r = 0; r < kRows; ++r)
    w[r] = reinterpret_cast<const Element*>(rows.weights + (row + r) * rows.row_bytes);
  x += token * rows.width;
  Floats acc[kRows][kTokens];
  for (auto& of_row : acc)
    for (Floats& sum : of_row) sum = splat(0);
  const std::int64_t rest = rows.width % kLanes, whole = rows.width - rest;
  for (std::int64_t k = 0; k < whole; k += kLanes) {
    Floats lanes[kTokens];
    for (int t = 0; t < kTokens; ++t) lanes[t] = load(x + t * rows.width + k);
    for (int r = 0; r < kRows; ++r) {
      const Floats weights = Weights::load_lanes(w[r] + k);
      for (int t = 0; t < kTokens; ++t) acc[r][t] = fma(lanes[t], weights, acc[r][t]);
    }
  }
  if (rest != 0) {
    for (int r = 0; r < kRows; ++r) {
      const Floats weights = Weights::load_lanes(w[r] + whole, rest);
      for (int t = 0; t < kTokens; ++t)
        acc[r][t] = fma(load_part(x + t * rows.width + whole, rest), weights, acc[r][t]);
    }
  }
  for (int r = 0; r < kRows; ++r)
    for (int t = 0; t < kTokens; ++t)
      rows.out[(token + t) * rows.out_stride + row + r] = sum(acc[r][t]);
}

template <typename Weights, int kRows>
inline void float_rows(const DotRows& rows, const float* x, std::int64_t tokens, std::int64_t row) {
  std::int64_t token = 0;
  for (; token + kFloatTokens <= tokens; token += kFloatTokens)
    float_tile<Weights, kRows, kFloatTokens>(rows, x, row, token);
  for (; token < tokens; ++token) float_tile<Weights, kRows, 1>(rows, x, row, token);
}

template <typename Weights>
void float_dot(const DotRows& rows, const float* x, std::int64_t tokens) {
  std::int64_t row = 0;
  for (; row + kFloatRows <= rows.rows; row += kFloatRows)
    float_rows<Weights, kFloatRows>(rows, x, tokens, row);
  for (; row < rows.rows; ++row) float_rows<Weights, 1>(rows, x, tokens, row);
}

// --- Packing ------------------------------------------------------------------------------------

// 32 elements, as PackedActivations says. Returns their scale.
inline float pack_block(const Floats& low, const Floats& high, std::int8_t* quants) {
  constexpr float kTiny = 0x1p-100f;
  const Ints no_sign = splat_int(0x7FFFFFFF);
  const Ints magnitudes = maximum(bit_and(as_ints(low), no_sign), bit_and(as_ints(high), no_sign));
  // Bits of floats without a sign are in the order of the floats, NaNs above infinity.
  const float largest_x = std::bit_cast<float>(largest(magnitudes));
  const bool finite = largest_x <= std::numeric_limits<float>::max();
  if (!finite || largest_x < kTiny) {
    std::memset(quants, 0, 32);
    return finite ? 0.0f : std::numeric_limits<float>::quiet_NaN();
  }
  const Floats inverse = splat(127.0f / largest_x);
  narrow(quants, to_ints(mul(low, inverse)));
  narrow(quants + 16, to_ints(mul(high, inverse)));
  return largest_x / 127.0f;
}

// Sixteen floats, zeros for those past the n that there are.
inline Floats load_at_most(const float* p, std::int64_t n) {
  if (n >= kLanes) return load(p);
  return n > 0 ? load_part(p, n) : splat(0.0f);
}

inline void pack_row(const float* x, std::int64_t width, std::int64_t t,
                     const PackedActivations& to) {
  const Bytes ones = splat_byte(1);
  for (std::int64_t g = 0; g < to.groups; ++g) {
    const std::int64_t at = t * to.groups + g;
    std::int8_t* quants = to.quants + 256 * at;
    float* scales = to.scales + 8 * at;
    for (std::int64_t b = 0; b < 8; ++b) {
      const float* block = x + 256 * g + 32 * b;
      const std::int64_t left = width - 256 * g - 32 * b;
      scales[b] = pack_block(load_at_most(block, left), load_at_most(block + 16, left - 16),
                             quants + 32 * b);
    }
    Ints dots[4];
    for (int i = 0; i < 4; ++i)
      dots[i] = dot_unsigned(splat_int(0), ones, load_bytes(quants + 64 * i));
    const Ints sums = sums_of_four(dots);
    store_ints(to.sums + 16 * at, sums);
    store(to.float_sums + 16 * at, to_floats(sums));
    float of_32[16];
    store(of_32, to_floats(sums_of_two(sums, sums)));
    for (int b = 0; b < 8; ++b) to.scaled_sums[8 * at + b] = scales[b] * of_32[b];
  }
}
