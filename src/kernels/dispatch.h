// Which tables there are; for dispatch.cpp, the isa_*.cpp that define them, and tests.
#pragma once

#include "kernels/kernels.h"

namespace bantam::internal {

extern const KernelTable kScalarKernels;
#if defined(__x86_64__)
extern const KernelTable kAvx2Kernels, kAvx2VnniKernels, kAvx512Kernels, kAvx512VnniKernels;
#endif

}  // namespace bantam::internal
