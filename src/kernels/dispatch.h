// Which tables there are; for dispatch.cpp, the isa_*.cpp that define them, and tests.
#pragma once

#include <string_view>

#include "base/cpu_info.h"
#include "kernels/kernels.h"

namespace bantam::internal {

extern const KernelTable kScalarKernels;
#if defined(__x86_64__)
extern const KernelTable kAvx2Kernels, kAvx2VnniKernels, kAvx512Kernels, kAvx512VnniKernels;
#elif defined(__aarch64__)
extern const KernelTable kNeonKernels, kNeonDotprodKernels, kNeonI8mmKernels;
#endif

// As bantam::choose_kernels, for a machine with those features.
Result<const KernelTable*> choose_kernels(std::string_view override_name, const CpuInfo& cpu);

}  // namespace bantam::internal
