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
#include "tune/teaching.h"
#include "tune/tune.h"

namespace bantam {

// Rows by what they are for; those of the test part are nobody's here.
struct TuneRows {
  RowFile file;
  std::vector<Row> train, validation, replay;
  // What `train` was sampled for, if it was: validation rows are compared with these.
  std::vector<Row> asked;
};
// Errors: those of read_rows(); kUsage "replay_invalid" for rows to replay that are learned from in
// another way than the others (pairs, say, beside answers).
Result<TuneRows> read_tune_rows(const TuneOptions& options);

struct TuneData {
  std::vector<Example> examples;  // of the rows to learn from, then of those to replay
  std::vector<Example> teacher;   // as many, if the teacher has other tokens
  std::int64_t unaligned = 0;     // rows left out as the teacher sees another answer
  std::int64_t replayed = 0;      // how many of them are the latter
  ValidationSet validation;
  DataReport report;  // of what is learned from
};
// `alignment` is the teacher's, or null. Errors: those of the renderer and of make_validation();
// kMalformed "data_empty" if no row is left to learn from.
Result<TuneData> render_tune_rows(const TuneRows& rows, const RowRenderer& renderer,
                                  const ByteAlignment* alignment, const TuneOptions& options);

}  // namespace bantam
