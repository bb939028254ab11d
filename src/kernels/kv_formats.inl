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
