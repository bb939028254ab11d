// The tables of filters, tests, methods and global functions. Pure data; any thread.
#pragma once

#include <string_view>

#include "chat/jinja/ast.h"

namespace bantam::jinja {

// Null if there is none of that name.
Function find_filter(std::string_view name);
Function find_test(std::string_view name);
Function find_global(std::string_view name);

// A method of strings, lists, tuples, dicts and numbers. Null if the type has none of that name.
Function find_method(const Value& receiver, std::string_view name);

// Whether Python has a method of that name that would change the receiver, which a template may
// not do.
bool is_mutating_method(const Value& receiver, std::string_view name);

}  // namespace bantam::jinja
