// THE table of storage types. A dtype is a row here, a codec in codec/ and, where it pays, a dot
// product in kernels/; nothing else in the program asks which dtype it has.
//
// Every type that a GGUF file may hold has a row, computable or not, so that any file can be
// listed, checked against its size and copied. Names and ids are GGUF's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace bantam {

enum class DType : std::uint8_t {
  kF32, kF16, kBF16, kF64, kI8, kI16, kI32, kI64, kU8, kBool,
  kF8E4M3, kF8E5M2,
  kQ4_0, kQ4_1, kQ5_0, kQ5_1, kQ8_0, kQ8_1,
  kQ2_K, kQ3_K, kQ4_K, kQ5_K, kQ6_K, kQ8_K,
  kIQ1_S, kIQ1_M, kIQ2_XXS, kIQ2_XS, kIQ2_S, kIQ3_XXS, kIQ3_S, kIQ4_NL, kIQ4_XS,
  kTQ1_0, kTQ2_0, kMXFP4, kNVFP4, kQ1_0, kQ2_0,
  // Those of ik_llama.cpp's files.
  kQ6_0, kIQ1_BN, kIQ2_BN, kQ8_KV,
  kIQ2_K, kIQ3_K, kIQ4_K, kIQ5_K, kIQ6_K,
  kIQ2_KS, kIQ2_KL, kIQ3_KS, kIQ4_KS, kIQ4_KSS, kIQ5_KS,
  kIQ1_KT, kIQ2_KT, kIQ3_KT, kIQ4_KT,
};

struct DTypeInfo {
  DType type;
  std::string_view name;              // "Q4_K", "F16": GGUF's spelling
  int gguf_id;                        // -1: not a GGUF type
  std::string_view safetensors_name;  // "" if safetensors has none
  std::uint32_t block_elements;       // elements a block
  std::uint32_t block_bytes;          // bytes a block
  // Bytes that every row begins with, before its blocks: a scale for all of them. Where this is
  // not 0 rows have to be walked one by one; row_bytes() counts it.
  std::uint32_t row_header_bytes = 0;
};

const DTypeInfo& dtype_info(DType type);
std::span<const DTypeInfo> all_dtypes();

std::optional<DType> dtype_from_gguf(std::uint32_t id);
std::optional<DType> dtype_from_safetensors(std::string_view name);
// Case-insensitive; nothing for unknown names.
std::optional<DType> dtype_from_name(std::string_view name);

// Bytes of a row of `elements`, its header included; nothing if that is not a whole number of
// blocks or overflows.
std::optional<std::uint64_t> row_bytes(DType type, std::uint64_t elements);

}  // namespace bantam
