#include "base/cpu_info.h"

#if defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#include <algorithm>
#include <charconv>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>
#include <string_view>
#include <system_error>

#include "base/core_set.h"

namespace bantam {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kNoLimit = std::numeric_limits<std::uint64_t>::max();

// Files of /proc and /sys have no size; empty when absent.
std::string read_small(const fs::path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  if (file) text << file.rdbuf();
  return std::move(text).str();
}

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\n") - first + 1);
}

// The number at the start of `text`; nothing for "max", "-1" or no number.
std::optional<std::uint64_t> leading_number(std::string_view text) {
  text = trimmed(text);
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end == text.data()) return std::nullopt;
  return value;
}

// What follows `key` and an optional colon on the first line that starts with it.
std::string_view line_value(std::string_view text, std::string_view key) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    if (line.starts_with(key)) {
      std::string_view rest = trimmed(line.substr(key.size()));
      if (rest.starts_with(':')) rest = trimmed(rest.substr(1));
      return rest;
    }
    text.remove_prefix(std::min(text.size(), line.size() + 1));
  }
  return {};
}

struct Limits {
  std::uint64_t memory = kNoLimit, memory_left = kNoLimit;
  std::uint64_t cores = kNoLimit;
};

// A quota of 150 ms in 100 ms keeps two threads busy three quarters of the time: round up.
void limit_cores(Limits& limits, std::optional<std::uint64_t> quota,
                 std::optional<std::uint64_t> period) {
  if (!quota || !period || *quota == 0 || *period == 0) return;
  limits.cores = std::min(limits.cores, (*quota - 1) / *period + 1);
}

void limit_memory(Limits& limits, std::optional<std::uint64_t> limit,
                  std::optional<std::uint64_t> used, std::optional<std::uint64_t> reclaimable) {
  if (!limit) return;
  limits.memory = std::min(limits.memory, *limit);
  const std::uint64_t held = used.value_or(0) - std::min(used.value_or(0), reclaimable.value_or(0));
  limits.memory_left = std::min(limits.memory_left, *limit - std::min(*limit, held));
}

// A limit holds for everything below it, so every group up to the root counts.
template <typename Visit>
void for_each_ancestor(const fs::path& mount, std::string_view group, Visit visit) {
  fs::path below(trimmed(group));
  below = below.relative_path();
  while (true) {
    visit(mount / below);
    if (below.empty()) return;
    below = below.parent_path();
  }
}

Limits read_cgroup(const fs::path& root) {
  Limits limits;
  const fs::path mount = root / "sys/fs/cgroup";
  std::istringstream groups(read_small(root / "proc/self/cgroup"));
  for (std::string line; std::getline(groups, line);) {
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string group = line.substr(second + 1);
    const std::string listed = "," + controllers + ",";
    if (controllers.empty()) {  // version 2
      for_each_ancestor(mount, group, [&](const fs::path& folder) {
        const std::string cpu = read_small(folder / "cpu.max");
        const auto space = cpu.find(' ');
        if (space != std::string::npos)
          limit_cores(limits, leading_number(cpu), leading_number(cpu.substr(space)));
        limit_memory(limits, leading_number(read_small(folder / "memory.max")),
                     leading_number(read_small(folder / "memory.current")),
                     leading_number(line_value(read_small(folder / "memory.stat"), "file ")));
      });
    }
    if (listed.find(",cpu,") != std::string::npos) {
      for_each_ancestor(mount / "cpu", group, [&](const fs::path& folder) {
        limit_cores(limits, leading_number(read_small(folder / "cpu.cfs_quota_us")),
                    leading_number(read_small(folder / "cpu.cfs_period_us")));
      });
    }
    if (listed.find(",memory,") != std::string::npos) {
      for_each_ancestor(mount / "memory", group, [&](const fs::path& folder) {
        limit_memory(limits, leading_number(read_small(folder / "memory.limit_in_bytes")),
                     leading_number(read_small(folder / "memory.usage_in_bytes")),
                     leading_number(line_value(read_small(folder / "memory.stat"), "cache ")));
      });
    }
  }
  return limits;
}

void read_features([[maybe_unused]] CpuInfo& info) {
#if defined(__x86_64__)
  // These ask the system too whether it saves the wide registers.
  __builtin_cpu_init();
  info.avx2 = __builtin_cpu_supports("avx2");
  info.fma = __builtin_cpu_supports("fma");
  info.f16c = __builtin_cpu_supports("f16c");
  info.avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                __builtin_cpu_supports("avx512vl");
  info.avx512_vnni = info.avx512 && __builtin_cpu_supports("avx512vnni");
  info.avx512_bf16 = info.avx512 && __builtin_cpu_supports("avx512bf16");
  info.avx_vnni = info.avx2 && __builtin_cpu_supports("avxvnni");
#elif defined(__aarch64__)
  const unsigned long first = getauxval(AT_HWCAP), second = getauxval(AT_HWCAP2);
  info.neon = (first & HWCAP_ASIMD) != 0;
  info.dotprod = (first & HWCAP_ASIMDDP) != 0;
  info.i8mm = (second & HWCAP2_I8MM) != 0;
#endif
}

}  // namespace

namespace internal {

CpuInfo read_cpu_info(const fs::path& root, std::uint64_t cores) {
  CpuInfo info;
  info.model = line_value(read_small(root / "proc/cpuinfo"), "model name");
  const std::string meminfo = read_small(root / "proc/meminfo");  // in KiB
  const std::uint64_t total = leading_number(line_value(meminfo, "MemTotal")).value_or(0) << 10;
  const std::uint64_t free = leading_number(line_value(meminfo, "MemAvailable")).value_or(0) << 10;
  const Limits limits = read_cgroup(root);
  info.cores = static_cast<std::size_t>(std::max<std::uint64_t>(1, std::min(cores, limits.cores)));
  info.memory_bytes = std::min(total, limits.memory);
  info.available_memory_bytes = std::min({free, limits.memory_left, info.memory_bytes});
  read_features(info);
  return info;
}

}  // namespace internal

CpuInfo read_cpu_info() { return internal::read_cpu_info("/", CoreSet::of_this_thread().count()); }

}  // namespace bantam
