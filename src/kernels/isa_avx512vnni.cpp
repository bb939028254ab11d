// The table for AVX-512 with VNNI: Cascade Lake, Zen 4 and later.
#include "kernels/dispatch.h"
#include "kernels/isa_headers.h"

#if defined(__x86_64__)
#include <immintrin.h>

#pragma clang attribute push(                                                             \
    __attribute__((                                                                       \
        target("avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,fma,f16c,avx512vnni"))), \
    apply_to = function)
namespace bantam::avx512vnni {

// clang-format off
#include "kernels/vec_avx512.h"
#include "kernels/products_avx512vnni.h"
#include "kernels/all.inl"
// clang-format on

}  // namespace bantam::avx512vnni
#pragma clang attribute pop

namespace bantam::internal {
constinit const KernelTable kAvx512VnniKernels = avx512vnni::make_table("avx512vnni");
}
#endif
