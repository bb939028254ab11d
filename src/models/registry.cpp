#include "models/registry.h"

#include <vector>

#include "base/nearest.h"

namespace bantam {
namespace {

constexpr Family kFamilies[] = {
    {"llama", "Llama 2 and 3, TinyLlama, SmolLM2, CodeLlama, Mistral, NeMo, Mixtral",
     read_llama_spec},
    {"qwen3", "Qwen3, dense", read_qwen3_spec},
};

// The nearest names, or all of them where none is near.
std::string known_families(std::string_view name) {
  std::vector<std::string_view> known;
  for (const Family& family : kFamilies) known.push_back(family.architecture);
  const std::vector<std::string> nearest = nearest_names(name, known);
  return nearest.empty() ? fmt::format("{}", fmt::join(known, ", "))
                         : fmt::format("{}", fmt::join(nearest, ", "));
}

}  // namespace

std::span<const Family> families() { return kFamilies; }

Result<const Family*> find_family(const Metadata& metadata) {
  const std::string name = TRY(metadata.string("general.architecture"));
  for (const Family& family : kFamilies) {
    if (family.architecture == name) return &family;
  }
  return std::unexpected(fail(ErrorKind::kUnsupported, "unknown_architecture",
                              "unsupported architecture {}; the nearest supported: {}",
                              quoted(name), known_families(name))
                             .error()
                             .in("general.architecture"));
}

}  // namespace bantam
