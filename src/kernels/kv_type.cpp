#include "kernels/kv_type.h"

#include <algorithm>

#include "base/result.h"

namespace bantam {

std::span<const KvTypeInfo> all_kv_types() {
  static const KvTypeInfo kTypes[] = {
      {"f32", DType::kF32},   {"f16", DType::kF16},   {"bf16", DType::kBF16},
      {"q8_0", DType::kQ8_0}, {"q4_0", DType::kQ4_0}, {"q4_h", {DType::kQ4_0, true}},
  };
  return kTypes;
}

std::string_view kv_type_name(const KvType& type) {
  const auto types = all_kv_types();
  const auto found = std::ranges::find(types, type, &KvTypeInfo::type);
  CHECK(found != types.end(), "keys and values as {}", dtype_info(type.dtype).name);
  return found->name;
}

std::optional<KvType> kv_type_from_name(std::string_view name) {
  const auto types = all_kv_types();
  const auto found = std::ranges::find(types, name, &KvTypeInfo::name);
  if (found == types.end()) return std::nullopt;
  return found->type;
}

}  // namespace bantam
