// What this machine can do: instruction sets, usable cores, memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

namespace bantam {

struct CpuInfo {
  std::string model;        // "AMD EPYC 9B45", as the kernel says it; may be empty
  std::size_t cores = 1;    // that this process may use (affinity and cgroup quota)
  std::uint64_t memory_bytes = 0;            // of the machine or of the cgroup, the smaller
  std::uint64_t available_memory_bytes = 0;  // now
  bool avx2 = false, fma = false, f16c = false;
  bool avx512 = false;       // F, BW, CD, DQ and VL together
  bool avx512_vnni = false, avx512_bf16 = false, avx_vnni = false;
  bool neon = false, dotprod = false, i8mm = false;
};

// Reads the machine; cheap enough to call once per command.
CpuInfo read_cpu_info();

namespace internal {
// The same with /proc and /sys under another root and the affinity given: for tests.
CpuInfo read_cpu_info(const std::filesystem::path& root, std::uint64_t cores);
}  // namespace internal

}  // namespace bantam
