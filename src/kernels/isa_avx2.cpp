// The table for AVX2, FMA and F16C: Haswell, Zen and later.
#include "kernels/dispatch.h"
#include "kernels/isa_headers.h"

#if defined(__x86_64__)
#include <immintrin.h>

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
namespace bantam::avx2 {

// clang-format off
#include "kernels/vec_avx2.h"
#include "kernels/products_avx2.h"
#include "kernels/all.inl"
// clang-format on

}  // namespace bantam::avx2
#pragma clang attribute pop

namespace bantam::internal {
constinit const KernelTable kAvx2Kernels = avx2::make_table("avx2");
}
#endif
