// The table for every machine: the definition of what the others compute.
#include "kernels/dispatch.h"
#include "kernels/isa_headers.h"

namespace bantam::scalar {

// clang-format off
#include "kernels/vec_scalar.h"
#include "kernels/all.inl"
// clang-format on

}  // namespace bantam::scalar

namespace bantam::internal {
constinit const KernelTable kScalarKernels = scalar::make_table("scalar");
}
