// An adapter melted into its base: one file that every program runs.
#pragma once

#include "base/result.h"
#include "base/thread_pool.h"
#include "compress/compensation.h"
#include "compress/convert.h"
#include "models/decoder.h"

namespace bantam {

// Writes gain · (W + scale · B A) for every adapted layer, and the other tensors as convert() does.
// The base is the one that `adapted` was made of: the file that was trained on, or another with the
// same tensors (AdapterBase::kAny), such as the original it was packed from. Packing rounds the
// sum, to nearest without `compensation`: of a change smaller than half a step little is left then.
// runtime/kl_divergence.h says what it costs. kUsage "nothing_adapted"; kUnsupported "merge_shared"
// for an adapted head that is the embedding, too, which the sum would change; the errors of
// convert(). CHECKs that the options name no editor.
//
// `compensation`, which was collected of `adapted`, may be null; it is used for layers that are
// packed into another type, and for the adapted ones.
Result<ConvertReport> merge_adapter(const Decoder& adapted, ConvertOptions options,
                                    const Compensation* compensation, ThreadPool& pool);

}  // namespace bantam
