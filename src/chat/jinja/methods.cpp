// Methods of lists, tuples, dicts and numbers. (Those of strings are in string_methods.cpp.)
#include <cmath>

#include "chat/jinja/arguments.h"
#include "chat/jinja/filters.h"
#include "chat/jinja/objects.h"

namespace bantam::jinja {
namespace {

Eval<Value> dict_get(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  constexpr Parameters<2> kNames = {"", ""};
  const auto bound = TRY(bind_arguments("get", arguments, kNames, 1));
  if (!hashable(*bound[0])) return raise("unhashable type: '{}'", type_name(*bound[0]));
  if (const Value* value = self.dict().find(interpreter.budget(), *bound[0])) return *value;
  return bound[1] == nullptr ? Value() : *bound[1];
}

template <DictView::Part part>
Eval<Value> dict_view(Interpreter&, const Value& self, Arguments& arguments) {
  TRY(bind_arguments("view", arguments, {}));
  auto view = std::make_shared<DictView>();
  view->part = part;
  view->dict = self;
  return Value(std::shared_ptr<Object>(std::move(view)));
}

// Nothing that a template can do tells a copy from the original.
Eval<Value> copy(Interpreter&, const Value& self, Arguments& arguments) {
  TRY(bind_arguments("copy", arguments, {}));
  return self;
}

Eval<Value> list_count(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  constexpr Parameters<1> kNames = {""};
  const auto bound = TRY(bind_arguments("count", arguments, kNames, 1));
  std::size_t count = 0;
  for (const Value& item : self.list().items) {
    TRY(interpreter.budget().step());
    if (equal(interpreter.budget(), item, *bound[0])) ++count;
  }
  return Value::size(count);
}

Eval<Value> list_index(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  constexpr Parameters<1> kNames = {""};
  const auto bound = TRY(bind_arguments("index", arguments, kNames, 1));
  for (std::size_t i = 0; i < self.list().items.size(); ++i) {
    TRY(interpreter.budget().step());
    if (equal(interpreter.budget(), self.list().items[i], *bound[0])) return Value::size(i);
  }
  return raise("the value is not in the {}", type_name(self));
}

Eval<Value> float_is_integer(Interpreter&, const Value& self, Arguments& arguments) {
  TRY(bind_arguments("is_integer", arguments, {}));
  return Value(std::trunc(self.number()) == self.number());
}

constexpr NamedFunction kDictMethods[] = {
    {"copy", copy},
    {"get", dict_get},
    {"items", dict_view<DictView::Part::kItems>},
    {"keys", dict_view<DictView::Part::kKeys>},
    {"values", dict_view<DictView::Part::kValues>},
};
constexpr NamedFunction kListMethods[] = {
    {"copy", copy}, {"count", list_count}, {"index", list_index}};
constexpr NamedFunction kTupleMethods[] = {{"count", list_count}, {"index", list_index}};
constexpr NamedFunction kFloatMethods[] = {{"is_integer", float_is_integer}};

}  // namespace

std::span<const NamedFunction> container_methods(const Value& receiver) {
  switch (receiver.kind()) {
    case Value::Kind::kDict:
      return kDictMethods;
    case Value::Kind::kList:
      return receiver.list().tuple ? std::span<const NamedFunction>(kTupleMethods) : kListMethods;
    case Value::Kind::kFloat:
      return kFloatMethods;
    default:
      return {};
  }
}

}  // namespace bantam::jinja
