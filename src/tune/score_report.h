// What the answers to many rows say together, with how sure that is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "tune/validation.h"

namespace bantam {

struct Interval {
  double low = 0, high = 1;
};
// Where a share lies with a certainty of 95 % (Wilson, 1927), of which `right` of `all` were seen.
Interval wilson_interval(std::int64_t right, std::int64_t all);

struct ScoreReport {
  struct Label {
    std::string label;
    std::int64_t rows = 0, right = 0;  // of those that want it
    std::int64_t given = 0;            // rows that got it as an answer
  };
  struct Confusion {
    std::string wanted, found;
    std::int64_t rows = 0;
  };

  Metric metric = Metric::kLoss;
  std::int64_t rows = 0;
  double score = 0;           // larger is better: of kLoss minus the loss
  Interval interval;          // of 95 %; of kLoss by how much rows differ
  std::int64_t right = 0;     // not of kLoss
  double weight = 0;          // kLoss: of the learned tokens, which are as many if none is weighted
  std::vector<Label> labels;  // kLabel: all that rows want, most errors first
  std::vector<Confusion> confusions;  // kLabel: most frequent first

  // For people; at most `most` labels and confusions.
  std::string to_text(std::size_t most = 10) const;
  JsonObject to_json() const;  // all of them
};

ScoreReport report_answers(Metric metric, std::span<const RowAnswer> answers);

// One line of JSON Lines for a row.
Json answer_to_json(Metric metric, const RowAnswer& answer);

}  // namespace bantam
