// How keys and values lie in their blocks (attention.h), and their way back to floats: tiles of
// keys as (width, 32), of values as (32, padded width).

struct F32Kv {
  static constexpr DType kType = DType::kF32;
  using Element = float;
  static Floats load_lanes(const Element* p) { return load(p); }
  static void store_lanes(Element* p, const Floats& x) { store(p, x); }
};
struct F16Kv {
  static constexpr DType kType = DType::kF16;
  using Element = std::uint16_t;
  static Floats load_lanes(const Element* p) { return from_f16(p); }
  static void store_lanes(Element* p, const Floats& x) { to_f16(p, x); }
};
struct BF16Kv {
  static constexpr DType kType = DType::kBF16;
  using Element = std::uint16_t;
  static Floats load_lanes(const Element* p) { return from_bf16(p); }
  static void store_lanes(Element* p, const Floats& x) {
    float lanes[16];
    store(lanes, x);
    for (int i = 0; i < 16; ++i) p[i] = float_to_bf16(lanes[i]);
  }
};

// Packed types take 32 elements of a position together. Their bytes and scale are those of the
// storage type's block; what is different is where they lie: a group of 32 elements of all
// positions begins with the scales (32 f16), then come the bytes, of keys as (bytes of a block, 32
// positions), of values as (32 positions, bytes of a block).
inline constexpr std::int64_t kKvGroup = 32;

// The largest magnitude of a block; infinity or NaN if one of its elements is that.
inline float largest_magnitude(const Floats (&x)[2]) {
  const Ints all = splat_int(0x7FFFFFFF);
  const Ints both = maximum(bit_and(as_ints(x[0]), all), bit_and(as_ints(x[1]), all));
  return std::bit_cast<float>(largest(both));
}

// A block as multiples of a scale.
struct RoundedBlock {
  std::uint16_t scale;  // f16
  Ints quants[2];
};

// With a scale that is `ideal` as an f16, and integers in [low, high]. The scale is NaN where that
// cannot be done, so that nothing wrong looks right.
inline RoundedBlock round_block(const Floats (&x)[2], float ideal, float low, float high) {
  RoundedBlock block = {float_to_f16(ideal), {splat_int(0), splat_int(0)}};
  const float scale = f16_to_float(block.scale);
  if (!(std::fabs(scale) <= kF16Max)) {
    block.scale = 0x7E00;
    return block;
  }
  const Floats inverse = splat(scale == 0 ? 0.0f : 1.0f / scale);
  for (int i = 0; i < 2; ++i)
    block.quants[i] = to_ints(minimum(splat(high), maximum(splat(low), mul(x[i], inverse))));
  return block;
}

inline float squared_error(const Floats (&x)[2], const RoundedBlock& block) {
  const Floats scale = splat(-f16_to_float(block.scale));
  const Floats a = fma(to_floats(block.quants[0]), scale, x[0]);
  const Floats b = fma(to_floats(block.quants[1]), scale, x[1]);
  return sum(fma(a, a, mul(b, b)));
}

struct Q8Kv {
  static constexpr DType kType = DType::kQ8_0;
  static constexpr std::int64_t kBytes = 32;
  static std::uint16_t pack(const Floats (&x)[2], std::int8_t* bytes) {
    const RoundedBlock block = round_block(x, largest_magnitude(x) / 127.0f, -127.0f, 127.0f);
    narrow(bytes, block.quants[0]);
    narrow(bytes + 16, block.quants[1]);
    return block.scale;
  }
  // Sixteen bytes with a scale each become kVectors times sixteen floats.
  static constexpr int kVectors = 1;
  static void unpack(const std::int8_t* bytes, const Floats& scale, Floats (&out)[kVectors]) {
    out[0] = mul(to_floats(widen_signed(bytes)), scale);
  }
};

struct Q4Kv {
  static constexpr DType kType = DType::kQ4_0;
  static constexpr std::int64_t kBytes = 16;
  // Of the scales for which the element of largest magnitude becomes one of these, the first that
  // makes the sum of squared errors least. (The format's reference quantizer takes -8.)
  static constexpr float kExtremes[] = {-8.0f, -8.5f, -9.0f, -9.5f, 7.0f, 7.5f, 8.0f, 8.5f};
  static std::uint16_t pack(const Floats (&x)[2], std::int8_t* bytes) {
    const float top = largest_magnitude(x);
    const float least = -largest_lane(sub(splat(0.0f), minimum(x[0], x[1])));
    const float extreme = least == -top ? -top : top;
    RoundedBlock best = round_block(x, extreme / kExtremes[0], -8.0f, 7.0f);
    float best_error = squared_error(x, best);
    for (std::size_t i = 1; i < sizeof kExtremes / sizeof kExtremes[0]; ++i) {
      const RoundedBlock block = round_block(x, extreme / kExtremes[i], -8.0f, 7.0f);
      const float error = squared_error(x, block);
      if (error < best_error) best = block, best_error = error;
    }
    const Ints low = add(best.quants[0], splat_int(8));
    const Ints high = shift_left<4>(add(best.quants[1], splat_int(8)));
    // As signed bytes, in [-128, 127].
    narrow(bytes, shift_right<24>(shift_left<24>(add(low, high))));
    return best.scale;
  }
  // The low four bits of sixteen bytes, and their high four bits.
  static constexpr int kVectors = 2;
  static void unpack(const std::int8_t* bytes, const Floats& scale, Floats (&out)[kVectors]) {
    const Ints both = widen_signed(bytes), four_bits = splat_int(15);
    const Floats offset = mul(scale, splat(-8.0f));
    out[0] = fma(to_floats(bit_and(both, four_bits)), scale, offset);
    out[1] = fma(to_floats(bit_and(shift_right<4>(both), four_bits)), scale, offset);
  }
};

inline constexpr std::int64_t padded_to_lanes(std::int64_t n) {
  return (n + kLanes - 1) / kLanes * kLanes;
}

template <typename Kv>
void pack_key(const float* row, std::int64_t width, std::int64_t slot, std::byte* part) {
  using Element = typename Kv::Element;
  auto* to = reinterpret_cast<Element*>(part) + slot;
  for (std::int64_t d = 0; d < width; d += kLanes) {
    const std::int64_t n = width - d < kLanes ? width - d : kLanes;
    Element lanes[16];
    Kv::store_lanes(lanes, load_some(row + d, n));
    for (std::int64_t i = 0; i < n; ++i) to[(d + i) * kKvBlockTokens] = lanes[i];
  }
}

template <typename Kv>
void pack_value(const float* row, std::int64_t width, std::int64_t slot, std::byte* part) {
  auto* to = reinterpret_cast<typename Kv::Element*>(part) + slot * padded_to_lanes(width);
  for (std::int64_t d = 0; d < width; d += kLanes) {
    const std::int64_t n = width - d < kLanes ? width - d : kLanes;
    Kv::store_lanes(to + d, load_some(row + d, n));
  }
}

// Attention reads parts of some kilobytes that lie far apart, which the machine's own prefetching
// does not follow: unpacking a part asks for the next one, line by line.
template <typename Kv>
void unpack_elements(const std::byte* part, const std::byte* next, std::int64_t count,
                     float* tile) {
  using Element = typename Kv::Element;
  const auto* from = reinterpret_cast<const Element*>(part);
  constexpr auto kLine = static_cast<std::int64_t>(64 / sizeof(Element));
  for (std::int64_t i = 0; i < count; i += kLine) {  // 32 elements are a whole number of lines
    __builtin_prefetch(next + i * static_cast<std::int64_t>(sizeof(Element)));
    for (std::int64_t j = i; j < i + kLine; j += kLanes) store(tile + j, Kv::load_lanes(from + j));
  }
}
template <typename Kv>
void unpack_keys(const std::byte* part, const std::byte* next, std::int64_t width, float* tile) {
  unpack_elements<Kv>(part, next, width * kKvBlockTokens, tile);
}
template <typename Kv>
void unpack_values(const std::byte* part, const std::byte* next, std::int64_t width, float* tile) {
  unpack_elements<Kv>(part, next, padded_to_lanes(width) * kKvBlockTokens, tile);
}

// One group of a part.
template <typename Kv>
struct KvGroup {
  std::uint16_t scales[kKvBlockTokens];
  std::int8_t bytes[kKvBlockTokens * Kv::kBytes];
};

// The block of elements d to d + 31 of a row, zeros past its end.
inline void load_block(const float* row, std::int64_t width, std::int64_t d, Floats (&x)[2]) {
  for (std::int64_t i = 0; i < 2; ++i) {
    const std::int64_t left = width - d - i * kLanes;
    x[i] = left <= 0 ? splat(0.0f) : load_some(row + d + i * kLanes, left < kLanes ? left : kLanes);
  }
}

template <typename Kv>
void pack_key_blocks(const float* row, std::int64_t width, std::int64_t slot, std::byte* part) {
  auto* group = reinterpret_cast<KvGroup<Kv>*>(part);
  for (std::int64_t d = 0; d < width; d += kKvGroup, ++group) {
    Floats x[2];
    load_block(row, width, d, x);
    std::int8_t bytes[Kv::kBytes];
    group->scales[slot] = Kv::pack(x, bytes);
    for (std::int64_t i = 0; i < Kv::kBytes; ++i)
      group->bytes[i * kKvBlockTokens + slot] = bytes[i];
  }
}

template <typename Kv>
void pack_value_blocks(const float* row, std::int64_t width, std::int64_t slot, std::byte* part) {
  auto* group = reinterpret_cast<KvGroup<Kv>*>(part);
  for (std::int64_t d = 0; d < width; d += kKvGroup, ++group) {
    Floats x[2];
    load_block(row, width, d, x);
    group->scales[slot] = Kv::pack(x, group->bytes + slot * Kv::kBytes);
  }
}

template <typename Kv>
inline void prefetch_blocks(const std::byte* next, std::int64_t d) {
  const std::byte* group = next + d / kKvGroup * static_cast<std::int64_t>(sizeof(KvGroup<Kv>));
  for (std::size_t at = 0; at < sizeof(KvGroup<Kv>); at += 64) __builtin_prefetch(group + at);
}

template <typename Kv>
void unpack_key_blocks(const std::byte* part, const std::byte* next, std::int64_t width,
                       float* tile) {
  const auto* group = reinterpret_cast<const KvGroup<Kv>*>(part);
  for (std::int64_t d = 0; d < width; d += kKvGroup, ++group) {
    prefetch_blocks<Kv>(next, d);
    const std::int64_t n = width - d < kKvGroup ? width - d : kKvGroup;
    const Floats scales[2] = {from_f16(group->scales), from_f16(group->scales + kLanes)};
    for (std::int64_t i = 0; i < Kv::kBytes && i < n; ++i) {
      for (std::int64_t half = 0; half < 2; ++half) {
        Floats out[Kv::kVectors];
        Kv::unpack(group->bytes + i * kKvBlockTokens + half * kLanes, scales[half], out);
        for (std::int64_t v = 0; v < Kv::kVectors; ++v)
          if (i + v * Kv::kBytes < n)
            store(tile + (d + i + v * Kv::kBytes) * kKvBlockTokens + half * kLanes, out[v]);
      }
    }
  }
}

template <typename Kv>
void unpack_value_blocks(const std::byte* part, const std::byte* next, std::int64_t width,
                         float* tile) {
  const std::int64_t stride = padded_to_lanes(width);
  const auto* group = reinterpret_cast<const KvGroup<Kv>*>(part);
  for (std::int64_t d = 0; d < width; d += kKvGroup, ++group) {
    prefetch_blocks<Kv>(next, d);
    float scales[kKvBlockTokens];
    for (std::int64_t i = 0; i < kKvBlockTokens; i += kLanes)
      store(scales + i, from_f16(group->scales + i));
    for (std::int64_t j = 0; j < kKvBlockTokens; ++j) {
      for (std::int64_t i = 0; i < Kv::kBytes; i += kLanes) {
        Floats out[Kv::kVectors];
        Kv::unpack(group->bytes + j * Kv::kBytes + i, splat(scales[j]), out);
        for (std::int64_t v = 0; v < Kv::kVectors; ++v)
          if (d + i + v * kLanes < stride) store(tile + j * stride + d + i + v * kLanes, out[v]);
      }
    }
  }
}
