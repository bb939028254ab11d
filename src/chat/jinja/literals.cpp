#include "chat/jinja/literals.h"

#include <charconv>
#include <cstdlib>

#include "base/unicode.h"

namespace bantam::jinja {
namespace {

std::string without_underscores(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c != '_') out += c;
  }
  return out;
}

// A code point written as exactly `count` hexadecimal digits at the start of `rest`.
Eval<char32_t> hex_escape(std::string_view* rest, std::size_t count, std::size_t line) {
  std::uint32_t code = 0;
  const std::string_view digits = rest->substr(0, count);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), code, 16);
  if (error != std::errc() || digits.size() != count || end != digits.data() + count)
    return syntax_error(line, "truncated escape in a string");
  if (code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF))
    return syntax_error(line, "escape of no Unicode character in a string");
  rest->remove_prefix(count);
  return static_cast<char32_t>(code);
}

char32_t octal_escape(std::string_view* rest) {
  char32_t code = 0;
  for (int i = 0; i < 3 && !rest->empty() && rest->front() >= '0' && rest->front() <= '7'; ++i) {
    code = code * 8 + static_cast<char32_t>(rest->front() - '0');
    rest->remove_prefix(1);
  }
  return code;
}

// Reads what follows a backslash.
Eval<void> append_escape(std::string& out, std::string_view* rest, std::size_t line) {
  const char c = rest->front();
  if (c >= '0' && c <= '7') {
    append_utf8(out, octal_escape(rest));
    return {};
  }
  rest->remove_prefix(1);
  switch (c) {
    case '\n':
      break;  // a line that goes on
    case '\\':
    case '\'':
    case '"':
      out += c;
      break;
    case 'a':
      out += '\a';
      break;
    case 'b':
      out += '\b';
      break;
    case 'f':
      out += '\f';
      break;
    case 'n':
      out += '\n';
      break;
    case 'r':
      out += '\r';
      break;
    case 't':
      out += '\t';
      break;
    case 'v':
      out += '\v';
      break;
    case 'x':
      append_utf8(out, TRY(hex_escape(rest, 2, line)));
      break;
    case 'u':
      append_utf8(out, TRY(hex_escape(rest, 4, line)));
      break;
    case 'U':
      append_utf8(out, TRY(hex_escape(rest, 8, line)));
      break;
    case 'N':
      return syntax_error(line, "\\N{…} in a string: use \\u and the number",
                          "template_unsupported");
    default:  // Python leaves an unknown escape as it is
      out += '\\';
      out += c;
  }
  return {};
}

}  // namespace

Eval<Value> integer_literal(const Token& token) {
  const std::string digits = without_underscores(token.text);
  int base = 10;
  std::size_t skip = 0;
  if (digits.size() > 2 && digits[0] == '0') {
    const char radix = static_cast<char>(digits[1] | 0x20);
    if (radix == 'x') base = 16;
    if (radix == 'o') base = 8;
    if (radix == 'b') base = 2;
    if (base != 10) skip = 2;
  }
  std::int64_t value = 0;
  const char* end = digits.data() + digits.size();
  const auto [parsed, error] = std::from_chars(digits.data() + skip, end, value, base);
  if (error != std::errc() || parsed != end)
    return syntax_error(token.line,
                        fmt::format("integer {} does not fit in 64 bits", quoted(token.text)));
  return Value(value);
}

Eval<Value> float_literal(const Token& token) {
  return Value(std::strtod(without_underscores(token.text).c_str(), nullptr));
}

Eval<std::string> string_literal(const Token& token) {
  std::string_view rest = token.text.substr(1, token.text.size() - 2);
  std::string out;
  while (!rest.empty()) {
    const std::size_t plain = std::min(rest.find('\\'), rest.size());
    out += rest.substr(0, plain);
    rest.remove_prefix(plain);
    if (rest.empty()) break;
    rest.remove_prefix(1);
    if (rest.empty()) return syntax_error(token.line, "a string that ends in a backslash");
    TRY(append_escape(out, &rest, token.line));
  }
  return out;
}

}  // namespace bantam::jinja
