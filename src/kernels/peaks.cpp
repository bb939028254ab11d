#include "kernels/peaks.h"

#include "base/cpu_info.h"
#include "kernels/dispatch.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace bantam {
namespace {

#if defined(__x86_64__)
// No table computes with these instructions (they round differently from a fused multiply-add,
// against the laws of kernels.h), but what they could do is worth knowing.
__attribute__((target("avx512f,avx512bf16"))) std::int64_t peak_avx512bf16(std::int64_t rounds) {
  constexpr int kChains = 12, kUnroll = 4;
  __m512 sums[kChains];
  for (__m512& sum : sums) sum = _mm512_setzero_ps();
  __m512i weights = _mm512_set1_epi32(0x3B803B80), x = weights;  // 2^-8 throughout
  asm volatile("" : "+v"(weights));
  for (std::int64_t round = 0; round < rounds; ++round) {
    for (int step = 0; step < kUnroll; ++step) {
      for (__m512& sum : sums) {
        asm volatile("" : "+v"(x));
        sum = _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(weights),
                               reinterpret_cast<__m512bh>(x));
      }
    }
  }
  for (__m512& sum : sums) asm volatile("" : "+v"(sum));
  return rounds * kUnroll * kChains * 32 * 2;
}
#endif

}  // namespace

PeakLoops peak_loops(const KernelTable& table, [[maybe_unused]] const CpuInfo& cpu) {
  PeakLoops loops = table.peaks;
#if defined(__x86_64__)
  if (&table == &internal::kAvx512VnniKernels && cpu.avx512_bf16) loops.bf16 = peak_avx512bf16;
#endif
  return loops;
}

}  // namespace bantam
