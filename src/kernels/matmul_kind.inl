// What products of all widths share: what they see of a format, and how its bytes are kept.

// What of a format a multiplication sees, so that formats alike share its code.
template <bool kSignedV, bool kFineV, Minimums kMinimumsV, int kOffsetV>
struct ProductKind {
  static constexpr bool kSigned = kSignedV, kFine = kFineV;
  static constexpr Minimums kMinimums = kMinimumsV;
  static constexpr int kOffset = kOffsetV;  // its bytes are the weights plus 2^kOffset; -1: plus 0
  // Floats that a block has besides its bytes: the scale, then scales of both halves, then the
  // minimum, then its integers.
  static constexpr int kFineAt = 1, kMinimumAt = kFine ? 3 : 1, kFineMinimumsAt = kMinimumAt + 1;
  static constexpr int kNumbers = kMinimums == Minimums::kNone    ? kMinimumAt
                                  : kMinimums == Minimums::kFloat ? kMinimumAt + 1
                                                                  : kMinimumAt + 3;
};

// With products of any bytes by signed ones, every weight that is not plain is kept plus 128: then
// one sum of the activations serves all formats.
template <typename Format>
constexpr int byte_offset() {
  if (!Format::kSigned && Format::kOffsetBits < 0) return -1;
  return kSignedDotOffset == 128 ? 7 : Format::kSigned ? -1 : Format::kOffsetBits;
}
template <typename Format>
using KindOf = ProductKind<Format::kSigned && kSignedDotOffset == 0, Format::kFine,
                           Format::kMinimums, byte_offset<Format>()>;

// Half bytes are turned into words or columns before they are spread, at half the cost: those of
// formats that declare `nibbles` (byte 32 c + i of a group's 128 holds element 64 c + i in its low
// four bits and element 64 c + 32 + i in its high ones) or `nibble_blocks` (byte i of a block's 16
// holds elements i and 16 + i).
template <typename Format>
constexpr bool has_nibbles() {
  return requires(const std::byte* group) { Format::nibbles(group); };
}
template <typename Format>
constexpr bool has_nibble_blocks() {
  return requires(const std::byte* group) { Format::nibble_blocks(group); };
}

template <typename Format>
inline Bytes to_kept_byte(const Bytes& w) {
  if constexpr (Format::kSigned)
    return prepare_signed(w);
  else if constexpr (Format::kOffsetBits >= 0 && byte_offset<Format>() == 7)
    return add(w, splat_byte(128 - (1 << Format::kOffsetBits)));
  else
    return w;
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

template <typename Kind>
inline Ints dot_step(const Ints& sums, const Bytes& w, const Bytes& x) {
  if constexpr (Kind::kSigned)
    return dot_signed(sums, w, x);
  else
    return dot_unsigned(sums, w, x);
}

// Rows are read in pairs, in short runs of either, which the machine's own prefetching follows only
// slowly: asking for what comes kAhead bytes later makes a token a quarter faster.
template <typename Format>
inline void prefetch_group(const std::byte* group, std::int64_t ahead) {
  const auto first = reinterpret_cast<std::uintptr_t>(group) + static_cast<std::uintptr_t>(ahead);
  for (std::size_t at = 0; at < Format::kGroupBytes; at += 64)  // cache lines; may be past the end
    __builtin_prefetch(reinterpret_cast<const void*>(first + at));
}
