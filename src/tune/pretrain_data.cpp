#include "tune/pretrain_data.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

namespace bantam {
namespace {

template <typename... Args>
std::unexpected<Error> invalid(fmt::format_string<Args...> format, Args&&... args) {
  return fail(ErrorKind::kUsage, "pretrain_invalid", format, std::forward<Args>(args)...);
}

// All have a share or none has.
Result<bool> shares_given(std::span<const PretrainSource> sources) {
  if (sources.empty()) return invalid("no file to learn from");
  for (const PretrainSource& source : sources) {
    if (!(source.share >= 0 && source.share <= 1e6))
      return invalid("the share of {}: expected a number above 0, found {}",
                     quoted(source.path.string()), source.share);
    if ((source.share > 0) != (sources[0].share > 0))
      return invalid("{} has a share and {} has none: give all files one, above 0, or none",
                     quoted((source.share > 0 ? source : sources[0]).path.string()),
                     quoted((source.share > 0 ? sources[0] : source).path.string()));
  }
  return sources[0].share > 0;
}

Result<RowFile> read_source(const std::filesystem::path& path, const RowOptions& options) {
  RowFile file = TRY(read_rows(path, options));
  if (file.shape == RowShape::kPreference || file.shape == RowShape::kLiked)
    return fail(ErrorKind::kUsage, "source_unfit",
                "{}: rows of {} are for `bantam tune`, once there is a model", path.string(),
                row_shape_name(file.shape));
  return file;
}

std::int64_t bytes_of(const Example& example, const Tokenizer& tokenizer) {
  std::size_t sum = 0;
  for (std::size_t i = 0; i < example.ids.size(); ++i)
    sum += tokenizer.piece_bytes(example.ids[i], false).size();
  return static_cast<std::int64_t>(sum);
}

}  // namespace

std::vector<std::string> template_marks(std::string_view text) {
  constexpr std::string_view kName =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
  std::vector<std::string> marks;
  for (std::size_t at = text.find("<|"); at != std::string_view::npos; at = text.find("<|", at)) {
    const std::size_t end = text.find_first_not_of(kName, at + 2);
    const bool whole =
        end != std::string_view::npos && end > at + 2 && text.substr(end).starts_with("|>");
    const std::string mark(text.substr(at, whole ? end + 2 - at : 0));
    if (whole && std::ranges::find(marks, mark) == marks.end()) marks.push_back(mark);
    at += whole ? mark.size() : 2;
  }
  return marks;
}

Result<PretrainData> PretrainData::read(const PretrainDataOptions& options) {
  PretrainData data;
  data.shares_given_ = TRY(shares_given(options.sources));
  data.validation_rows_ = options.validation_rows;
  data.own_files_ = !options.validation.empty();
  std::set<std::uint64_t> scored;
  for (const std::filesystem::path& path : options.validation) {
    Scored& file = data.scored_.emplace_back();
    file.name = path.filename().string();
    file.rows = TRY(read_source(path, options.rows)).rows;
    for (const Row& row : file.rows) scored.insert(row_hash(row));
  }
  for (const PretrainSource& source : options.sources) {
    RowFile file = TRY(read_source(source.path, options.rows));
    PretrainSourcePlan& plan = data.plans_.emplace_back();
    plan.name = source.path.filename().string();
    plan.shape = file.shape;
    plan.skipped = file.skipped;
    plan.share = source.share;
    Source& made = data.sources_.emplace_back();
    Scored own{.name = plan.name};
    for (Row& row : file.rows) {
      const bool held_out = data.own_files_ ? scored.contains(row_hash(row))
                                            : part_of(row, options.split) != Part::kTrain;
      plan.held_out += held_out;
      if (!held_out) {
        made.train.push_back(std::move(row));
      } else if (!data.own_files_) {
        own.rows.push_back(std::move(row));
      }
    }
    plan.rows = static_cast<std::int64_t>(made.train.size());
    if (plan.rows == 0)
      return fail(ErrorKind::kMalformed, "data_empty",
                  "{}: none of its {} rows is left to learn from: they are held out",
                  source.path.string(), plan.held_out);
    if (!data.own_files_) data.scored_.push_back(std::move(own));
  }
  return data;
}

std::vector<std::string_view> PretrainData::texts() const {
  std::vector<std::string_view> texts;
  const auto add = [&](const std::string& text) {
    if (!text.empty()) texts.push_back(text);
  };
  for (const Source& source : sources_)
    for (const Row& row : source.train) {
      for (const Message& message : row.messages)
        if (message.content) add(*message.content);
      add(row.text);
      if (row.answer.content) add(*row.answer.content);
      add(row.label);
    }
  return texts;
}

Result<void> PretrainData::render_source(std::size_t index, const RowRenderer& renderer,
                                         const Tokenizer& tokenizer) {
  PretrainSourcePlan& plan = plans_[index];
  for (const Row& row : sources_[index].train)
    for (Example& example : TRY(renderer.render(row, plan.counts))) {
      plan.tokens += static_cast<std::int64_t>(example.ids.size());
      plan.bytes += bytes_of(example, tokenizer);
      plan.learned_tokens +=
          std::ranges::count_if(example.weights, [](float weight) { return weight > 0; });
      ++plan.examples;
      examples_.push_back(std::move(example));
    }
  sources_[index].train.clear();
  if (plan.examples == 0)
    return fail(ErrorKind::kMalformed, "data_empty", "{}: its {} rows give nothing to learn from",
                plan.name, plan.rows);
  return {};
}

Result<void> PretrainData::render_held_out(const RowRenderer& renderer) {
  for (std::size_t s = 0; s < scored_.size(); ++s) {
    const std::vector<Row>& rows = scored_[s].rows;
    HeldOutText text{.name = scored_[s].name, .share = own_files_ ? 1 : plans_[s].share};
    const std::size_t asked = std::min(rows.size(), static_cast<std::size_t>(validation_rows_));
    RenderCounts counts;
    for (std::size_t i = 0; i < asked; ++i)
      std::ranges::move(TRY(renderer.render(rows[rows.size() * i / asked], counts)),
                        std::back_inserter(text.examples));
    held_out_.push_back(std::move(text));
  }
  scored_.clear();
  return {};
}

Result<void> PretrainData::render(const RowRenderer& learned, const RowRenderer& scored,
                                  const Tokenizer& tokenizer) {
  for (std::size_t s = 0; s < sources_.size(); ++s) {
    if (auto rendered = render_source(s, learned, tokenizer); !rendered)
      return std::unexpected(std::move(rendered).error().in(plans_[s].name));
  }
  double shares = 0;
  for (PretrainSourcePlan& plan : plans_) {
    if (!shares_given_) plan.share = static_cast<double>(plan.tokens);
    shares += plan.share;
  }
  for (PretrainSourcePlan& plan : plans_) plan.share /= shares;
  return render_held_out(scored);
}

std::vector<ExampleSet> PretrainData::sets() const {
  std::vector<ExampleSet> sets;
  for (const PretrainSourcePlan& plan : plans_) {
    const double mean = static_cast<double>(plan.tokens) / static_cast<double>(plan.examples);
    sets.push_back({.examples = plan.examples, .share = plan.share / mean});
  }
  // The first one's is what the others' are relative to, whatever their unit.
  const double first = sets[0].share;
  for (ExampleSet& set : sets) set.share /= first;
  return sets;
}

}  // namespace bantam
