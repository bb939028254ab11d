// What a data set is like, before anything is learned from it.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "data/render.h"
#include "data/split.h"

namespace bantam {

struct DataReport {
  RowShape shape = RowShape::kText;
  std::int64_t rows = 0, skipped = 0;  // good and bad ones
  std::int64_t duplicates = 0, conflicts = 0;
  std::int64_t leaks = 0;  // validation and test rows that training gives away
  RenderCounts counts;
  std::int64_t tokens = 0, learned_tokens = 0;
  std::int64_t shortest = 0, median = 0, p95 = 0, longest = 0;  // tokens an example
  std::map<std::string, std::int64_t> labels;
  std::vector<std::string> warnings;  // what should be looked at, each a sentence

  // Minutes for so many passes over all tokens; nothing without a speed.
  double minutes(double tokens_per_second, double epochs) const;
  // For people: a few lines. With a speed it says what an epoch costs.
  std::string to_text(double tokens_per_second = 0, double epochs = 1) const;
  JsonObject to_json() const;
};

// What a renderer left out or found odd, a sentence each.
std::vector<std::string> count_warnings(const RenderCounts& counts);

// Of a file and the examples that a RowRenderer made of its rows.
DataReport make_report(const RowFile& file, std::span<const Example> examples,
                       const RenderCounts& counts);
// Adds what the rows held out have in common with those of `train`: leaks, and labels that training
// never sees. `name` is theirs: "validation".
void compare_held_out(DataReport& report, const std::vector<Row>& train,
                      const std::vector<Row>& held_out, std::string_view name);

}  // namespace bantam
