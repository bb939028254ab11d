#include "kernels/dispatch.h"

#include <fmt/ranges.h>

#include <cstdlib>

#include "base/cpu_info.h"

namespace bantam {
namespace {

struct Isa {
  const KernelTable* table;
  bool (*runs_on)(const CpuInfo&);
};

// Best first.
constexpr Isa kIsas[] = {
#if defined(__x86_64__)
    {&internal::kAvx512VnniKernels,
     [](const CpuInfo& cpu) { return cpu.avx512 && cpu.avx512_vnni; }},
    {&internal::kAvx512Kernels, [](const CpuInfo& cpu) { return cpu.avx512; }},
    {&internal::kAvx2VnniKernels,
     [](const CpuInfo& cpu) { return cpu.avx2 && cpu.fma && cpu.f16c && cpu.avx_vnni; }},
    {&internal::kAvx2Kernels, [](const CpuInfo& cpu) { return cpu.avx2 && cpu.fma && cpu.f16c; }},
#elif defined(__aarch64__)
    {&internal::kNeonI8mmKernels,
     [](const CpuInfo& cpu) { return cpu.neon && cpu.dotprod && cpu.i8mm; }},
    {&internal::kNeonDotprodKernels, [](const CpuInfo& cpu) { return cpu.neon && cpu.dotprod; }},
    {&internal::kNeonKernels, [](const CpuInfo& cpu) { return cpu.neon; }},
#endif
    {&internal::kScalarKernels, [](const CpuInfo&) { return true; }},
};

std::vector<std::string_view> names_for(const CpuInfo& cpu) {
  std::vector<std::string_view> names;
  for (const Isa& isa : kIsas)
    if (isa.runs_on(cpu)) names.push_back(isa.table->name);
  return names;
}

}  // namespace

std::vector<std::string_view> available_isas() { return names_for(read_cpu_info()); }

std::string_view isa_from_environment() {
  const char* value = std::getenv("BANTAM_ISA");
  return value == nullptr ? std::string_view() : value;
}

Result<const KernelTable*> choose_kernels(std::string_view override_name) {
  return internal::choose_kernels(override_name, read_cpu_info());
}

Result<const KernelTable*> internal::choose_kernels(std::string_view override_name,
                                                    const CpuInfo& cpu) {
  bool known = false;
  for (const Isa& isa : kIsas) {
    if (!override_name.empty() && isa.table->name != override_name) continue;
    if (isa.runs_on(cpu)) return isa.table;
    known = true;
  }
  Error error = known
                    ? fail(ErrorKind::kConfiguration, "isa_unsupported",
                           "this machine cannot run the instruction set {}", quoted(override_name))
                          .error()
                    : fail(ErrorKind::kConfiguration, "isa_unknown",
                           "{} is no instruction set that bantam knows", quoted(override_name))
                          .error();
  return std::unexpected(
      std::move(error)
          .in("--isa or BANTAM_ISA")
          .with_hint(fmt::format("use one of: {}", fmt::join(names_for(cpu), ", "))));
}

}  // namespace bantam
