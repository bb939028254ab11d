#include "cli/machine_report.h"

#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <fstream>
#include <string>

#include "base/cpu_info.h"
#include "cli/text.h"
#include "kernels/kernels.h"

namespace bantam {
namespace {

constexpr std::uint64_t kComfortableMemory = 1'000'000'000;  // a small model and its KV cache
constexpr rlim_t kComfortableDescriptors = 1024;             // of a server with many clients

Finding examine_processor(const CpuInfo& cpu) {
  std::string features;
  const auto add = [&](bool has, std::string_view name) {
    if (has) features += fmt::format("{}{}", features.empty() ? "" : " ", name);
  };
  add(cpu.avx2, "avx2");
  add(cpu.fma, "fma");
  add(cpu.f16c, "f16c");
  add(cpu.avx_vnni, "avx-vnni");
  add(cpu.avx512, "avx512");
  add(cpu.avx512_vnni, "avx512-vnni");
  add(cpu.avx512_bf16, "avx512-bf16");
  add(cpu.neon, "neon");
  add(cpu.dotprod, "dotprod");
  add(cpu.i8mm, "i8mm");
  return {.name = "processor",
          .found = fmt::format("{}, {} usable core{}, {}",
                               cpu.model.empty() ? "unknown model" : cpu.model, cpu.cores,
                               cpu.cores == 1 ? "" : "s",
                               features.empty() ? "no vector extensions" : features)};
}

// Which table of kernels a command would compute with, BANTAM_ISA considered.
Finding examine_kernels() {
  const std::vector<std::string_view> available = available_isas();
  const Result<const KernelTable*> chosen = choose_kernels(isa_from_environment());
  Finding finding{.name = "kernels",
                  .found = fmt::format("{} of {}", chosen ? (*chosen)->name : "none",
                                       fmt::join(available, ", "))};
  if (!chosen) {
    finding.verdict = Verdict::kFailure;
    finding.advice = chosen.error().to_string();
  } else if (available.size() == 1) {
    finding.verdict = Verdict::kWarning;
    finding.advice = "no fast kernels for this processor: everything runs, slowly";
  }
  return finding;
}

Finding examine_memory(const CpuInfo& cpu) {
  Finding finding{.name = "memory",
                  .found = fmt::format("{} free of {}", human_bytes(cpu.available_memory_bytes),
                                       human_bytes(cpu.memory_bytes))};
  if (cpu.available_memory_bytes < kComfortableMemory) {
    finding.verdict = Verdict::kWarning;
    finding.advice = "models of more than a few hundred megabytes will not fit";
  }
  return finding;
}

// The kernel puts the choice in force in brackets: "always [madvise] never".
Finding examine_huge_pages() {
  std::ifstream file("/sys/kernel/mm/transparent_hugepage/enabled");
  std::string line;
  std::getline(file, line);
  const std::size_t open = line.find('['), close = line.find(']');
  Finding finding{.name = "huge pages"};
  if (open == std::string::npos || close == std::string::npos || close < open) {
    finding.found = "unknown to this kernel";
    return finding;
  }
  finding.found = line.substr(open + 1, close - open - 1);
  if (finding.found == "never") {
    finding.verdict = Verdict::kWarning;
    finding.advice =
        "large models run faster after: echo madvise > /sys/kernel/mm/transparent_hugepage/enabled";
  }
  return finding;
}

Finding examine_descriptors() {
  Finding finding{.name = "open files"};
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    finding.found = "limit unknown";
    return finding;
  }
  finding.found = fmt::format("limit {}", limit.rlim_cur);
  if (limit.rlim_cur < kComfortableDescriptors) {
    finding.verdict = Verdict::kWarning;
    finding.advice = "a server with many clients needs more: ulimit -n 4096";
  }
  return finding;
}

Finding examine_sandbox() {
  // With these arguments the call only asks for the version (landlock_create_ruleset(2)).
  constexpr unsigned kAskVersion = 1;
  const long landlock = syscall(SYS_landlock_create_ruleset, nullptr, 0, kAskVersion);
  const bool seccomp = prctl(PR_GET_SECCOMP, 0, 0, 0, 0) >= 0;
  return {.name = "sandbox",
          .found = fmt::format("seccomp {}, landlock {}", seccomp ? "available" : "absent",
                               landlock > 0 ? fmt::format("version {}", landlock) : "absent")};
}

}  // namespace

std::string_view verdict_name(Verdict verdict) {
  switch (verdict) {
    case Verdict::kOk:
      return "ok";
    case Verdict::kWarning:
      return "warn";
    case Verdict::kFailure:
      return "fail";
  }
  return "fail";
}

std::vector<Finding> examine_machine() {
  const CpuInfo cpu = read_cpu_info();
  return {examine_processor(cpu), examine_kernels(),     examine_memory(cpu),
          examine_huge_pages(),   examine_descriptors(), examine_sandbox()};
}

}  // namespace bantam
