// The part of `bantam score` that measures a model on a user's rows.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/options.h"
#include "cli/console.h"
#include "cli/row_arguments.h"
#include "runtime/loaded_model.h"

namespace bantam {

struct ScoreRowsArguments {
  std::optional<std::string> rows, labels, out;
  std::string metric = "loss";
  std::int64_t most = 0;  // rows; 0: all
  RowArguments reading;
};
// --rows, --metric, --labels, --out, --most, and those of row_arguments.h.
void add_score_rows_options(Options& options, ScoreRowsArguments& arguments);

// `engine` is what the model was opened with. Prints the report, writes --out, and answers with the
// document.
Result<void> score_rows(const LoadedModel& model, const EngineOptions& engine,
                        const ScoreRowsArguments& arguments, Console& console);

}  // namespace bantam
