#include "data/report.h"

#include <algorithm>
#include <iterator>

namespace bantam {
namespace {

constexpr std::size_t kShownLabels = 8;
// A label with fewer rows than this is hardly learned.
constexpr std::int64_t kFewRows = 5;

// "12 rows are" and "1 row is".
std::string rows_are(std::int64_t count, std::string_view rest) {
  return fmt::format("{} {} {}", count, count == 1 ? "row" : "rows", rest);
}

// The token count below which `percent` of the sorted lengths lie.
std::int64_t percentile(const std::vector<std::int64_t>& sorted, std::size_t percent) {
  return sorted[std::min(sorted.size() - 1, sorted.size() * percent / 100)];
}

}  // namespace

std::vector<std::string> count_warnings(const RenderCounts& counts) {
  std::vector<std::string> warnings;
  const auto add = [&](std::int64_t count, std::string_view rest) {
    if (count > 0) warnings.push_back(rows_are(count, rest));
  };
  add(counts.too_long, "longer than the context, dropped or cut");
  add(counts.empty_targets, "without an answer, left out");
  const auto turns = [&](std::int64_t count, std::string_view rest) {
    if (count > 0)
      warnings.push_back(fmt::format("{} {} {}", count, count == 1 ? "turn" : "turns", rest));
  };
  turns(counts.unended, "after which the template writes no token that ends the answer");
  turns(counts.other_prompts,
        "that the server would ask for with another text than the template shows before them");
  turns(counts.unseen, "of the assistant that the template does not show, not learned");
  return warnings;
}

double DataReport::minutes(double tokens_per_second, double epochs) const {
  return tokens_per_second > 0 ? static_cast<double>(tokens) * epochs / tokens_per_second / 60 : 0;
}

DataReport make_report(const RowFile& file, std::span<const Example> examples,
                       const RenderCounts& counts) {
  DataReport report;
  report.shape = file.shape;
  report.rows = static_cast<std::int64_t>(file.rows.size());
  report.skipped = file.skipped;
  report.duplicates = static_cast<std::int64_t>(duplicates(file.rows).size());
  report.conflicts = static_cast<std::int64_t>(conflicts(file.rows).size());
  report.counts = counts;
  std::vector<std::int64_t> lengths;
  for (const Example& example : examples) {
    lengths.push_back(static_cast<std::int64_t>(example.ids.size()));
    report.tokens += lengths.back();
    report.learned_tokens += std::ranges::count_if(example.weights, [](float w) { return w > 0; });
  }
  if (!lengths.empty()) {
    std::ranges::sort(lengths);
    report.shortest = lengths.front();
    report.median = percentile(lengths, 50);
    report.p95 = percentile(lengths, 95);
    report.longest = lengths.back();
  }
  if (file.shape == RowShape::kLabelled)
    for (const Row& row : file.rows) ++report.labels[row.label];

  std::vector<std::string>& warnings = report.warnings;
  if (report.skipped > 0)
    warnings.push_back(rows_are(report.skipped, "skipped as bad, first ") + file.first_problems[0]);
  if (report.duplicates > 0)
    warnings.push_back(rows_are(report.duplicates, "said before, word for word"));
  if (report.conflicts > 0)
    warnings.push_back(
        rows_are(report.conflicts, "with another answer to a question that was there before"));
  std::ranges::move(count_warnings(counts), std::back_inserter(warnings));
  const auto rare = std::ranges::count_if(
      report.labels, [](const auto& label) { return label.second < kFewRows; });
  if (rare > 0)
    warnings.push_back(fmt::format("{} of {} labels have fewer than {} rows", rare,
                                   report.labels.size(), kFewRows));
  if (!file.unused.empty()) {
    std::string names;
    for (const std::string& name : file.unused)
      names += (names.empty() ? "" : ", ") + quoted(std::string_view(name));
    warnings.push_back("members that nobody reads: " + names);
  }
  return report;
}

void compare_held_out(DataReport& report, const std::vector<Row>& train,
                      const std::vector<Row>& held_out, std::string_view name) {
  const std::vector<Leak> found = leaks(train, held_out);
  report.leaks += static_cast<std::int64_t>(found.size());
  if (!found.empty()) {
    const Leak& first = found[0];
    report.warnings.push_back(
        fmt::format("{}, first line {} ({:.0f} % of it in line {})",
                    rows_are(static_cast<std::int64_t>(found.size()),
                             fmt::format("of the {} part given away by training rows", name)),
                    held_out[first.test].line, 100 * first.shared, train[first.train].line));
  }
  std::map<std::string, std::int64_t> unseen;
  for (const Row& row : held_out)
    if (row.shape == RowShape::kLabelled) ++unseen[row.label];
  for (const Row& row : train) unseen.erase(row.label);
  if (!unseen.empty())
    report.warnings.push_back(fmt::format("{} {} of the {} part never occur in training, first {}",
                                          unseen.size(), unseen.size() == 1 ? "label" : "labels",
                                          name, quoted(unseen.begin()->first)));
}

std::string DataReport::to_text(double tokens_per_second, double epochs) const {
  std::string out =
      fmt::format("{} rows ({}), {} examples\n", rows, row_shape_name(shape), counts.examples);
  out += fmt::format(
      "{} tokens, {} of them learned; an example has {} to {}, median {}, 95 % up to {}\n", tokens,
      learned_tokens, shortest, longest, median, p95);
  if (!labels.empty()) {
    std::vector<std::pair<std::int64_t, std::string>> by_count;
    for (const auto& [label, count] : labels) by_count.emplace_back(-count, label);
    std::ranges::sort(by_count);
    out += fmt::format("{} labels:", labels.size());
    for (std::size_t i = 0; i < std::min(by_count.size(), kShownLabels); ++i)
      out += fmt::format("{} {} {}", i == 0 ? "" : ",",
                         quoted(std::string_view(by_count[i].second), 32), -by_count[i].first);
    out += by_count.size() > kShownLabels ? ", …\n" : "\n";
  }
  if (tokens_per_second > 0)
    out += fmt::format("about {:.1f} minutes for {:g} {} at {:.0f} tokens/s\n",
                       minutes(tokens_per_second, epochs), epochs, epochs == 1 ? "epoch" : "epochs",
                       tokens_per_second);
  for (const std::string& warning : warnings) out += "note: " + warning + "\n";
  return out;
}

JsonObject DataReport::to_json() const {
  JsonObject by_label;
  for (const auto& [label, count] : labels) by_label.emplace(label, count);
  JsonArray notes;
  for (const std::string& warning : warnings) notes.push_back(Json(warning));
  return {
      {"shape", row_shape_name(shape)},
      {"rows", rows},
      {"skipped", skipped},
      {"duplicates", duplicates},
      {"conflicts", conflicts},
      {"leaks", leaks},
      {"examples", counts.examples},
      {"too_long", counts.too_long},
      {"empty_targets", counts.empty_targets},
      {"unended_turns", counts.unended},
      {"other_prompts", counts.other_prompts},
      {"unseen_turns", counts.unseen},
      {"tokens", tokens},
      {"learned_tokens", learned_tokens},
      {"length",
       JsonObject{{"shortest", shortest}, {"median", median}, {"p95", p95}, {"longest", longest}}},
      {"labels", std::move(by_label)},
      {"warnings", std::move(notes)}};
}

}  // namespace bantam
