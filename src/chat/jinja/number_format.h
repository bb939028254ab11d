// Numbers as both kinds of format write them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "chat/jinja/budget.h"
#include "chat/jinja/text.h"

namespace bantam::jinja {

// Precision and width beyond this are refused: no text needs them, and they are cheap to ask for.
inline constexpr std::int64_t kMaxPrecision = 1000;

struct NumberFormat {
  char type = '\0';  // d b o x X e E f F g G %; none: as it prints
  std::optional<int> precision;
  bool alternate = false;  // "#"
  char sign = '-';         // '+', ' ' or '-'
  char group = '\0';       // ',' or '_'
};

// Sign (and "0x") in `prefix`, the rest in `digits`, so that zeros can go between them.
struct FormattedNumber {
  std::string prefix, digits;
};

FormattedNumber format_integer(std::int64_t value, const NumberFormat& format);
FormattedNumber format_float(double value, const NumberFormat& format);

struct Padding {
  std::string fill = " ";  // one character
  char align = '<';        // < > ^
  std::int64_t width = 0;  // in characters
};

// `text` with fill around it.
void append_padded(TextBuilder& out, const Text& text, const Padding& padding);

// As str.center() does, which puts the odd space elsewhere than a format does.
void append_centered(TextBuilder& out, const Text& text, std::int64_t width, std::string_view fill);

}  // namespace bantam::jinja
