// The table for AVX2 with AVX-VNNI: Alder Lake, Zen 5 and later.
#include "kernels/dispatch.h"
#include "kernels/isa_headers.h"

#if defined(__x86_64__)
#include <immintrin.h>

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c,avxvnni"))), apply_to = function)
namespace bantam::avx2vnni {

// clang-format off
#include "kernels/vec_avx2.h"
#include "kernels/products_avx2vnni.h"
#include "kernels/all.inl"
// clang-format on

}  // namespace bantam::avx2vnni
#pragma clang attribute pop

namespace bantam::internal {
constinit const KernelTable kAvx2VnniKernels = avx2vnni::make_table("avx2vnni");
}
#endif
