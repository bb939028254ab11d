// The tests of "is".
#include <algorithm>

#include "base/unicode.h"
#include "chat/jinja/arguments.h"
#include "chat/jinja/casing.h"
#include "chat/jinja/filters.h"
#include "chat/jinja/functions.h"
#include "chat/jinja/objects.h"
#include "chat/jinja/operators.h"

namespace bantam::jinja {
namespace {

using Kind = Value::Kind;
using Predicate = bool (*)(const Value& value);

template <Predicate predicate>
Eval<Value> simple_test(Interpreter&, const Value& self, Arguments& arguments) {
  TRY(bind_arguments("test", arguments, {}));
  return Value(predicate(self));
}

bool is_defined(const Value& value) { return !value.is_undefined(); }
bool is_undefined(const Value& value) { return value.is_undefined(); }
bool is_none(const Value& value) { return value.is_none(); }
bool is_boolean(const Value& value) { return value.is_bool(); }
bool is_true(const Value& value) { return value.is_bool() && value.boolean(); }
bool is_false(const Value& value) { return value.is_bool() && !value.boolean(); }
bool is_integer(const Value& value) { return value.kind() == Kind::kInteger; }
bool is_float(const Value& value) { return value.kind() == Kind::kFloat; }
bool is_number(const Value& value) { return value.is_number(); }
bool is_string(const Value& value) { return value.is_string(); }
bool is_mapping(const Value& value) { return value.is_dict(); }
bool is_escaped(const Value& value) { return value.is_string() && value.text()->safe; }
bool is_sequence(const Value& value) {
  return value.is_string() || value.is_list() || value.is_dict() || value.is_undefined() ||
         (value.is_object() && value.object().indexable());
}
bool is_iterable(const Value& value) {
  return value.is_string() || value.is_list() || value.is_dict() || value.is_undefined() ||
         (value.is_object() && (value.object().iterable() || value.as<LoopObject>() != nullptr));
}
bool is_callable(const Value& value) {
  return value.is_undefined() || (value.is_object() && value.object().callable());
}

// str.islower() and isupper(): at least one letter that has case, and all of that case.
template <bool kUpper>
Eval<Value> case_test(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  TRY(bind_arguments("test", arguments, {}));
  const TextPtr text = TRY(interpreter.text_of(self));
  TRY(interpreter.budget().step(text->bytes.size() / 64));
  bool any = false;
  for (std::size_t at = 0; at < text->bytes.size();) {
    const DecodedChar next = decode_utf8(std::string_view(text->bytes).substr(at));
    if (is_cased(next.codepoint)) {
      if (is_upper(next.codepoint) != kUpper) return Value(false);
      any = true;
    }
    at += next.bytes;
  }
  return Value(any);
}

template <CompareOp op>
Eval<Value> compare_test(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  constexpr Parameters<1> kNames = {""};
  const auto bound = TRY(bind_arguments("test", arguments, kNames, 1));
  return Value(TRY(interpreter.compare_values(op, self, *bound[0])));
}

Eval<Value> in_test(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  constexpr Parameters<1> kNames = {"seq"};
  const auto bound = TRY(bind_arguments("in", arguments, kNames, 1));
  return Value(TRY(interpreter.compare_values(CompareOp::kIn, self, *bound[0])));
}

Eval<Value> sameas_test(Interpreter&, const Value& self, Arguments& arguments) {
  constexpr Parameters<1> kNames = {"other"};
  const auto bound = TRY(bind_arguments("sameas", arguments, kNames, 1));
  return Value(self.same_as(*bound[0]));
}

Eval<Value> remainder_is(Interpreter& interpreter, const Value& self, const Value& divisor,
                         std::int64_t wanted) {
  const Value rest = TRY(binary(interpreter.budget(), BinaryOp::kMod, self, divisor));
  return Value(equal(interpreter.budget(), rest, Value(wanted)));
}

Eval<Value> odd_test(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  TRY(bind_arguments("odd", arguments, {}));
  return remainder_is(interpreter, self, Value(std::int64_t{2}), 1);
}

Eval<Value> even_test(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  TRY(bind_arguments("even", arguments, {}));
  return remainder_is(interpreter, self, Value(std::int64_t{2}), 0);
}

Eval<Value> divisibleby_test(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  constexpr Parameters<1> kNames = {"num"};
  const auto bound = TRY(bind_arguments("divisibleby", arguments, kNames, 1));
  return remainder_is(interpreter, self, *bound[0], 0);
}

template <Function (*find)(std::string_view)>
Eval<Value> exists_test(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  TRY(bind_arguments("test", arguments, {}));
  TRY(interpreter.budget().step());
  if (!hashable(self)) return raise("unhashable type: '{}'", type_name(self));
  return Value(self.is_string() && find(self.bytes()) != nullptr);
}

constexpr NamedFunction kTests[] = {
    {"!=", compare_test<CompareOp::kNe>},
    {"<", compare_test<CompareOp::kLt>},
    {"<=", compare_test<CompareOp::kLe>},
    {"==", compare_test<CompareOp::kEq>},
    {">", compare_test<CompareOp::kGt>},
    {">=", compare_test<CompareOp::kGe>},
    {"boolean", simple_test<is_boolean>},
    {"callable", simple_test<is_callable>},
    {"defined", simple_test<is_defined>},
    {"divisibleby", divisibleby_test},
    {"eq", compare_test<CompareOp::kEq>},
    {"equalto", compare_test<CompareOp::kEq>},
    {"escaped", simple_test<is_escaped>},
    {"even", even_test},
    {"false", simple_test<is_false>},
    {"filter", exists_test<find_filter>},
    {"float", simple_test<is_float>},
    {"ge", compare_test<CompareOp::kGe>},
    {"greaterthan", compare_test<CompareOp::kGt>},
    {"gt", compare_test<CompareOp::kGt>},
    {"in", in_test},
    {"integer", simple_test<is_integer>},
    {"iterable", simple_test<is_iterable>},
    {"le", compare_test<CompareOp::kLe>},
    {"lessthan", compare_test<CompareOp::kLt>},
    {"lower", case_test<false>},
    {"lt", compare_test<CompareOp::kLt>},
    {"mapping", simple_test<is_mapping>},
    {"ne", compare_test<CompareOp::kNe>},
    {"none", simple_test<is_none>},
    {"number", simple_test<is_number>},
    {"odd", odd_test},
    {"sameas", sameas_test},
    {"sequence", simple_test<is_sequence>},
    {"string", simple_test<is_string>},
    {"test", exists_test<find_test>},
    {"true", simple_test<is_true>},
    {"undefined", simple_test<is_undefined>},
    {"upper", case_test<true>},
};

}  // namespace

std::span<const NamedFunction> test_functions() { return kTests; }

}  // namespace bantam::jinja
