#include "tune/tune_data.h"

#include <algorithm>
#include <iterator>
#include <set>

namespace bantam {
namespace {

// Rows of a kind can be learned from together.
enum class Kind : std::uint8_t { kAnswers, kPairs, kLiked };
Kind kind_of(RowShape shape) {
  return shape == RowShape::kPreference ? Kind::kPairs
         : shape == RowShape::kLiked    ? Kind::kLiked
                                        : Kind::kAnswers;
}

}  // namespace

Result<TuneRows> read_tune_rows(const TuneOptions& options) {
  TuneRows rows{.file = TRY(read_rows(options.data, options.rows))};
  if (!options.replay.empty()) {
    RowFile replay = TRY(read_rows(options.replay, options.rows));
    if (kind_of(replay.shape) != kind_of(rows.file.shape))
      return fail(ErrorKind::kUsage, "replay_invalid",
                  "{} has rows of {}, and {} rows of {}: they are learned from in different ways",
                  options.replay.string(), row_shape_name(replay.shape), options.data.string(),
                  row_shape_name(rows.file.shape));
    rows.replay = std::move(replay.rows);
  }
  if (!options.validation_data.empty()) {
    rows.train = rows.file.rows;
    rows.validation = TRY(read_rows(options.validation_data, options.rows)).rows;
    return rows;
  }
  for (const Row& row : rows.file.rows) {
    const Part part = part_of(row, options.split);
    if (part == Part::kTrain) rows.train.push_back(row);
    if (part == Part::kValidation) rows.validation.push_back(row);
  }
  return rows;
}

Result<TuneData> render_tune_rows(const TuneRows& rows, const RowRenderer& renderer,
                                  const TuneOptions& options) {
  TuneData data;
  RenderCounts counts;
  std::set<std::string> labels;
  for (const Row& row : rows.train) {
    if (row.shape == RowShape::kLabelled) labels.insert(row.label);
    std::ranges::move(TRY(renderer.render(row, counts)), std::back_inserter(data.examples));
  }
  if (data.examples.empty())
    return fail(ErrorKind::kMalformed, "data_empty", "{}: no row is left to learn from",
                options.data.string());
  const std::vector<std::string> all_labels(labels.begin(), labels.end());
  RenderCounts of_validation;
  data.validation = TRY(make_validation(options.metric, rows.validation, all_labels, renderer,
                                        options.validation_rows, of_validation));
  data.report = make_report(rows.file, data.examples, counts);
  compare_held_out(data.report, rows.train, rows.validation, "validation");
  RenderCounts of_replay;
  for (const Row& row : rows.replay) {
    for (Example& example : TRY(renderer.render(row, of_replay))) {
      data.examples.push_back(std::move(example));
      ++data.replayed;
    }
  }
  return data;
}

}  // namespace bantam
