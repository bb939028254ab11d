#include "base/core_set.h"

#include <sched.h>

#include <algorithm>
#include <bit>

#include "base/result.h"

namespace bantam {

CoreSet CoreSet::of_this_thread() {
  constexpr std::size_t kMostCores = std::size_t{1} << 18;
  CoreSet set;
  // The kernel refuses a mask smaller than its own, so grow it until it fits.
  for (std::size_t cores = CPU_SETSIZE; cores <= kMostCores; cores *= 2) {
    set.words_.assign(cores / kBits, 0);
    if (::sched_getaffinity(0, cores / 8, reinterpret_cast<cpu_set_t*>(set.words_.data())) == 0)
      return set;
  }
  return {};
}

int CoreSet::current() { return ::sched_getcpu(); }

std::size_t CoreSet::count() const {
  std::size_t total = 0;
  for (const unsigned long word : words_) total += static_cast<std::size_t>(std::popcount(word));
  return total;
}

int CoreSet::at(std::size_t index) const {
  for (std::size_t core = 0; core < words_.size() * kBits; ++core)
    if ((words_[core / kBits] >> (core % kBits) & 1) != 0 && index-- == 0)
      return static_cast<int>(core);
  CHECK(false, "a set of {} cores has no such index", count());
}

void CoreSet::remove(int core) {
  const auto bit = static_cast<std::size_t>(core);
  if (core >= 0 && bit / kBits < words_.size()) words_[bit / kBits] &= ~(1UL << (bit % kBits));
}

void CoreSet::keep_only(int core) {
  std::ranges::fill(words_, 0UL);
  const auto bit = static_cast<std::size_t>(core);
  if (core >= 0 && bit / kBits < words_.size()) words_[bit / kBits] = 1UL << (bit % kBits);
}

bool CoreSet::apply() const {
  if (count() == 0) return false;
  const auto* mask = reinterpret_cast<const cpu_set_t*>(words_.data());
  return ::sched_setaffinity(0, words_.size() * sizeof(unsigned long), mask) == 0;
}

}  // namespace bantam
