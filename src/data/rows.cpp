#include "data/rows.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/file.h"
#include "base/unicode.h"
#include "data/csv.h"
#include "data/json_row_scanner.h"
#include "data/row_json.h"

namespace bantam {
namespace {

constexpr std::size_t kMaxProblems = 10;
constexpr std::string_view kDocumentEnd = "<|endoftext|>";

// Gathers the rows of one file: all of one shape, bad ones counted or fatal.
class Collector {
 public:
  Collector(std::string_view name, const RowOptions& options) : name_(name), options_(options) {}

  Result<void> add(std::int64_t line, Result<Row> row) {
    if (row && !file_.rows.empty() && row->shape != file_.shape)
      row = fail(ErrorKind::kMalformed, "row_invalid", "expected a {}, as in line {}; found a {}",
                 row_shape_name(file_.shape), file_.rows.front().line, row_shape_name(row->shape));
    if (!row) return bad(line, std::move(row).error());
    if (file_.rows.empty()) file_.shape = row->shape;
    row->line = line;
    file_.rows.push_back(std::move(*row));
    return {};
  }

  std::set<std::string>& unused() { return file_.unused; }

  Result<RowFile> finish() {
    if (!file_.rows.empty()) return std::move(file_);
    Error error{.kind = ErrorKind::kMalformed,
                .code = "data_empty",
                .message = file_.skipped == 0
                               ? "no rows"
                               : fmt::format("no good row; {} bad ones", file_.skipped),
                .where = std::string(name_),
                .hint = {}};
    if (!file_.first_problems.empty()) error.message += ", first " + file_.first_problems[0];
    return std::unexpected(std::move(error));
  }

 private:
  Result<void> bad(std::int64_t line, Error error) {
    error.code = "row_invalid";
    error.where = fmt::format("{}:{}", name_, line);
    if (!options_.skip_bad)
      return std::unexpected(
          std::move(error).with_hint("--skip-bad leaves such rows out and counts them"));
    ++file_.skipped;
    if (file_.first_problems.size() < kMaxProblems)
      file_.first_problems.push_back(error.to_string());
    return {};
  }

  std::string_view name_;
  const RowOptions& options_;
  RowFile file_;
};

std::unexpected<Error> no_data(std::string_view name, std::string message, std::string hint = {}) {
  return std::unexpected(Error{.kind = ErrorKind::kMalformed,
                               .code = "data_invalid",
                               .message = std::move(message),
                               .where = std::string(name),
                               .hint = std::move(hint)});
}

// Bytes that are a file of another kind altogether; a UTF-8 byte-order mark is dropped.
Result<std::string_view> as_text(std::string_view bytes, std::string_view name) {
  if (bytes.starts_with("\xFF\xFE") || bytes.starts_with("\xFE\xFF"))
    return no_data(name, "UTF-16, expected UTF-8", "iconv -f UTF-16 -t UTF-8 makes it readable");
  if (bytes.starts_with("\x1F\x8B") || bytes.starts_with("PK\x03\x04") ||
      bytes.starts_with("\x28\xB5\x2F\xFD"))
    return no_data(name, "a compressed file", "unpack it first");
  if (bytes.starts_with("\xEF\xBB\xBF")) bytes.remove_prefix(3);
  return bytes;
}

Result<void> read_json(std::string_view text, std::string_view name, const RowOptions& options,
                       Collector& out) {
  JsonRowScanner scanner(text);
  for (;;) {
    const Result<std::optional<JsonRowText>> next = scanner.next();
    if (!next) return no_data(name, next.error().message);
    if (!*next) return {};
    TRY(out.add((*next)->line, parse_json_row((*next)->text, options, out.unused())));
  }
}

// Where a column is, by its name in the header.
Result<std::size_t> column_of(const CsvRecord& header, std::string_view column,
                              std::string_view name) {
  const auto found = std::ranges::find(header.fields, column);
  if (found != header.fields.end()) return static_cast<std::size_t>(found - header.fields.begin());
  std::string all;
  for (const std::string& field : header.fields) {
    if (all.size() > 200) break;
    all += (all.empty() ? "" : ", ") + quoted(std::string_view(field), 32);
  }
  return no_data(name, fmt::format("no column {}; the header has {}", quoted(column), all),
                 "name the columns of the text and of its label");
}

Result<Row> csv_row(CsvRecord record, std::size_t fields, std::size_t text, std::size_t label) {
  if (record.fields.size() != fields)
    return bad_row("", "{} fields, the header has {}", record.fields.size(), fields);
  for (const std::string& field : record.fields) {
    if (!is_valid_utf8(field))
      return bad_row("", "text that is not UTF-8: {}",
                     quoted(std::string_view(field).substr(first_invalid_utf8(field), 16)));
    if (field.find('\0') != field.npos) return bad_row("", "a byte 0 in the text");
  }
  Row row;
  row.shape = RowShape::kLabelled;
  row.text = std::move(record.fields[text]);
  row.label = std::move(record.fields[label]);
  return row;
}

Result<void> read_csv(std::string_view text, char delimiter, std::string_view name,
                      const RowOptions& options, Collector& out) {
  CsvReader reader(text, delimiter);
  if (reader.at_end()) return {};
  const Result<CsvRecord> header = reader.next();
  if (!header) return no_data(name, header.error().message);
  const std::size_t text_at = TRY(column_of(*header, options.text_column, name));
  const std::size_t label_at = TRY(column_of(*header, options.label_column, name));
  if (text_at == label_at) return no_data(name, "the text and its label are the same column");
  for (std::size_t i = 0; i < header->fields.size(); ++i)
    if (i != text_at && i != label_at && out.unused().size() < 32)
      out.unused().insert(header->fields[i].substr(0, 64));
  while (!reader.at_end()) {
    const std::int64_t line = reader.line();
    Result<CsvRecord> record = reader.next();
    if (!record && reader.broken()) return no_data(name, record.error().message);
    if (record && record->fields.size() == 1 && record->fields[0].empty()) continue;  // blank line
    TRY(out.add(line, record ? csv_row(std::move(*record), header->fields.size(), text_at, label_at)
                             : Result<Row>(std::unexpected(std::move(record).error()))));
  }
  return {};
}

Result<void> read_documents(std::string_view text, Collector& out) {
  std::int64_t line = 1;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(kDocumentEnd), text.size());
    std::string_view document = text.substr(0, end);
    const std::int64_t lines = std::ranges::count(document, '\n');
    text.remove_prefix(std::min(end + kDocumentEnd.size(), text.size()));
    // The line ends around the separator are not the document's.
    const std::size_t first = document.find_first_not_of("\r\n");
    if (first != document.npos) {
      const std::int64_t begins = line + std::ranges::count(document.substr(0, first), '\n');
      document = document.substr(first, document.find_last_not_of("\r\n") + 1 - first);
      Row row;
      row.text = document;
      const std::size_t valid = first_invalid_utf8(document);
      TRY(out.add(begins, valid == document.size()
                              ? Result<Row>(std::move(row))
                              : bad_row("", "text that is not UTF-8 at byte {}: {}", valid,
                                        quoted(document.substr(valid, 16)))));
    }
    line += lines;
  }
  return {};
}

}  // namespace

std::string_view row_shape_name(RowShape shape) {
  constexpr std::array<std::string_view, 6> kNames = {"conversation", "completion",    "preference",
                                                      "liked answer", "labelled text", "document"};
  return kNames[static_cast<std::size_t>(shape)];
}

RowFormat row_format(const std::filesystem::path& path) {
  const std::string extension = path.extension().string();
  if (extension == ".csv") return RowFormat::kCsv;
  if (extension == ".tsv") return RowFormat::kTsv;
  return extension == ".txt" ? RowFormat::kText : RowFormat::kJson;
}

Result<RowFile> read_rows(const std::filesystem::path& path, const RowOptions& options) {
  const MappedFile file = TRY(MappedFile::open(path));
  const std::string_view bytes(reinterpret_cast<const char*>(file.bytes().data()),
                               file.bytes().size());
  return parse_rows(bytes, row_format(path), path.string(), options);
}

Result<RowFile> parse_rows(std::string_view bytes, RowFormat format, std::string_view name,
                           const RowOptions& options) {
  const std::string_view text = TRY(as_text(bytes, name));
  Collector out(name, options);
  if (format == RowFormat::kJson) {
    TRY(read_json(text, name, options, out));
  } else if (format == RowFormat::kText) {
    TRY(read_documents(text, out));
  } else {
    TRY(read_csv(text, format == RowFormat::kTsv ? '\t' : ',', name, options, out));
  }
  return out.finish();
}

}  // namespace bantam
