// Float weights times float tokens, and the packing of activations, written once. The order of the
// sums is in kernels.h.

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

// All values of a type of one byte.
template <DType kOf, float (*kConvert)(std::uint8_t)>
struct ByteWeights {
  static constexpr DType kType = kOf;
  using Element = std::uint8_t;
  static Floats load_lanes(const Element* p, std::int64_t n) {
    float values[16] = {};
    for (std::int64_t i = 0; i < n; ++i) values[i] = kValues[p[i]];
    return load(values);
  }
  static Floats load_lanes(const Element* p) {
    float values[16];
    for (int i = 0; i < 16; ++i) values[i] = kValues[p[i]];
    return load(values);
  }

 private:
  static constexpr std::array<float, 256> kValues = [] {
    std::array<float, 256> values{};
    for (unsigned bits = 0; bits < 256; ++bits)
      values[bits] = kConvert(static_cast<std::uint8_t>(bits));
    return values;
  }();
};
using F8E4M3Weights = ByteWeights<DType::kF8E4M3, f8e4m3_to_float>;
using F8E5M2Weights = ByteWeights<DType::kF8E5M2, f8e5m2_to_float>;

// Sixteen rows and a few tokens are multiplied a stretch of elements after the other: the tokens'
// stretch, 24 KiB, stays in the nearest cache while the rows pass by. Between stretches the lanes
// of the sums rest in memory.
inline constexpr std::int64_t kBandRows = 16, kStretchFloats = 6144;

template <typename Weights, int kTokens>
struct FloatBand {
  const typename Weights::Element* weights[kBandRows];
  const float* tokens[kTokens];
  alignas(64) float lanes[kTokens][kBandRows][kLanes];
};

// Elements [begin, end) of kRows rows from `row` and of kTokens tokens.
template <typename Weights, int kRows, int kTokens>
inline void float_tile(FloatBand<Weights, kTokens>& band, std::int64_t begin, std::int64_t end,
                       std::int64_t row) {
  const typename Weights::Element* const* w = band.weights + row;
  Floats acc[kRows][kTokens];
  for (int r = 0; r < kRows; ++r)
    for (int t = 0; t < kTokens; ++t)
      acc[r][t] = begin == 0 ? splat(0) : load(band.lanes[t][row + r]);
  const std::int64_t rest = (end - begin) % kLanes, whole = end - rest;
  for (std::int64_t k = begin; k < whole; k += kLanes) {
    Floats weights[kRows];
    for (int r = 0; r < kRows; ++r) weights[r] = Weights::load_lanes(w[r] + k);
    for (int t = 0; t < kTokens; ++t) {
      const Floats x = load(band.tokens[t] + k);
      for (int r = 0; r < kRows; ++r) acc[r][t] = fma(x, weights[r], acc[r][t]);
    }
  }
  if (rest != 0) {
    for (int r = 0; r < kRows; ++r) {
      const Floats weights = Weights::load_lanes(w[r] + whole, rest);
      for (int t = 0; t < kTokens; ++t)
        acc[r][t] = fma(load_part(band.tokens[t] + whole, rest), weights, acc[r][t]);
    }
  }
  for (int r = 0; r < kRows; ++r)
    for (int t = 0; t < kTokens; ++t) store(band.lanes[t][row + r], acc[r][t]);
}

// `count` rows from `row`, at most kBandRows, and kTokens tokens from x.
template <typename Weights, int kTokens>
void float_band(const DotRows& rows, std::int64_t row, std::int64_t count, const float* x,
                float* out, FloatBand<Weights, kTokens>& band) {
  constexpr std::int64_t kStretch = kStretchFloats / kTokens / kLanes * kLanes;
  for (std::int64_t r = 0; r < count; ++r)
    band.weights[r] = reinterpret_cast<const typename Weights::Element*>(
        rows.weights + (row + r) * rows.row_bytes);
  for (int t = 0; t < kTokens; ++t) band.tokens[t] = x + t * rows.width;
  for (std::int64_t begin = 0; begin < rows.width; begin += kStretch) {
    const std::int64_t left = rows.width - begin;
    const std::int64_t end = left < kStretch ? rows.width : begin + kStretch;
    std::int64_t r = 0;
    for (; r + kFloatRows <= count; r += kFloatRows)
      float_tile<Weights, kFloatRows>(band, begin, end, r);
    for (; r < count; ++r) float_tile<Weights, 1>(band, begin, end, r);
  }
  for (int t = 0; t < kTokens; ++t) {
    Floats lanes[kBandRows];
    for (int r = 0; r < kBandRows; ++r) lanes[r] = load(band.lanes[t][r]);
    const Floats sums = sums_of_sixteen(lanes);
    float* to = out + t * rows.out_stride + row;
    if (count == kBandRows)
      store(to, sums);
    else
      store_part(to, sums, count);
  }
}

// All rows meet a few tokens before the next few are fetched: there are more tokens than fit the
// cache.
template <typename Weights, int kTokens>
inline void float_bands(const DotRows& rows, const float* x, std::int64_t token,
                        std::int64_t tokens) {
  FloatBand<Weights, kTokens> band;
  for (; token + kTokens <= tokens; token += kTokens) {
    for (std::int64_t row = 0; row < rows.rows; row += kBandRows) {
      const std::int64_t left = rows.rows - row;
      float_band(rows, row, left < kBandRows ? left : kBandRows, x + token * rows.width,
                 rows.out + token * rows.out_stride, band);
    }
  }
  constexpr int kFewer = kTokens > 4 ? 4 : kTokens / 2;
  if constexpr (kFewer > 0)
    if (token < tokens) float_bands<Weights, kFewer>(rows, x, token, tokens);
}

template <typename Weights>
void float_dot(const DotRows& rows, const float* x, std::int64_t tokens) {
  float_bands<Weights, kFloatTokens>(rows, x, 0, tokens);
}
