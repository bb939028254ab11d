// CSV as spreadsheets and scripts write it (RFC 4180): fields between delimiters, records between
// line ends (LF, CRLF or CR), fields with either of them in double quotes, a quote in such a field
// doubled. A quote inside a field that does not begin with one stands for itself. Linear in the
// text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace bantam {

struct CsvRecord {
  std::vector<std::string> fields;
  std::int64_t line = 0;  // where it begins, from one
};

class CsvReader {
 public:
  static constexpr std::size_t kMaxFields = 1024;
  static constexpr std::size_t kMaxRecordBytes = std::size_t{16} << 20;

  // Keeps the view.
  CsvReader(std::string_view text, char delimiter) : text_(text), delimiter_(delimiter) {}

  bool at_end() const { return at_ >= text_.size(); }
  std::int64_t line() const { return line_; }  // of the next record

  // The next record; not at_end(). Errors are kMalformed "csv_invalid" and kTooLarge "csv_invalid".
  // After one the reader stands at the next line, unless broken() says that no next record can be
  // told, as a quote was never closed.
  Result<CsvRecord> next();
  bool broken() const { return broken_; }

 private:
  Result<std::string> field(std::int64_t first_line);
  Result<std::string> quoted_field(std::int64_t first_line);
  bool at_line_end() const { return text_[at_] == '\n' || text_[at_] == '\r'; }
  void skip_line_end();
  void skip_line();

  std::string_view text_;
  char delimiter_;
  std::size_t at_ = 0;
  std::int64_t line_ = 1;
  bool broken_ = false;
};

}  // namespace bantam
