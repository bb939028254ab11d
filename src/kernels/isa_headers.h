// What the .inl files need, for isa_*.cpp to include before they open a target region: a function
// of a standard header that were compiled inside one might be the copy that the linker keeps for
// the whole program, and fail on a machine that lacks the instructions.
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string_view>

#include "kernels/attention.h"
#include "kernels/gradients.h"
#include "kernels/kernels.h"
#include "kernels/peaks.h"
#include "kernels/product.h"
#include "tensor/dtype.h"
#include "tensor/storage_types_iqk.h"
