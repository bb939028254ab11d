// Reading the arguments of filters, tests, methods and functions.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "chat/jinja/interpreter.h"

namespace bantam::jinja {

template <std::size_t N>
using Parameters = std::array<std::string_view, N>;

// An int, or `otherwise` if it was not given.
inline Eval<std::int64_t> integer_or(const Value* value, std::int64_t otherwise,
                                     std::string_view function) {
  if (value == nullptr) return otherwise;
  if (value->is_undefined()) return raise("{}", value->undefined_message());
  if (!value->is_integral())
    return raise("{}() wants an int, not '{}'", function, type_name(*value));
  return value->integer();
}

inline bool boolean_or(const Value* value, bool otherwise) {
  return value == nullptr ? otherwise : truthy(*value);
}

// Null for None and what was not given.
inline const Value* given(const Value* value) {
  return value == nullptr || value->is_none() ? nullptr : value;
}

inline Eval<TextPtr> string_argument(const Value& value, std::string_view function) {
  if (value.is_undefined()) return raise("{}", value.undefined_message());
  if (!value.is_string())
    return raise("{}() argument must be str, not {}", function, type_name(value));
  return value.text();
}

}  // namespace bantam::jinja
