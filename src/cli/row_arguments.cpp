#include "cli/row_arguments.h"

#include <utility>

namespace bantam {

void add_row_options(Options& options, RowArguments& arguments) {
  options.add(arguments.label_prompt,
              {.flag = "--label-prompt",
               .value = "TEXT",
               .help = "what is asked of labelled texts; {text} stands for the text"});
  options.add(arguments.label_system, {.flag = "--label-system",
                                       .value = "TEXT",
                                       .help = "what the system says before it; absent: nothing"});
  options.add(arguments.text_column,
              {.flag = "--text-column", .value = "NAME", .help = "of rows with labels"});
  options.add(arguments.label_column,
              {.flag = "--label-column", .value = "NAME", .help = "of rows with labels"});
  options.add(arguments.skip_bad,
              {.flag = "--skip-bad", .help = "leave bad rows out and count them"});
  options.add(arguments.too_long, {.flag = "--too-long",
                                   .value = "WHAT",
                                   .help = "of rows that are longer than the context",
                                   .choices = {"refuse", "drop", "cut-front"}});
}

RowOptions row_options(const RowArguments& arguments) {
  return {.text_column = arguments.text_column,
          .label_column = arguments.label_column,
          .skip_bad = arguments.skip_bad};
}

RenderOptions render_options(const RowArguments& arguments, std::int64_t context) {
  constexpr std::pair<std::string_view, TooLong> kTooLong[] = {
      {"refuse", TooLong::kRefuse}, {"drop", TooLong::kDrop}, {"cut-front", TooLong::kCutFront}};
  RenderOptions options;
  options.context = context;
  options.label_prompt = arguments.label_prompt;
  options.label_system = arguments.label_system;
  for (const auto& [name, value] : kTooLong)
    if (name == arguments.too_long) options.too_long = value;
  return options;
}

}  // namespace bantam
