// int(), float() and round() as Python has them.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace bantam::jinja {

// int(text, base): white space around, a sign, single underscores, the prefix of the base. Nothing
// if it is no integer or does not fit.
std::optional<std::int64_t> parse_integer(std::string_view text, std::int64_t base);

// float(text): also "inf" and "nan".
std::optional<double> parse_float(std::string_view text);

// Toward zero; nothing if it does not fit.
std::optional<std::int64_t> truncate_float(double value);

// To `digits` decimals, ties to even, on the exact value of the double.
double round_float(double value, std::int64_t digits);

}  // namespace bantam::jinja
