// Tokens to a Program. Recursive descent with a limit on nesting, so that 100,000 brackets are an
// error and not a stack overflow.
#pragma once

#include <memory>
#include <string_view>

#include "chat/jinja/ast.h"

namespace bantam::jinja {

// `source` as normalize_source left it. Errors: "template_syntax", "template_unsupported" (a tag
// that loads another template), "template_depth", with the line.
Eval<std::unique_ptr<const Program>> parse_program(std::string_view source);

}  // namespace bantam::jinja
