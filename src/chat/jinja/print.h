// Values as text: Python's str() and repr(), and JSON as json.dumps writes it.
#pragma once

#include <string>
#include <string_view>

#include "chat/jinja/text.h"
#include "chat/jinja/value.h"

namespace bantam::jinja {

// "0.1", "1e+16", "nan": the shortest digits that read back the same.
std::string float_repr(double value);

// str(): a string as it is, everything else as repr() has it; Undefined is nothing.
Eval<void> append_str(Budget& budget, TextBuilder& out, const Value& value);
Eval<void> append_repr(Budget& budget, TextBuilder& out, const Value& value);
// The string itself if it is one, else what append_str makes of it.
Eval<TextPtr> to_text(Budget& budget, const Value& value);

struct JsonOptions {
  bool ascii = false, sort_keys = false;
  bool indented = false;
  std::string indent;  // of one level
  TextPtr item_separator, key_separator;
};

// Fails on what JSON cannot say.
Eval<void> append_json(Budget& budget, TextBuilder& out, const Value& value,
                       const JsonOptions& options);

}  // namespace bantam::jinja
