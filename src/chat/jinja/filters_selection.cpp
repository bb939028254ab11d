// Filters that pick items or parts of items: map, select, groupby and their like.
#include <algorithm>

#include "chat/jinja/arguments.h"
#include "chat/jinja/filters.h"
#include "chat/jinja/numbers.h"
#include "chat/jinja/objects.h"
#include "chat/jinja/selection.h"
#include "chat/jinja/text_functions.h"

namespace bantam::jinja {
namespace {

Eval<Value> map_filter(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  Budget& budget = interpreter.budget();
  if (!truthy(self)) return make_iterator(interpreter, {});
  std::vector<Value> mapped;
  const auto named_attribute =
      std::find_if(arguments.named.begin(), arguments.named.end(),
                   [](const auto& entry) { return entry.first == "attribute"; });
  if (arguments.positional.empty() && named_attribute != arguments.named.end()) {
    constexpr Parameters<2> kNames = {"attribute", "default"};
    const auto bound = TRY(bind_arguments("map", arguments, kNames));
    const AttributePath path = TRY(AttributePath::parse(budget, given(bound[0])));
    const ListPtr all = TRY(interpreter.iterate(self));
    for (const Value& item : all->items)
      mapped.push_back(TRY(path.get(interpreter, item, given(bound[1]))));
    return make_iterator(interpreter, std::move(mapped));
  }
  if (arguments.positional.empty()) return raise("map requires a filter argument");
  const TextPtr name = TRY(string_argument(arguments.positional[0], "map"));
  arguments.positional.erase(arguments.positional.begin());
  const ListPtr all = TRY(interpreter.iterate(self));
  for (const Value& item : all->items) {
    Arguments copy = arguments;
    mapped.push_back(TRY(interpreter.apply_filter(name->bytes, item, copy)));
  }
  return make_iterator(interpreter, std::move(mapped));
}

template <bool kSelect, bool kByAttribute>
Eval<Value> select_filter(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  if (!truthy(self)) return make_iterator(interpreter, {});
  AttributePath path;
  if (kByAttribute) {
    if (arguments.positional.empty()) return raise("missing parameter for attribute name");
    path = TRY(AttributePath::parse(interpreter.budget(), given(&arguments.positional[0])));
    arguments.positional.erase(arguments.positional.begin());
  }
  TextPtr test;
  if (!arguments.positional.empty()) {
    test = TRY(string_argument(arguments.positional[0], "select"));
    arguments.positional.erase(arguments.positional.begin());
  }
  std::vector<Value> kept;
  const ListPtr all = TRY(interpreter.iterate(self));
  for (const Value& item : all->items) {
    TRY(interpreter.budget().step());
    const Value value = TRY(path.get(interpreter, item));
    bool passes = truthy(value);
    if (test != nullptr) {
      Arguments copy = arguments;
      passes = TRY(interpreter.apply_test(test->bytes, value, copy));
    }
    if (passes == kSelect) kept.push_back(item);
  }
  return make_iterator(interpreter, std::move(kept));
}

Eval<Value> groupby_filter(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  constexpr Parameters<3> kNames = {"attribute", "default", "case_sensitive"};
  const auto bound = TRY(bind_arguments("groupby", arguments, kNames, 1));
  Budget& budget = interpreter.budget();
  const AttributePath path = TRY(AttributePath::parse(budget, given(bound[0])));
  const Value* otherwise = given(bound[1]);
  std::vector<Value> items = TRY(interpreter.iterate(self))->items, keys;
  for (const Value& item : items)
    keys.push_back(TRY(sort_key(interpreter, TRY(path.get(interpreter, item, otherwise)),
                                boolean_or(bound[2], false))));
  TRY(sort_by(budget, keys, items, false));
  std::vector<Value> groups;
  for (std::size_t begin = 0; begin < items.size();) {
    std::size_t end = begin + 1;
    while (end < items.size() && equal(budget, keys[begin], keys[end])) ++end;
    TRY(budget.allocate(sizeof(List)));
    auto group = std::make_shared<List>();
    group->tuple = group->group = true;
    group->items.push_back(TRY(path.get(interpreter, items[begin], otherwise)));
    group->items.push_back(TRY(
        interpreter.list_of(std::vector<Value>(items.begin() + static_cast<std::ptrdiff_t>(begin),
                                               items.begin() + static_cast<std::ptrdiff_t>(end)))));
    group->depth = std::max(group->items[0].depth(), group->items[1].depth()) + 1;
    groups.emplace_back(ListPtr(std::move(group)));
    begin = end;
  }
  return interpreter.list_of(std::move(groups));
}

Eval<Value> attr_filter(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  constexpr Parameters<1> kNames = {"name"};
  const auto bound = TRY(bind_arguments("attr", arguments, kNames, 1));
  const TextPtr name = TRY(string_argument(*bound[0], "attr"));
  // An attribute only, never an item of that name.
  if (self.is_dict() && !TRY(interpreter.get_attribute(self, name->bytes)).is_object())
    return Value::undefined(
        fmt::format("'{} object' has no attribute {}", type_name(self), quoted(name->bytes)));
  return interpreter.get_attribute(self, name->bytes);
}

constexpr NamedFunction kFilters[] = {
    {"attr", attr_filter},
    {"groupby", groupby_filter},
    {"map", map_filter},
    {"reject", select_filter<false, false>},
    {"rejectattr", select_filter<false, true>},
    {"select", select_filter<true, false>},
    {"selectattr", select_filter<true, true>},
};

}  // namespace

std::span<const NamedFunction> selection_filters() { return kFilters; }

Eval<AttributePath> AttributePath::parse(Budget& budget, const Value* attribute) {
  AttributePath path;
  if (attribute == nullptr) return path;
  if (!attribute->is_string()) {
    path.parts_.push_back(*attribute);
    return path;
  }
  const TextPtr dot = make_text(".");
  for (Value& part : TRY(split(budget, *attribute->text(), dot.get(), -1, false))) {
    const std::string_view bytes = part.bytes();
    const bool digits = !bytes.empty() && bytes.find_first_not_of("0123456789") == bytes.npos;
    const std::optional<std::int64_t> index = digits ? parse_integer(bytes, 10) : std::nullopt;
    path.parts_.push_back(index ? Value(*index) : std::move(part));
  }
  return path;
}

Eval<std::vector<AttributePath>> AttributePath::parse_list(Budget& budget, const Value* attribute) {
  std::vector<AttributePath> paths;
  if (attribute == nullptr || !attribute->is_string()) {
    paths.push_back(TRY(parse(budget, attribute)));
    return paths;
  }
  const TextPtr comma = make_text(",");
  for (const Value& part : TRY(split(budget, *attribute->text(), comma.get(), -1, false)))
    paths.push_back(TRY(parse(budget, &part)));
  return paths;
}

Eval<Value> AttributePath::get(Interpreter& interpreter, Value item, const Value* otherwise) const {
  for (const Value& part : parts_) {
    TRY(interpreter.budget().step());
    item = TRY(interpreter.get_item(item, part));
    if (item.is_undefined() && otherwise != nullptr) item = *otherwise;
  }
  return item;
}

Eval<Value> sort_key(Interpreter& interpreter, const Value& value, bool case_sensitive) {
  TRY(interpreter.budget().step());
  if (case_sensitive || !value.is_string()) return value;
  return Value(TRY(lower(interpreter.budget(), *value.text())));
}

}  // namespace bantam::jinja
