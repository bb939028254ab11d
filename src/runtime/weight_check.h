// Whether the weights of a file are finite numbers.
//
// Loading looks at shapes and sizes only, so that it costs the same for any model; what the numbers
// are shows when they are used (and then a request ends with "model_numerics"). This reads them
// all, at about the speed of the memory.
#pragma once

#include <cstdint>
#include <functional>

#include "base/result.h"
#include "base/thread_pool.h"
#include "formats/weight_file.h"

namespace bantam {

// Gets the bytes that are done and all there are, on the calling thread.
using WeightProgress = std::function<void(std::uint64_t done, std::uint64_t total)>;

// kMalformed "weights_not_finite" names the first tensor that has a NaN or an infinity, the index
// of its first such element, and how many tensors have some. Tensors of types that nothing decodes
// are passed over: no model that loads uses them.
Result<void> check_weights(const WeightFile& file, ThreadPool& pool,
                           const WeightProgress& progress);

}  // namespace bantam
