// The table for ARMv8.6 with products of byte matrices: Cortex-A510, A715, Neoverse V1, N2, Apple
// M2 and later.
#include "kernels/dispatch.h"
#include "kernels/isa_headers.h"

#if defined(__aarch64__)
#include <arm_neon.h>

#pragma clang attribute push(__attribute__((target("dotprod,i8mm"))), apply_to = function)
namespace bantam::neon_i8mm {

// clang-format off
#include "kernels/vec_neon.h"
#include "kernels/products_neon_i8mm.h"
#include "kernels/all.inl"
// clang-format on

}  // namespace bantam::neon_i8mm
#pragma clang attribute pop

namespace bantam::internal {
constinit const KernelTable kNeonI8mmKernels = neon_i8mm::make_table("neon-i8mm");
}
#endif
