#include "cli/score_rows.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <set>
#include <vector>

#include "base/file.h"
#include "data/report.h"
#include "tune/score_report.h"

namespace bantam {
namespace {

constexpr std::size_t kMaxLabelBytes = std::size_t{16} << 20;

// Of a file of rows the labels that occur in it; of any other its lines.
Result<std::vector<std::string>> read_labels(const std::filesystem::path& path,
                                             const RowOptions& options) {
  std::set<std::string> labels;
  const std::string ending = path.extension().string();
  if (ending == ".csv" || ending == ".tsv" || ending == ".json" || ending == ".jsonl") {
    for (const Row& row : TRY(read_rows(path, options)).rows)
      if (row.shape == RowShape::kLabelled) labels.insert(row.label);
  } else {
    const std::string text = TRY(read_file(path, kMaxLabelBytes));
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = std::min(text.find('\n', at), text.size());
      const bool carriage = end > at && text[end - 1] == '\r';
      if (end > at + carriage) labels.insert(text.substr(at, end - at - carriage));
      at = end + 1;
    }
  }
  if (labels.empty())
    return std::unexpected(fail(ErrorKind::kMalformed, "labels_invalid", "the file has no labels")
                               .error()
                               .in(path.string()));
  return std::vector<std::string>(labels.begin(), labels.end());
}

Result<std::vector<std::string>> all_labels(const ScoreRowsArguments& arguments,
                                            const std::vector<Row>& rows) {
  if (arguments.labels) return read_labels(*arguments.labels, row_options(arguments.reading));
  std::set<std::string> labels;
  for (const Row& row : rows)
    if (row.shape == RowShape::kLabelled) labels.insert(row.label);
  return std::vector<std::string>(labels.begin(), labels.end());
}

// What did not become a question, in words.
void warn_of_rows(const RowFile& file, const RenderCounts& counts, Console& console) {
  for (const std::string& problem : file.first_problems) console.warn("left out: " + problem);
  if (file.skipped > 0) console.warn(fmt::format("{} bad rows are left out", file.skipped));
  for (const std::string& warning : count_warnings(counts)) console.warn(warning);
}

Result<void> write_answers(const std::filesystem::path& path, Metric metric,
                           std::span<const RowAnswer> answers) {
  AtomicFile file = TRY(AtomicFile::create(path));
  for (const RowAnswer& answer : answers)
    TRY(file.write(write_json(answer_to_json(metric, answer)) + "\n"));
  return file.commit();
}

}  // namespace

void add_score_rows_options(Options& options, ScoreRowsArguments& arguments) {
  options.add(arguments.rows,
              {.flag = "--rows",
               .value = "ROWS",
               .help = "measure on these rows instead, as `bantam tune` reads them"});
  options.add(arguments.metric,
              {.flag = "--metric",
               .value = "NAME",
               .help = "of --rows: the loss of what would be learned; answers that are the wanted "
                       "text, label or JSON value",
               .choices = {"loss", "exact", "label", "json"}});
  options.add(arguments.labels,
              {.flag = "--labels",
               .value = "FILE",
               .help = "all labels there are, one a line, or rows that have them; absent: those of "
                       "--rows"});
  options.add(
      arguments.most,
      {.flag = "--most", .value = "N", .help = "measure on N rows, evenly from all; 0: all"},
      {.low = 0, .high = std::int64_t{1} << 40});
  options.add(arguments.out,
              {.flag = "--out", .value = "FILE", .help = "write what each row got, as JSON Lines"});
  add_row_options(options, arguments.reading);
}

Result<void> score_rows(const LoadedModel& model, const EngineOptions& engine,
                        const ScoreRowsArguments& arguments, Console& console) {
  if (model.tokenizer == nullptr)
    return fail(ErrorKind::kUsage, "no_tokenizer", "the model has no vocabulary for --rows");
  const Metric metric = TRY(metric_from_name(arguments.metric));
  const RowFile file = TRY(read_rows(*arguments.rows, row_options(arguments.reading)));
  const auto chat_template = ChatTemplate::from_model(model.file->metadata, *model.tokenizer);
  if (!chat_template && chat_template.error().code != "no_template")
    return std::unexpected(chat_template.error());
  const RowRenderer renderer =
      TRY(RowRenderer::create(*model.tokenizer, chat_template ? &*chat_template : nullptr,
                              render_options(arguments.reading, model.engine->context_length())));
  const std::vector<std::string> labels =
      metric == Metric::kLabel ? TRY(all_labels(arguments, file.rows)) : std::vector<std::string>{};
  RenderCounts counts;
  const std::int64_t most =
      arguments.most > 0 ? arguments.most : std::numeric_limits<std::int64_t>::max();
  auto rendered = make_validation(metric, file.rows, labels, renderer, most, counts);
  if (!rendered) return std::unexpected(std::move(rendered).error().in(*arguments.rows));
  warn_of_rows(file, counts, console);
  if (rendered->examples.empty())
    return std::unexpected(fail(ErrorKind::kMalformed, "data_empty", "no row is left to measure on")
                               .error()
                               .in(*arguments.rows));

  const auto start = std::chrono::steady_clock::now();
  // The engine owns the decoder and outlives this.
  Validation validation(
      metric, std::move(*rendered),
      std::shared_ptr<const Decoder>(std::shared_ptr<void>(), &model.engine->decoder()),
      *model.tokenizer, nullptr, engine);
  const auto answered = validation.answers([&](std::int64_t done, std::int64_t all) {
    console.progress("scoring", static_cast<std::uint64_t>(done), static_cast<std::uint64_t>(all));
  });
  console.clear_progress();
  const std::vector<RowAnswer> answers = TRY(answered);
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (arguments.out) TRY(write_answers(*arguments.out, metric, answers));
  const ScoreReport report = report_answers(metric, answers);
  TRY(console.print(report.to_text()));
  JsonObject document = report.to_json();
  document["skipped"] = file.skipped;
  document["too_long"] = counts.too_long;
  document["empty_targets"] = counts.empty_targets;
  document["seconds"] = seconds;
  document["rows_per_s"] = static_cast<double>(answers.size()) / std::max(seconds, 1e-9);
  return console.document(document);
}

}  // namespace bantam
