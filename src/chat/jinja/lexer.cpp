#include "chat/jinja/lexer.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/unicode.h"

namespace bantam::jinja {
namespace {

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_name_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
constexpr bool is_radix_digit(char c, char radix) {
  switch (radix) {
    case 'b':
      return c == '0' || c == '1';
    case 'o':
      return c >= '0' && c <= '7';
    default:
      return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
  }
}

// The longer spellings first.
constexpr std::array<std::pair<std::string_view, TokenType>, 26> kOperators = {{
    {"//", TokenType::kFloorDiv},   {"**", TokenType::kPow},         {"==", TokenType::kEq},
    {"!=", TokenType::kNe},         {">=", TokenType::kGe},          {"<=", TokenType::kLe},
    {"+", TokenType::kAdd},         {"-", TokenType::kSub},          {"/", TokenType::kDiv},
    {"*", TokenType::kMul},         {"%", TokenType::kMod},          {"~", TokenType::kTilde},
    {"[", TokenType::kLeftBracket}, {"]", TokenType::kRightBracket}, {"(", TokenType::kLeftParen},
    {")", TokenType::kRightParen},  {"{", TokenType::kLeftBrace},    {"}", TokenType::kRightBrace},
    {">", TokenType::kGt},          {"<", TokenType::kLt},           {"=", TokenType::kAssign},
    {".", TokenType::kDot},         {":", TokenType::kColon},        {"|", TokenType::kPipe},
    {",", TokenType::kComma},       {";", TokenType::kSemicolon},
}};

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(source) {}

  Eval<std::vector<Token>> run() {
    while (at_ < source_.size()) TRY(data_and_tag());
    tokens_.push_back({TokenType::kEnd, line_, {}});
    return std::move(tokens_);
  }

 private:
  bool starts_with(std::string_view what) const { return source_.substr(at_).starts_with(what); }

  // Moves on to `end`, counting lines.
  void advance(std::size_t end) {
    line_ += static_cast<std::uint32_t>(
        std::count(source_.begin() + static_cast<std::ptrdiff_t>(at_),
                   source_.begin() + static_cast<std::ptrdiff_t>(end), '\n'));
    at_ = end;
  }
  void skip_space() { advance(source_.size() - strip_left(source_.substr(at_)).size()); }

  // Data up to a tag that begins with `sign`, less the white space that the tag takes.
  void push_data(std::size_t end, char sign, bool strips_line) {
    std::string_view text = source_.substr(at_, end - at_);
    if (sign == '-') {
      text = strip_right(text);
    } else if (sign != '+' && strips_line) {
      const std::size_t line_begin = text.rfind('\n') + 1;  // npos + 1 is 0
      if ((line_begin > 0 || line_starting_) && strip_left(text.substr(line_begin)).empty())
        text = text.substr(0, line_begin);
    }
    if (!text.empty()) tokens_.push_back({TokenType::kData, line_, text});
    advance(end);
  }

  // Whether a "{%" at `begin` opens a raw block; sets the end of that tag if so.
  bool raw_tag(std::size_t begin, std::string_view word, std::size_t* end) const {
    std::string_view rest = source_.substr(begin + 2);
    if (!rest.empty() && (rest[0] == '-' || rest[0] == '+')) rest.remove_prefix(1);
    rest = strip_left(rest);
    if (!rest.starts_with(word)) return false;
    rest = strip_left(rest.substr(word.size()));
    const bool strips = rest.starts_with("-%}");
    const bool keeps = word == "endraw" && rest.starts_with("+%}");
    if (!strips && !keeps && !rest.starts_with("%}")) return false;
    rest.remove_prefix(strips || keeps ? 3 : 2);
    if (strips) {
      rest = strip_left(rest);
    } else if (!keeps && word == "endraw" && rest.starts_with('\n')) {
      rest.remove_prefix(1);
    }
    *end = source_.size() - rest.size();
    return true;
  }

  Eval<void> data_and_tag() {
    std::size_t tag = at_;
    for (;; ++tag) {
      tag = source_.find('{', tag);
      if (tag == source_.npos || tag + 1 >= source_.size()) {
        tokens_.push_back({TokenType::kData, line_, source_.substr(at_)});
        advance(source_.size());
        return {};
      }
      const char kind = source_[tag + 1];
      if (kind == '{' || kind == '%' || kind == '#') break;
    }
    const char kind = source_[tag + 1];
    const char next = tag + 2 < source_.size() ? source_[tag + 2] : '\0';
    const char sign = next == '-' || next == '+' ? next : '\0';
    push_data(tag, sign, kind != '{');

    std::size_t end = 0;
    if (kind == '%' && raw_tag(tag, "raw", &end)) return raw(end);
    const std::uint32_t line = line_;
    advance(tag + 2 + (sign != '\0' ? 1 : 0));
    line_starting_ = false;
    if (kind == '#') return comment();
    tokens_.push_back({kind == '{' ? TokenType::kVariableBegin : TokenType::kBlockBegin, line, {}});
    return tag_body(kind == '{');
  }

  Eval<void> comment() {
    const std::size_t end = source_.find("#}", at_);
    if (end == source_.npos) return syntax_error(line_, "missing end of comment tag");
    const char sign = end > at_ ? source_[end - 1] : '\0';
    advance(end + 2);
    after_tag(sign, true);
    return {};
  }

  // White space behind a tag that ended with `sign` before its bracket.
  void after_tag(char sign, bool trims_newline) {
    line_starting_ = false;
    if (sign == '-') {
      const std::size_t before = at_;
      skip_space();
      line_starting_ = at_ > before && source_[at_ - 1] == '\n';
    } else if (sign != '+' && trims_newline && starts_with("\n")) {
      advance(at_ + 1);
      line_starting_ = true;
    }
  }

  Eval<void> raw(std::size_t begin) {
    const std::uint32_t line = line_;
    advance(begin);
    line_starting_ = begin > 0 && source_[begin - 1] == '\n';
    for (std::size_t tag = at_;; tag += 2) {
      tag = source_.find("{%", tag);
      if (tag == source_.npos) return syntax_error(line, "missing end of raw directive");
      std::size_t end = 0;
      if (!raw_tag(tag, "endraw", &end)) continue;
      const char next = tag + 2 < source_.size() ? source_[tag + 2] : '\0';
      push_data(tag, next == '-' || next == '+' ? next : '\0', true);
      advance(end);
      line_starting_ = source_[end - 1] == '\n';
      return {};
    }
  }

  // The tokens of one tag. Its end counts only outside of brackets.
  Eval<void> tag_body(bool variable) {
    brackets_.clear();
    while (at_ < source_.size()) {
      if (brackets_.empty()) {
        const std::string_view end = variable ? "}}" : "%}";
        const char sign = source_[at_];
        const bool signed_end =
            (sign == '-' || (sign == '+' && !variable)) && source_.substr(at_ + 1).starts_with(end);
        if (signed_end || starts_with(end)) {
          tokens_.push_back({variable ? TokenType::kVariableEnd : TokenType::kBlockEnd, line_, {}});
          advance(at_ + 2 + (signed_end ? 1 : 0));
          after_tag(signed_end ? sign : '\0', !variable);
          return {};
        }
      }
      TRY(code());
    }
    return {};  // the parser finds the tag unfinished
  }

  void push(TokenType type, std::size_t size) {
    tokens_.push_back({type, line_, source_.substr(at_, size)});
    advance(at_ + size);
  }

  Eval<void> code() {
    const char c = source_[at_];
    const DecodedChar next = decode_utf8(source_.substr(at_));
    if (is_space(next.codepoint)) {
      skip_space();
    } else if (is_digit(c)) {
      number();
    } else if (is_name_start(c) || static_cast<unsigned char>(c) >= 0x80) {
      TRY(name());
    } else if (c == '\'' || c == '"') {
      TRY(string());
    } else {
      TRY(op());
    }
    return {};
  }

  Eval<void> name() {
    std::size_t end = at_;
    while (end < source_.size()) {
      const DecodedChar next = decode_utf8(source_.substr(end));
      const bool wordlike =
          next.codepoint < 0x80
              ? is_name_start(source_[end]) || is_digit(source_[end])
              : is_letter(next.codepoint) || is_number(next.codepoint) || is_mark(next.codepoint);
      if (!wordlike) break;
      end += next.bytes;
    }
    if (end == at_ || is_mark(decode_utf8(source_.substr(at_)).codepoint)) return unexpected_char();
    push(TokenType::kName, end - at_);
    return {};
  }

  // Digits with single underscores between them, from `at`; the offset behind them.
  template <typename Predicate>
  std::size_t digits(std::size_t at, Predicate is_part) const {
    std::size_t end = at;
    while (end < source_.size()) {
      const std::size_t digit = end > at && source_[end] == '_' ? end + 1 : end;
      if (digit >= source_.size() || !is_part(source_[digit])) break;
      end = digit + 1;
    }
    return end;
  }

  void number() {
    if (const std::size_t end = float_end(); end > at_) return push(TokenType::kFloat, end - at_);
    std::size_t end = at_ + 1;
    if (source_[at_] == '0') {
      const char radix = end < source_.size() ? static_cast<char>(source_[end] | 0x20) : '\0';
      if (radix == 'b' || radix == 'o' || radix == 'x') {
        std::size_t first = end + 1;
        if (first < source_.size() && source_[first] == '_') ++first;
        const std::size_t last =
            digits(first, [radix](char c) { return is_radix_digit(c, radix); });
        if (last > first) return push(TokenType::kInteger, last - at_);
      }
      end = digits(at_, [](char c) { return c == '0'; });
    } else {
      end = digits(at_, is_digit);
    }
    push(TokenType::kInteger, end - at_);
  }

  // Where a float that begins here ends; the place itself if none does.
  std::size_t float_end() const {
    if (at_ > 0 && source_[at_ - 1] == '.') return at_;
    std::size_t end = digits(at_, is_digit);
    bool is_float = false;
    if (end + 1 < source_.size() && source_[end] == '.' && is_digit(source_[end + 1])) {
      end = digits(end + 1, is_digit);
      is_float = true;
    }
    if (end < source_.size() && (source_[end] == 'e' || source_[end] == 'E')) {
      std::size_t exponent = end + 1;
      if (exponent < source_.size() && (source_[exponent] == '+' || source_[exponent] == '-'))
        ++exponent;
      if (exponent < source_.size() && is_digit(source_[exponent]))
        return digits(exponent, is_digit);
    }
    return is_float ? end : at_;
  }

  Eval<void> string() {
    const char quote = source_[at_];
    std::size_t end = at_ + 1;
    for (; end < source_.size() && source_[end] != quote; ++end) {
      if (source_[end] == '\\') ++end;
    }
    if (end >= source_.size()) return syntax_error(line_, "a string that does not end");
    push(TokenType::kString, end + 1 - at_);
    return {};
  }

  Eval<void> op() {
    for (const auto& [spelling, type] : kOperators) {
      if (!starts_with(spelling)) continue;
      TRY(balance(spelling[0]));
      push(type, spelling.size());
      return {};
    }
    return unexpected_char();
  }

  Eval<void> balance(char bracket) {
    switch (bracket) {
      case '(':
        brackets_.push_back(')');
        break;
      case '[':
        brackets_.push_back(']');
        break;
      case '{':
        brackets_.push_back('}');
        break;
      case ')':
      case ']':
      case '}':
        if (brackets_.empty()) return syntax_error(line_, fmt::format("unexpected '{}'", bracket));
        if (brackets_.back() != bracket)
          return syntax_error(
              line_, fmt::format("unexpected '{}', expected '{}'", bracket, brackets_.back()));
        brackets_.pop_back();
        break;
      default:
        break;
    }
    return {};
  }

  Eval<void> unexpected_char() const {
    const DecodedChar next = decode_utf8(source_.substr(at_));
    return syntax_error(
        line_, fmt::format("unexpected character {}", quoted(source_.substr(at_, next.bytes))));
  }

  std::string_view source_;
  std::vector<Token> tokens_;
  std::string brackets_;  // the closing ones that are due
  std::size_t at_ = 0;
  std::uint32_t line_ = 1;
  bool line_starting_ = true;
};

}  // namespace

bool is_space(char32_t c) { return is_whitespace(c) || (c >= 0x1C && c <= 0x1F); }

std::string_view strip_left(std::string_view text) {
  while (!text.empty()) {
    const DecodedChar next = decode_utf8(text);
    if (!is_space(next.codepoint)) break;
    text.remove_prefix(next.bytes);
  }
  return text;
}

std::string_view strip_right(std::string_view text) {
  while (!text.empty()) {
    std::size_t begin = text.size() - 1;
    while (begin > 0 && (static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80) --begin;
    if (!is_space(decode_utf8(text.substr(begin)).codepoint)) break;
    text = text.substr(0, begin);
  }
  return text;
}

std::string normalize_source(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\r') {
      out += text[i];
    } else {
      out += '\n';
      if (i + 1 < text.size() && text[i + 1] == '\n') ++i;
    }
  }
  if (out.ends_with('\n')) out.pop_back();
  return out;
}

std::unexpected<std::unique_ptr<Error>> syntax_error(std::size_t line, std::string message,
                                                     std::string_view code) {
  const ErrorKind kind =
      code == "template_unsupported" ? ErrorKind::kUnsupported : ErrorKind::kMalformed;
  auto error = raise_error(kind, code, std::move(message));
  error.error()->where = fmt::format("template line {}", line);
  return error;
}

Eval<std::vector<Token>> tokenize(std::string_view normalized) { return Lexer(normalized).run(); }

}  // namespace bantam::jinja
