#include "codec/codec.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>

#include "codec/blocks.h"

namespace bantam {
namespace {

// --- Rows of blocks -----------------------------------------------------------------------------

template <typename Block>
void decode_row(const std::byte* bytes, std::span<float> out) {
  const std::size_t elements = dtype_info(Block::kType).block_elements;
  CHECK(out.size() % elements == 0, "{} elements", out.size());
  if (out.empty()) return;
  const auto* block = reinterpret_cast<const Block*>(bytes + row_header_size<Block>());
  for (std::size_t at = 0; at < out.size(); at += elements) {
    if constexpr (row_header_size<Block>() > 0) {
      const float d = reinterpret_cast<const typename Block::RowHeader*>(bytes)->d();
      decode_block(*block++, d, out.data() + at);
    } else {
      decode_block(*block++, out.data() + at);
    }
  }
}

template <typename Block>
void encode_blocks(std::span<const float> in, std::span<const float> importance, std::byte* bytes) {
  const std::size_t elements = dtype_info(Block::kType).block_elements;
  CHECK(in.size() % elements == 0, "{} elements", in.size());
  CHECK(importance.empty() || importance.size() == in.size(), "{} weights for {} elements",
        importance.size(), in.size());
  if (in.empty()) return;
  auto* block = reinterpret_cast<Block*>(bytes + row_header_size<Block>());
  if constexpr (row_header_size<Block>() > 0) {
    auto& header = *reinterpret_cast<typename Block::RowHeader*>(bytes);
    encode_row(in, importance.empty() ? nullptr : importance.data(), header, block);
  } else {
    for (std::size_t at = 0; at < in.size(); at += elements)
      encode_block(in.data() + at, importance.empty() ? nullptr : importance.data() + at, *block++);
  }
}

// --- Rows of single floats, at any address ------------------------------------------------------

template <typename Stored, auto kConvert>
void decode_each(const std::byte* bytes, std::span<float> out) {
  for (float& value : out) {
    Stored stored;
    std::memcpy(&stored, bytes, sizeof(stored));
    bytes += sizeof(stored);
    value = kConvert(stored);
  }
}

template <typename Stored, auto kConvert>
void encode_each(std::span<const float> in, std::span<const float>, std::byte* bytes) {
  for (const float value : in) {
    const Stored stored = kConvert(value);
    std::memcpy(bytes, &stored, sizeof(stored));
    bytes += sizeof(stored);
  }
}

constexpr float same(float value) { return value; }

constexpr float narrow(double value) { return static_cast<float>(value); }
constexpr double widen(float value) { return value; }

// Finite values past the range of a format become its largest.
constexpr float hold(float value, float limit) {
  return value > limit ? limit : value < -limit ? -limit : value;
}
constexpr std::uint16_t saturate_to_bf16(float value) {
  return float_to_bf16(hold(value, kBF16Max));
}
constexpr std::uint8_t saturate_to_f8e4m3(float value) {
  return float_to_f8e4m3(hold(value, kF8E4M3Max));
}
constexpr std::uint8_t saturate_to_f8e5m2(float value) {
  return float_to_f8e5m2(hold(value, kF8E5M2Max));
}

// --- The table ----------------------------------------------------------------------------------

template <typename Block>
constexpr Codec decoder() {
  return {Block::kType, decode_row<Block>, nullptr};
}
template <typename Block>
constexpr Codec codec() {
  return {Block::kType, decode_row<Block>, encode_blocks<Block>};
}

using U8 = std::uint8_t;
using U16 = std::uint16_t;

constexpr auto kCodecs = std::to_array<Codec>({
    {DType::kF32, decode_each<float, same>, encode_each<float, same>},
    {DType::kF16, decode_each<U16, f16_to_float>, encode_each<U16, saturate_to_f16>},
    {DType::kBF16, decode_each<U16, bf16_to_float>, encode_each<U16, saturate_to_bf16>},
    {DType::kF64, decode_each<double, narrow>, encode_each<double, widen>},
    {DType::kF8E4M3, decode_each<U8, f8e4m3_to_float>, encode_each<U8, saturate_to_f8e4m3>},
    {DType::kF8E5M2, decode_each<U8, f8e5m2_to_float>, encode_each<U8, saturate_to_f8e5m2>},
    codec<BlockQ4_0>(),
    codec<BlockQ4_1>(),
    codec<BlockQ5_0>(),
    codec<BlockQ5_1>(),
    codec<BlockQ8_0>(),
    decoder<BlockQ8_1>(),
    decoder<BlockQ2_K>(),
    decoder<BlockQ3_K>(),
    codec<BlockQ4_K>(),
    codec<BlockQ5_K>(),
    codec<BlockQ6_K>(),
    decoder<BlockQ8_K>(),
    codec<BlockIQ4_NL>(),
    codec<BlockIQ4_XS>(),
    codec<BlockTQ1_0>(),
    codec<BlockTQ2_0>(),
    codec<BlockMXFP4>(),
    codec<BlockNVFP4>(),
    codec<BlockQ1_0>(),
    codec<BlockQ2_0>(),
    codec<BlockQ6_0>(),
    codec<BlockIQ1_BN>(),
    codec<BlockIQ2_BN>(),
    codec<BlockQ8_KV>(),
    codec<BlockIQ2_K>(),
    codec<BlockIQ3_K>(),
    codec<BlockIQ4_K>(),
    codec<BlockIQ5_K>(),
    codec<BlockIQ6_K>(),
    codec<BlockIQ2_KS>(),
    codec<BlockIQ3_KS>(),
    codec<BlockIQ4_KS>(),
    codec<BlockIQ4_KSS>(),
    codec<BlockIQ5_KS>(),
    decoder<BlockIQ1_KT>(),
    decoder<BlockIQ2_KT>(),
    decoder<BlockIQ3_KT>(),
    decoder<BlockIQ4_KT>(),
});

// Types whose values come from a table of lattice points, which does not follow from anything. It
// would have to be copied, and is not.
constexpr auto kLatticeTypes = std::to_array<DType>({
    DType::kIQ1_S,
    DType::kIQ1_M,
    DType::kIQ2_XXS,
    DType::kIQ2_XS,
    DType::kIQ2_S,
    DType::kIQ3_XXS,
    DType::kIQ3_S,
    DType::kIQ2_KL,
});

std::string names_of(auto wanted) {
  std::string names;
  for (const Codec& row : kCodecs) {
    if (!wanted(row)) continue;
    if (!names.empty()) names += ", ";
    names += dtype_info(row.type).name;
  }
  return names;
}

}  // namespace

const Codec* find_codec(DType type) {
  const auto found = std::ranges::find(kCodecs, type, &Codec::type);
  return found == kCodecs.end() ? nullptr : &*found;
}

Result<const Codec*> decoder_for(DType type) {
  if (const Codec* found = find_codec(type)) return found;
  const bool lattice = std::ranges::find(kLatticeTypes, type) != kLatticeTypes.end();
  auto error = fail(ErrorKind::kUnsupported, "dtype_unsupported",
                    "tensors of type {} cannot be computed with{}", dtype_info(type).name,
                    lattice ? ": the table of points that it is made of is not part of bantam" : "")
                   .error();
  error.hint = "these types can: " + names_of([](const Codec&) { return true; });
  return std::unexpected(std::move(error));
}

Result<const Codec*> encoder_for(DType type) {
  const Codec* found = find_codec(type);
  if (found != nullptr && found->encode != nullptr) return found;
  return fail(ErrorKind::kUnsupported, "dtype_unsupported",
              "type {} cannot be written; these can: {}", dtype_info(type).name,
              names_of([](const Codec& row) { return row.encode != nullptr; }));
}

}  // namespace bantam
