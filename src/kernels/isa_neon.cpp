// The table for the Advanced SIMD that every 64-bit ARM has: Cortex-A53, A72, Apple A7 and later.
#include "kernels/dispatch.h"
#include "kernels/isa_headers.h"

#if defined(__aarch64__)
#include <arm_neon.h>

namespace bantam::neon {

// clang-format off
#include "kernels/vec_neon.h"
#include "kernels/products_neon.h"
#include "kernels/all.inl"
// clang-format on

}  // namespace bantam::neon

namespace bantam::internal {
constinit const KernelTable kNeonKernels = neon::make_table("neon");
}
#endif
