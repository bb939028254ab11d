// The most that an instruction set can do here: loops that do one thing only, as fast as it goes.
// What a matrix product reaches is given as a share of these.
//
// Each loop is one thread's; run it on several threads at once for a machine's peak. Operations
// are counted as everywhere in this field: a multiplication and an addition are two.
#pragma once

#include <cstddef>
#include <cstdint>

namespace bantam {

struct KernelTable;
struct CpuInfo;

// Runs `rounds` rounds (at most 2^20, so that no sum overflows) on sums that stay in registers,
// and says how many operations those were. The processor sees the very instructions that the
// products of this table are made of, several independent chains of them.
using PeakLoop = std::int64_t (*)(std::int64_t rounds);

struct PeakLoops {
  PeakLoop int8 = nullptr;  // dot_unsigned: unsigned times signed bytes, sums of 32 bits
  PeakLoop bf16 = nullptr;  // pairs of BF16, sums in F32; widened first where no instruction has it
  PeakLoop f32 = nullptr;   // fused multiply-add
  // Loads every byte of [from, from + bytes) once; both are multiples of 256 bytes.
  void (*read)(const std::byte* from, std::size_t bytes) = nullptr;
};

// The loops of a table; where the processor has an instruction for BF16 that belongs to the
// table's vectors, the BF16 loop is made of that.
PeakLoops peak_loops(const KernelTable& table, const CpuInfo& cpu);

}  // namespace bantam
