// Python's operators.
#pragma once

#include <string_view>

#include "chat/jinja/ast.h"
#include "chat/jinja/value.h"

namespace bantam::jinja {

Eval<Value> binary(Budget& budget, BinaryOp op, const Value& a, const Value& b);
Eval<Value> sign(const Value& value, bool negate);
Eval<bool> compare(Budget& budget, CompareOp op, const Value& a, const Value& b);

// Offset of the first or last occurrence; npos if there is none. Linear in the text.
std::size_t find_first(std::string_view text, std::string_view what, std::size_t from = 0);
std::size_t find_last(std::string_view text, std::string_view what);

// Python's int ** int and friends, and // and % with their signs. Divisor not zero.
std::int64_t floor_div(std::int64_t a, std::int64_t b);
std::int64_t floor_mod(std::int64_t a, std::int64_t b);

// `text` `count` times.
Eval<TextPtr> repeat(Budget& budget, const Text& text, std::int64_t count);

}  // namespace bantam::jinja
