// Python's three ways to format: "%s" % x, "{}".format(x), and strftime.
#pragma once

#include <ctime>
#include <string>
#include <string_view>

#include "chat/jinja/interpreter.h"
#include "chat/jinja/value.h"

namespace bantam::jinja {

// `arguments`: a tuple of several, a dict for %(name)s, or the only one.
Eval<Value> format_percent(Budget& budget, const Text& format, const Value& arguments);

Eval<Value> format_braces(Interpreter& interpreter, const Text& format, const Arguments& arguments);

// In the C locale. Directives that Python does not document are left as they stand.
std::string format_time(std::string_view format, const std::tm& time);

}  // namespace bantam::jinja
