// The rows that rejection sampling makes of a run's rows, and the two files that a folder keeps of
// them: sampled.jsonl, which is what is learned, and sampled.json, which says what it was made
// from, so that a run that goes on does not sample again.
#pragma once

#include <filesystem>
#include <string>

#include "base/result.h"
#include "tune/rejection.h"
#include "tune/text_model.h"
#include "tune/tune.h"

namespace bantam {

struct SampledRows {
  std::string jsonl, key;
  RejectionCounts counts;
};

// From the folder, if it has those of the same model, rows and options, and otherwise by sampling.
// Changes nothing on disk. Errors: those of sample_rows(); kMalformed "data_empty" if nothing was
// kept.
Result<SampledRows> sampled_rows(const TuneOptions& options, std::span<const Row> rows,
                                 const TextModel& model, const RowRenderer& renderer,
                                 const EngineOptions& engine);
// Nothing to do if they are there. Makes the folder.
Result<void> keep_sampled_rows(const std::filesystem::path& folder, const SampledRows& sampled);

}  // namespace bantam
