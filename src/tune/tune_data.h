// The rows of a run, from files to examples: what is learned, what is said again so that it is not
// forgotten, and what chooses the best.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "data/batches.h"
#include "data/render.h"
#include "data/report.h"
#include "data/rows.h"
#include "tune/tune.h"

namespace bantam {

// Rows by what they are for; those of the test part are nobody's here.
struct TuneRows {
  RowFile file;
  std::vector<Row> train, validation, replay;
};
// Errors: those of read_rows(); kUsage "replay_invalid" for rows to replay that are learned from in
// another way than the others (pairs, say, beside answers).
Result<TuneRows> read_tune_rows(const TuneOptions& options);

struct TuneData {
  std::vector<Example> examples;  // of the rows to learn from, then of those to replay
  std::int64_t replayed = 0;      // how many of them are the latter
  ValidationSet validation;
  DataReport report;  // of what is learned from
};
// Errors: those of the renderer and of make_validation(); kMalformed "data_empty" if no row is left
// to learn from.
Result<TuneData> render_tune_rows(const TuneRows& rows, const RowRenderer& renderer,
                                  const TuneOptions& options);

}  // namespace bantam
