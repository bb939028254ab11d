// What tells one run from another: everything that decides its result, and nothing that may be
// changed between two stretches of it (time, memory, threads, how often it is validated).
#pragma once

#include <span>
#include <string>

#include "data/example.h"
#include "tune/tune.h"

namespace bantam {

// 16 hexadecimal digits. `weights` is the base's digest (models/adapter.h); `options` have steps
// and warm-up filled in; `others` is what else was read: a teacher's digest, say.
std::string run_digest(const TuneOptions& options, std::span<const Example> examples,
                       const std::string& weights, const std::string& others);

}  // namespace bantam
