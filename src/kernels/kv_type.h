// How keys and values can be kept.
//
// Packed types round the 32 elements of a block together: of one position and one head, so that no
// position depends on another. Rotated ones are turned first by a Hadamard matrix (see rowwise.h),
// which spreads a few large elements over all of them; scores do not change if queries are turned
// too, and the output is turned back (Ashkboos et al., "QuaRot", 2024).
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "tensor/dtype.h"

namespace bantam {

struct KvType {
  DType dtype = DType::kF16;  // one that has a KvFormat
  bool rotated = false;

  KvType() = default;
  KvType(DType format, bool turned = false)  // NOLINT: a type that is not rotated is its format
      : dtype(format), rotated(turned) {}
  bool operator==(const KvType&) const = default;
};

struct KvTypeInfo {
  std::string_view name;  // "f16", "q4_h"
  KvType type;
};
std::span<const KvTypeInfo> all_kv_types();

std::string_view kv_type_name(const KvType& type);  // of one that all_kv_types() has
// Nothing for unknown names.
std::optional<KvType> kv_type_from_name(std::string_view name);

}  // namespace bantam
