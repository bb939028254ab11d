#include "kernels/peaks.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/cpu_info.h"
#include "kernels/kernels.h"

namespace bantam {
namespace {

std::vector<const KernelTable*> tables() {
  std::vector<const KernelTable*> tables;
  for (const std::string_view name : available_isas()) tables.push_back(*choose_kernels(name));
  return tables;
}

TEST(Peaks, EveryTableHasLoopsThatCountTheirOperations) {
  for (const KernelTable* table : tables()) {
    const PeakLoops loops = peak_loops(*table, read_cpu_info());
    for (const PeakLoop loop : {loops.int8, loops.bf16, loops.f32}) {
      const std::int64_t one = loop(1);
      EXPECT_GT(one, 0) << table->name;
      EXPECT_EQ(loop(7), 7 * one) << table->name;
      EXPECT_EQ(loop(0), 0) << table->name;
    }
    // Four products of bytes for one of floats in a vector of the same width.
    EXPECT_EQ(loops.int8(1), 4 * loops.f32(1)) << table->name;
  }
}

TEST(Peaks, ReadingStaysWithinItsBytes) {
  // Heap memory of the exact size, so that an address sanitizer would see a byte too many.
  for (const KernelTable* table : tables()) {
    const std::vector<std::byte> buffer(3 * 256);
    table->peaks.read(buffer.data(), buffer.size());
    table->peaks.read(buffer.data(), 0);
  }
}

TEST(Peaks, InstructionsForBf16AreOnlyUsedWhereTheProcessorHasThem) {
  CpuInfo without = read_cpu_info();
  without.avx512_bf16 = false;
  for (const KernelTable* table : tables())
    EXPECT_EQ(peak_loops(*table, without).bf16, table->peaks.bf16) << table->name;
}

}  // namespace
}  // namespace bantam
