// The table for ARMv8.2 with the dot product: Cortex-A55, A76, Neoverse N1, Apple M1 and later.
#include "kernels/dispatch.h"
#include "kernels/isa_headers.h"

#if defined(__aarch64__)
#include <arm_neon.h>

#pragma clang attribute push(__attribute__((target("dotprod"))), apply_to = function)
namespace bantam::neon_dotprod {

// clang-format off
#include "kernels/vec_neon.h"
#include "kernels/products_neon_dotprod.h"
#include "kernels/all.inl"
// clang-format on

}  // namespace bantam::neon_dotprod
#pragma clang attribute pop

namespace bantam::internal {
constinit const KernelTable kNeonDotprodKernels = neon_dotprod::make_table("neon-dotprod");
}
#endif
