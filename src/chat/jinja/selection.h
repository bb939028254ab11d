// Attributes by dotted path, as the filters that take attribute=… understand it.
#pragma once

#include <vector>

#include "chat/jinja/interpreter.h"

namespace bantam::jinja {

class AttributePath {
 public:
  // "a.b.0": names and indices; any other value is one key; null is the item itself.
  static Eval<AttributePath> parse(Budget& budget, const Value* attribute);
  // Several, separated by commas.
  static Eval<std::vector<AttributePath>> parse_list(Budget& budget, const Value* attribute);

  // `otherwise`, if not null, stands in for what is undefined on the way.
  Eval<Value> get(Interpreter& interpreter, Value item, const Value* otherwise = nullptr) const;

 private:
  std::vector<Value> parts_;
};

// What to sort or compare by: lower case for a string unless `case_sensitive`.
Eval<Value> sort_key(Interpreter& interpreter, const Value& value, bool case_sensitive);

}  // namespace bantam::jinja
