// The table for AVX-512 F, BW, CD, DQ and VL: Skylake-X.
#include "kernels/dispatch.h"
#include "kernels/isa_headers.h"

#if defined(__x86_64__)
#include <immintrin.h>

#pragma clang attribute push(                                                             \
    __attribute__((target("avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,fma,f16c"))), \
    apply_to = function)
namespace bantam::avx512 {

// clang-format off
#include "kernels/vec_avx512.h"
#include "kernels/products_avx512.h"
#include "kernels/all.inl"
// clang-format on

}  // namespace bantam::avx512
#pragma clang attribute pop

namespace bantam::internal {
constinit const KernelTable kAvx512Kernels = avx512::make_table("avx512");
}
#endif
