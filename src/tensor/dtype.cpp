#include "tensor/dtype.h"

#include <algorithm>
#include <array>
#include <limits>

#include "base/result.h"

namespace bantam {
namespace {

constexpr int kNone = -1;  // not a GGUF type

// In the order of DType, which the check below holds it to. The meaning of the bytes of each block
// is in tensor/storage_types.h and storage_types_iqk.h.
constexpr auto kTable = std::to_array<DTypeInfo>({
    // type, name, gguf id, safetensors name, elements a block, bytes a block, bytes before a row
    {DType::kF32, "F32", 0, "F32", 1, 4},
    {DType::kF16, "F16", 1, "F16", 1, 2},
    {DType::kBF16, "BF16", 30, "BF16", 1, 2},
    {DType::kF64, "F64", 28, "F64", 1, 8},
    {DType::kI8, "I8", 24, "I8", 1, 1},
    {DType::kI16, "I16", 25, "I16", 1, 2},
    {DType::kI32, "I32", 26, "I32", 1, 4},
    {DType::kI64, "I64", 27, "I64", 1, 8},
    {DType::kU8, "U8", kNone, "U8", 1, 1},
    {DType::kBool, "BOOL", kNone, "BOOL", 1, 1},
    {DType::kF8E4M3, "F8_E4M3", kNone, "F8_E4M3", 1, 1},
    {DType::kF8E5M2, "F8_E5M2", kNone, "F8_E5M2", 1, 1},
    {DType::kQ4_0, "Q4_0", 2, "", 32, 18},
    {DType::kQ4_1, "Q4_1", 3, "", 32, 20},
    {DType::kQ5_0, "Q5_0", 6, "", 32, 22},
    {DType::kQ5_1, "Q5_1", 7, "", 32, 24},
    {DType::kQ8_0, "Q8_0", 8, "", 32, 34},
    {DType::kQ8_1, "Q8_1", 9, "", 32, 36},
    {DType::kQ2_K, "Q2_K", 10, "", 256, 84},
    {DType::kQ3_K, "Q3_K", 11, "", 256, 110},
    {DType::kQ4_K, "Q4_K", 12, "", 256, 144},
    {DType::kQ5_K, "Q5_K", 13, "", 256, 176},
    {DType::kQ6_K, "Q6_K", 14, "", 256, 210},
    {DType::kQ8_K, "Q8_K", 15, "", 256, 292},
    {DType::kIQ1_S, "IQ1_S", 19, "", 256, 50},
    {DType::kIQ1_M, "IQ1_M", 29, "", 256, 56},
    {DType::kIQ2_XXS, "IQ2_XXS", 16, "", 256, 66},
    {DType::kIQ2_XS, "IQ2_XS", 17, "", 256, 74},
    {DType::kIQ2_S, "IQ2_S", 22, "", 256, 82},
    {DType::kIQ3_XXS, "IQ3_XXS", 18, "", 256, 98},
    {DType::kIQ3_S, "IQ3_S", 21, "", 256, 110},
    {DType::kIQ4_NL, "IQ4_NL", 20, "", 32, 18},
    {DType::kIQ4_XS, "IQ4_XS", 23, "", 256, 136},
    {DType::kTQ1_0, "TQ1_0", 34, "", 256, 54},
    {DType::kTQ2_0, "TQ2_0", 35, "", 256, 66},
    {DType::kMXFP4, "MXFP4", 39, "", 32, 17},
    {DType::kNVFP4, "NVFP4", 40, "", 64, 36},
    {DType::kQ1_0, "Q1_0", 41, "", 128, 18},
    {DType::kQ2_0, "Q2_0", 42, "", 64, 18},
    {DType::kQ6_0, "Q6_0", 133, "", 32, 26},
    {DType::kIQ1_BN, "IQ1_BN", 134, "", 64, 13, 2},
    {DType::kIQ2_BN, "IQ2_BN", 135, "", 64, 16, 4},
    {DType::kQ8_KV, "Q8_KV", 151, "", 32, 32, 8},
    {DType::kIQ2_K, "IQ2_K", 137, "", 256, 76},
    {DType::kIQ3_K, "IQ3_K", 138, "", 256, 110},
    {DType::kIQ4_K, "IQ4_K", 139, "", 256, 144},
    {DType::kIQ5_K, "IQ5_K", 140, "", 256, 176},
    {DType::kIQ6_K, "IQ6_K", 141, "", 256, 212},
    {DType::kIQ2_KS, "IQ2_KS", 145, "", 256, 70, 2},
    {DType::kIQ2_KL, "IQ2_KL", 157, "", 256, 86, 2},
    {DType::kIQ3_KS, "IQ3_KS", 156, "", 256, 102, 2},
    {DType::kIQ4_KS, "IQ4_KS", 144, "", 256, 136, 4},
    {DType::kIQ4_KSS, "IQ4_KSS", 146, "", 256, 128, 4},
    {DType::kIQ5_KS, "IQ5_KS", 152, "", 256, 168, 4},
    {DType::kIQ1_KT, "IQ1_KT", 158, "", 256, 56, 4},
    {DType::kIQ2_KT, "IQ2_KT", 153, "", 256, 68, 4},
    {DType::kIQ3_KT, "IQ3_KT", 154, "", 256, 100, 4},
    {DType::kIQ4_KT, "IQ4_KT", 155, "", 256, 128, 4},
});

static_assert([] {
  for (std::size_t i = 0; i < kTable.size(); ++i)
    if (static_cast<std::size_t>(kTable[i].type) != i) return false;
  return kTable.size() == static_cast<std::size_t>(DType::kIQ4_KT) + 1;
}());

constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::optional<DType> first_type(auto matches) {
  const auto found = std::ranges::find_if(kTable, matches);
  if (found == kTable.end()) return std::nullopt;
  return found->type;
}

}  // namespace

const DTypeInfo& dtype_info(DType type) {
  const auto index = static_cast<std::size_t>(type);
  CHECK(index < kTable.size(), "dtype {}", index);
  return kTable[index];
}

std::span<const DTypeInfo> all_dtypes() { return kTable; }

std::optional<DType> dtype_from_gguf(std::uint32_t id) {
  return first_type([id](const DTypeInfo& row) {
    return row.gguf_id != kNone && static_cast<std::uint32_t>(row.gguf_id) == id;
  });
}

std::optional<DType> dtype_from_safetensors(std::string_view name) {
  return first_type([name](const DTypeInfo& row) {
    return !row.safetensors_name.empty() && row.safetensors_name == name;
  });
}

std::optional<DType> dtype_from_name(std::string_view name) {
  return first_type([name](const DTypeInfo& row) {
    return std::ranges::equal(row.name, name, {}, lower, lower);
  });
}

std::optional<std::uint64_t> row_bytes(DType type, std::uint64_t elements) {
  const DTypeInfo& row = dtype_info(type);
  if (elements % row.block_elements != 0) return std::nullopt;
  std::uint64_t bytes = 0;
  if (__builtin_mul_overflow(elements / row.block_elements, std::uint64_t{row.block_bytes},
                             &bytes) ||
      __builtin_add_overflow(bytes, std::uint64_t{row.row_header_bytes}, &bytes))
    return std::nullopt;
  return bytes;
}

}  // namespace bantam
