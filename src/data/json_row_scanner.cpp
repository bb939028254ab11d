#include "data/json_row_scanner.h"

#include <algorithm>

namespace bantam {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";

}  // namespace

JsonRowScanner::JsonRowScanner(std::string_view text) : text_(text) {
  const std::size_t first = text.find_first_not_of(kBlanks);
  array_ = first != text.npos && text[first] == '[';
}

Result<std::optional<JsonRowText>> JsonRowScanner::next() {
  return array_ ? next_element() : Result<std::optional<JsonRowText>>(next_line());
}

std::optional<JsonRowText> JsonRowScanner::next_line() {
  while (at_ < text_.size()) {
    const std::size_t end = std::min(text_.find('\n', at_), text_.size());
    const JsonRowText row{text_.substr(at_, end - at_), line_++};
    at_ = end + 1;
    if (row.text.find_first_not_of(kBlanks) != row.text.npos) return row;
  }
  return std::nullopt;
}

void JsonRowScanner::skip_blanks() {
  for (; at_ < text_.size() && kBlanks.find(text_[at_]) != kBlanks.npos; ++at_)
    line_ += text_[at_] == '\n';
}

std::unexpected<Error> JsonRowScanner::invalid(std::string_view expected) const {
  return fail(ErrorKind::kMalformed, "json_rows_invalid",
              "line {}: expected {} of the array of rows, found {}", line_, expected,
              at_ < text_.size() ? quoted(text_.substr(at_, 16)) : "the end of the file");
}

// To the comma or bracket behind an element: the first one outside all brackets and strings.
void JsonRowScanner::skip_element() {
  std::size_t depth = 0;
  bool string = false;
  for (; at_ < text_.size(); ++at_) {
    const char c = text_[at_];
    line_ += c == '\n';
    if (string) {
      if (c == '"') string = false;
      if (c == '\\' && at_ + 1 < text_.size()) line_ += text_[++at_] == '\n';
      continue;
    }
    if (depth == 0 && (c == ',' || c == ']' || c == '}')) return;
    string = c == '"';
    if (c == '{' || c == '[') ++depth;
    if (c == '}' || c == ']') --depth;
  }
}

Result<std::optional<JsonRowText>> JsonRowScanner::next_element() {
  skip_blanks();
  if (first_) {
    ++at_;  // the bracket
    skip_blanks();
  }
  if (at_ < text_.size() && text_[at_] == ']') {
    ++at_;
    skip_blanks();
    if (at_ < text_.size()) return invalid("nothing after the end");
    array_ = false;  // and no lines are left either
    return std::nullopt;
  }
  if (!first_) {
    if (at_ >= text_.size() || text_[at_] != ',') return invalid("a comma or the end");
    ++at_;
    skip_blanks();
  }
  first_ = false;
  const std::size_t begin = at_;
  const std::int64_t line = line_;
  skip_element();
  if (at_ >= text_.size()) return invalid("the end of an element");
  return JsonRowText{text_.substr(begin, at_ - begin), line};
}

}  // namespace bantam
