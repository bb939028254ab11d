// What numbers and strings in a template's text stand for.
#pragma once

#include "chat/jinja/lexer.h"
#include "chat/jinja/value.h"

namespace bantam::jinja {

Eval<Value> integer_literal(const Token& token);
Eval<Value> float_literal(const Token& token);
// The text of a kString token, quotes and escapes undone.
Eval<std::string> string_literal(const Token& token);

}  // namespace bantam::jinja
