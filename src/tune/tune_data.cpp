#include "tune/tune_data.h"

#include <algorithm>
#include <iterator>
#include <set>

#include "tune/byte_distillation.h"

namespace bantam {
namespace {

// Rows of a kind can be learned from together.
enum class Kind : std::uint8_t { kAnswers, kPairs, kLiked };
Kind kind_of(RowShape shape) {
  return shape == RowShape::kPreference ? Kind::kPairs
         : shape == RowShape::kLiked    ? Kind::kLiked
                                        : Kind::kAnswers;
}

// Adds the row's examples, and the teacher's of the same answer.
Result<void> add_row(const Row& row, const RowRenderer& renderer, const ByteAlignment* alignment,
                     RenderCounts& counts, TuneData& data) {
  std::vector<Example> examples = TRY(renderer.render(row, counts));
  if (alignment == nullptr) {
    std::ranges::move(examples, std::back_inserter(data.examples));
    return {};
  }
  RenderCounts ignored;
  std::vector<Example> theirs = TRY(alignment->renderer.render(row, ignored));
  if (examples.size() == 1 && theirs.size() == 1 &&
      same_answers(byte_answer(examples[0], *alignment->student),
                   byte_answer(theirs[0], *alignment->teacher))) {
    data.examples.push_back(std::move(examples[0]));
    data.teacher.push_back(std::move(theirs[0]));
  } else if (!examples.empty()) {
    ++data.unaligned;
  }
  return {};
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
                                  const ByteAlignment* alignment, const TuneOptions& options) {
  TuneData data;
  RenderCounts counts;
  for (const Row& row : rows.train) TRY(add_row(row, renderer, alignment, counts, data));
  if (data.examples.empty())
    return fail(ErrorKind::kMalformed, "data_empty", "{}: no row is left to learn from{}",
                options.data.string(),
                data.unaligned > 0 ? ": the teacher's template shows other answers" : "");
  const std::vector<Row>& given = rows.asked.empty() ? rows.train : rows.asked;
  std::set<std::string> labels;
  for (const Row& row : given)
    if (row.shape == RowShape::kLabelled) labels.insert(row.label);
  const std::vector<std::string> all_labels(labels.begin(), labels.end());
  RenderCounts of_validation;
  data.validation = TRY(make_validation(options.metric, rows.validation, all_labels, renderer,
                                        options.validation_rows, of_validation));
  data.report = make_report(rows.file, data.examples, counts);
  compare_held_out(data.report, given, rows.validation, "validation");
  RenderCounts of_replay;
  const std::size_t own = data.examples.size();
  for (const Row& row : rows.replay) TRY(add_row(row, renderer, alignment, of_replay, data));
  data.replayed = static_cast<std::int64_t>(data.examples.size() - own);
  for (std::size_t e = 0; e < data.examples.size(); ++e)
    data.examples[e].number = static_cast<std::int64_t>(e);
  return data;
}

}  // namespace bantam
