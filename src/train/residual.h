// Adapters that begin with what packing has lost: of each adapted layer, A and B are the best low
// rank approximation of W - Q, where Q is the packed weight that the base has and W what it was
// made from (Li et al., "LoftQ", 2023, without its alternation: the base stays the file that it
// is).
//
// So the model begins nearer to the original than its base, the base stays unchanged and shared,
// and the adapter is an ordinary one. (Beginning with the principal part of the weight itself,
// "PiSSA", would need another base, or twice the rank on file.)
#pragma once

#include <cstdint>
#include <span>

#include "base/result.h"
#include "base/thread_pool.h"
#include "formats/weight_file.h"
#include "kernels/kernels.h"
#include "train/trainable.h"

namespace bantam {

// Sets the A and B of a model made by train_adapter(), without magnitudes. A layer that has lost
// nothing keeps the A that it has, and a B of zero. The same bits whatever the threads. Errors:
// kUnsupported "original_differs" names a tensor that `original` lacks or has in another shape;
// "dtype_unsupported".
Result<void> begin_with_residual(TrainableModel& model, const WeightFile& original,
                                 std::uint64_t seed, const KernelTable& kernels, ThreadPool& pool);

// a (rank, in) and b (out, rank) such that scale · b a is about the nearest matrix of that rank to
// `m` (out, in), by four rounds of subspace iteration with eight directions to spare (Halko,
// Martinsson and Tropp, 2011): b's columns and a's rows share the singular values' roots. Where `m`
// has a lower rank, the rest of a stays and the rest of b is zero.
void approximate(std::span<const float> m, std::int64_t out, std::int64_t in, std::int64_t rank,
                 double scale, std::uint64_t seed, const KernelTable& kernels, ThreadPool& pool,
                 std::span<float> a, std::span<float> b);

}  // namespace bantam
