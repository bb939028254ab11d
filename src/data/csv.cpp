#include "data/csv.h"

#include <algorithm>

namespace bantam {

void CsvReader::skip_line_end() {
  if (text_[at_] == '\r' && at_ + 1 < text_.size() && text_[at_ + 1] == '\n') ++at_;
  ++at_;
  ++line_;
}

void CsvReader::skip_line() {
  at_ = std::min(text_.find_first_of("\r\n", at_), text_.size());
  if (!at_end()) skip_line_end();
}

Result<std::string> CsvReader::quoted_field(std::int64_t first_line) {
  const std::int64_t opened = line_;
  const std::size_t begin = at_++;
  std::string out;
  for (;;) {
    if (at_end()) {
      broken_ = true;
      return fail(ErrorKind::kMalformed, "csv_invalid",
                  "the quote opened in line {} is never closed", opened);
    }
    if (at_ - begin > kMaxRecordBytes) {
      broken_ = true;
      return fail(ErrorKind::kTooLarge, "csv_invalid",
                  "the quote opened in line {} is not closed within {} bytes", opened,
                  kMaxRecordBytes);
    }
    const char c = text_[at_];
    if (c == '"') {
      if (at_ + 1 >= text_.size() || text_[at_ + 1] != '"') break;
      at_ += 2;
      out += '"';
    } else if (at_line_end()) {
      const std::size_t from = at_;
      skip_line_end();
      out.append(text_, from, at_ - from);
    } else {
      const std::size_t end = std::min(text_.find_first_of("\"\r\n", at_), text_.size());
      out.append(text_, at_, end - at_);
      at_ = end;
    }
  }
  ++at_;
  if (at_end() || text_[at_] == delimiter_ || at_line_end()) return out;
  const std::int64_t found = line_;
  skip_line();
  return fail(ErrorKind::kMalformed, "csv_invalid",
              "text after the closing quote in line {} of the record that begins in line {}; a "
              "quote inside a quoted field is written twice",
              found, first_line);
}

Result<std::string> CsvReader::field(std::int64_t first_line) {
  if (!at_end() && text_[at_] == '"') return quoted_field(first_line);
  const char stops[] = {delimiter_, '\r', '\n', '\0'};
  const std::size_t end = std::min(text_.find_first_of(stops, at_), text_.size());
  std::string out(text_.substr(at_, end - at_));
  at_ = end;
  return out;
}

Result<CsvRecord> CsvReader::next() {
  CHECK(!at_end() && !broken_);
  CsvRecord record{.fields = {}, .line = line_};
  const std::size_t begin = at_;
  for (;;) {
    record.fields.push_back(TRY(field(record.line)));
    if (at_ - begin > kMaxRecordBytes || record.fields.size() > kMaxFields) {
      skip_line();
      return fail(ErrorKind::kTooLarge, "csv_invalid",
                  "the record that begins in line {} is over the limit of {} fields and {} bytes",
                  record.line, kMaxFields, kMaxRecordBytes);
    }
    if (at_end()) return record;
    if (at_line_end()) {
      skip_line_end();
      return record;
    }
    ++at_;  // the delimiter; what follows it is a field, be it empty
  }
}

}  // namespace bantam
