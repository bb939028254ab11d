// A training run on disk, so that it can be killed at any moment and go on with the same bits.
//
// One safetensors file, replaced atomically (base/file.h): the parameters, the optimizer's state
// and whatever else changes from step to step, as bytes; in its metadata the RunState and the
// run's digest. Batches are a pure function of the step, so there is no other state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "train/optimizer.h"
#include "train/parameters.h"

namespace bantam {

struct RunState {
  std::int64_t step = 0;    // steps done
  std::int64_t tokens = 0;  // learned from so far
  double seconds = 0;       // worked so far
  // Of validation; larger is better. Step 0: there was none yet.
  std::int64_t best_step = 0;
  double best_score = 0;
  std::int64_t since_best = 0;  // validations that were not better
};

// Memory that a checkpoint writes and reads back.
struct CheckpointPart {
  std::string name;  // unique
  std::span<std::byte> bytes;
};
std::vector<CheckpointPart> checkpoint_parts(Parameters& parameters, Optimizer& optimizer);

// Errors as of AtomicFile: the checkpoint that was there stays.
Result<void> save_checkpoint(const std::filesystem::path& path, const RunState& state,
                             std::string_view run_digest, std::span<const CheckpointPart> parts);

// kMalformed "checkpoint_invalid" for a file that is not one, is damaged, or has other parts;
// kConfiguration "checkpoint_other_run" if the digest differs (names both). The parts have not
// changed then. kNotFound "file_not_found".
Result<RunState> load_checkpoint(const std::filesystem::path& path, std::string_view run_digest,
                                 std::span<const CheckpointPart> parts);

}  // namespace bantam
