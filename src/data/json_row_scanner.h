// The texts of JSON rows in a file: one a line (JSON Lines), or the elements of one array, without
// building more than a row at a time. What an element holds is not looked at beyond its brackets
// and strings; that is for the parser. Linear in the text.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.h"

namespace bantam {

struct JsonRowText {
  std::string_view text;
  std::int64_t line = 0;  // where it begins, from one
};

class JsonRowScanner {
 public:
  // Keeps the view. A text whose first character is "[" is an array.
  explicit JsonRowScanner(std::string_view text);

  // The next row, blank lines left out; nothing at the end. kMalformed "json_rows_invalid" for an
  // array that is not one (lines have no such errors); nothing follows it.
  Result<std::optional<JsonRowText>> next();

 private:
  std::optional<JsonRowText> next_line();
  Result<std::optional<JsonRowText>> next_element();
  void skip_blanks();
  void skip_element();
  std::unexpected<Error> invalid(std::string_view expected) const;

  std::string_view text_;
  std::size_t at_ = 0;
  std::int64_t line_ = 1;
  bool array_ = false, first_ = true;
};

}  // namespace bantam
