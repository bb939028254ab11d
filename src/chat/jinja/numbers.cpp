#include "chat/jinja/numbers.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "chat/jinja/lexer.h"

namespace bantam::jinja {
namespace {

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Without underscores, each of which has to stand between two digits or after a prefix.
std::optional<std::string> without_underscores(std::string_view text, bool after_prefix) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '_') {
      out += text[i];
      continue;
    }
    const bool before = i > 0 ? text[i - 1] != '_' && text[i - 1] != '.' : after_prefix;
    if (!before || i + 1 == text.size() || text[i + 1] == '_' || text[i + 1] == '.')
      return std::nullopt;
  }
  return out;
}

}  // namespace

std::optional<std::int64_t> parse_integer(std::string_view text, std::int64_t base) {
  text = strip_left(strip_right(text));
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  bool prefixed = false;
  if (text.size() > 2 && text[0] == '0') {
    const char letter = static_cast<char>(text[1] | 0x20);
    const std::int64_t named = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 0;
    if (named != 0 && (base == 0 || base == named)) {
      base = named;
      prefixed = true;
      text.remove_prefix(2);
    }
  }
  if (base == 0) base = 10;
  if (base < 2 || base > 36) return std::nullopt;
  const std::optional<std::string> digits = without_underscores(text, prefixed);
  if (!digits || digits->empty() || (*digits)[0] == '-') return std::nullopt;
  std::uint64_t magnitude = 0;
  const auto [end, error] = std::from_chars(digits->data(), digits->data() + digits->size(),
                                            magnitude, static_cast<int>(base));
  if (error != std::errc() || end != digits->data() + digits->size()) return std::nullopt;
  constexpr std::uint64_t kMax = 0x7FFF'FFFF'FFFF'FFFF;
  if (magnitude > kMax + (negative ? 1 : 0)) return std::nullopt;
  return static_cast<std::int64_t>(negative ? 0 - magnitude : magnitude);
}

std::optional<double> parse_float(std::string_view text) {
  text = strip_left(strip_right(text));
  const std::optional<std::string> clean = without_underscores(text, false);
  if (!clean || clean->empty()) return std::nullopt;
  std::string_view body = *clean;
  if (body[0] == '+' || body[0] == '-') body.remove_prefix(1);
  if (body.empty()) return std::nullopt;
  std::string word(body);
  for (char& c : word) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  const bool named = word == "inf" || word == "infinity" || word == "nan";
  // strtod would also take hexadecimal and nan(…).
  if (!named && (!(is_digit(body[0]) || body[0] == '.') ||
                 body.find_first_not_of("0123456789.eE+-") != body.npos))
    return std::nullopt;
  char* end = nullptr;
  const double value = std::strtod(clean->c_str(), &end);
  if (end != clean->c_str() + clean->size()) return std::nullopt;
  return value;
}

std::optional<std::int64_t> truncate_float(double value) {
  const double whole = std::trunc(value);
  if (!(whole >= -0x1p63 && whole < 0x1p63)) return std::nullopt;
  return static_cast<std::int64_t>(whole);
}

double round_float(double value, std::int64_t digits) {
  if (!std::isfinite(value)) return value;
  if (digits > 323) return value;
  if (digits < -308) return std::copysign(0.0, value);
  if (digits >= 0) {
    char buffer[700];
    std::snprintf(buffer, sizeof buffer, "%.*f", static_cast<int>(digits), value);
    return std::strtod(buffer, nullptr);
  }
  const double scale = std::pow(10.0, static_cast<double>(-digits));
  return std::nearbyint(value / scale) * scale;
}

}  // namespace bantam::jinja
