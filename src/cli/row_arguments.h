// Options of the commands that read rows and render them for a model.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/options.h"
#include "data/render.h"
#include "data/rows.h"

namespace bantam {

struct RowArguments {
  std::string label_prompt = "{text}", label_system, text_column = "text", label_column = "label";
  std::string too_long = "refuse";
  bool skip_bad = false;
};

// --label-prompt, --label-system, --text-column, --label-column, --skip-bad, --too-long.
void add_row_options(Options& options, RowArguments& arguments);

RowOptions row_options(const RowArguments& arguments);
// With a context of so many tokens; 0: the model's own.
RenderOptions render_options(const RowArguments& arguments, std::int64_t context);

}  // namespace bantam
