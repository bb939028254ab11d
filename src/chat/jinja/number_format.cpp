#include "chat/jinja/number_format.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "chat/jinja/print.h"

namespace bantam::jinja {
namespace {

std::string sign_of(bool negative, char sign) {
  if (negative) return "-";
  return sign == '-' ? std::string() : std::string(1, sign);
}

// 1234567 as 1,234,567; a fraction or exponent stays as it is.
std::string grouped(const std::string& digits, char separator, std::size_t size) {
  if (separator == '\0') return digits;
  const std::size_t whole = std::min(digits.find_first_of(".eE"), digits.size());
  std::string out;
  for (std::size_t i = 0; i < whole; ++i) {
    if (i > 0 && (whole - i) % size == 0) out += separator;
    out += digits[i];
  }
  return out + digits.substr(whole);
}

std::string in_base(std::uint64_t value, unsigned base, bool upper) {
  std::string digits;
  do {
    const auto digit = static_cast<char>(value % base);
    digits += static_cast<char>(digit < 10 ? '0' + digit : (upper ? 'A' : 'a') + digit - 10);
    value /= base;
  } while (value != 0);
  std::reverse(digits.begin(), digits.end());
  return digits;
}

std::string print_float(double value, char type, int precision, bool alternate) {
  char buffer[1500];  // the largest double has 309 digits before the point
  const char pattern[] = {'%', '#', '.', '*', type, '\0'};
  const char plain[] = {'%', '.', '*', type, '\0'};
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wformat-nonliteral"
  const int size =
      std::snprintf(buffer, sizeof buffer, alternate ? pattern : plain, precision, value);
#pragma clang diagnostic pop
  return std::string(buffer, std::min(static_cast<std::size_t>(size), sizeof buffer - 1));
}

}  // namespace

FormattedNumber format_integer(std::int64_t value, const NumberFormat& format) {
  unsigned base = 10;
  std::string prefix;
  switch (format.type) {
    case 'b':
      base = 2;
      prefix = "0b";
      break;
    case 'o':
      base = 8;
      prefix = "0o";
      break;
    case 'x':
      base = 16;
      prefix = "0x";
      break;
    case 'X':
      base = 16;
      prefix = "0X";
      break;
    default:
      break;
  }
  const std::uint64_t magnitude =
      value < 0 ? 0 - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value);
  std::string digits = in_base(magnitude, base, format.type == 'X');
  return {sign_of(value < 0, format.sign) + (format.alternate ? prefix : std::string()),
          grouped(digits, format.group, base == 10 ? 3 : 4)};
}

FormattedNumber format_float(double value, const NumberFormat& format) {
  const std::string sign = sign_of(std::signbit(value) && !std::isnan(value), format.sign);
  const double magnitude = std::fabs(value);
  const bool upper = format.type == 'E' || format.type == 'F' || format.type == 'G';
  if (std::isnan(value)) return {sign, upper ? "NAN" : "nan"};
  if (std::isinf(value)) return {sign, upper ? "INF" : "inf"};
  std::string digits;
  if (format.type == '\0' && !format.precision) {
    digits = float_repr(magnitude);
  } else if (format.type == '\0') {
    digits = print_float(magnitude, 'g', std::max(*format.precision, 1), false);
    if (digits.find_first_of(".e") == digits.npos) digits += ".0";
  } else if (format.type == '%') {
    digits =
        print_float(magnitude * 100, 'f', format.precision.value_or(6), format.alternate) + "%";
  } else {
    const char type = format.type == 'n' ? 'g' : format.type;
    digits = print_float(magnitude, type, format.precision.value_or(6), format.alternate);
  }
  return {sign, grouped(digits, format.group, 3)};
}

namespace {

void append_fill(TextBuilder& out, std::string_view fill, std::int64_t count) {
  if (fill.size() == 1) return out.fill(fill[0], static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count && !out.over_limit(); ++i) out.append(fill);
}

void append_between(TextBuilder& out, const Text& text, std::string_view fill, std::int64_t before,
                    std::int64_t after) {
  append_fill(out, fill, before);
  out.append(text);
  append_fill(out, fill, after);
}

}  // namespace

void append_padded(TextBuilder& out, const Text& text, const Padding& padding) {
  const std::int64_t missing =
      std::max<std::int64_t>(padding.width - static_cast<std::int64_t>(text.characters), 0);
  const std::int64_t before = padding.align == '<'   ? 0
                              : padding.align == '>' ? missing
                                                     : missing / 2;
  append_between(out, text, padding.fill, before, missing - before);
}

void append_centered(TextBuilder& out, const Text& text, std::int64_t width,
                     std::string_view fill) {
  const std::int64_t missing =
      std::max<std::int64_t>(width - static_cast<std::int64_t>(text.characters), 0);
  const std::int64_t before = missing / 2 + (missing & width & 1);
  append_between(out, text, fill, before, missing - before);
}

}  // namespace bantam::jinja
