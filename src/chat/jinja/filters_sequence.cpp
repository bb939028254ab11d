// Filters that look at, order and combine the items of a sequence.
#include <algorithm>
#include <set>

#include "chat/jinja/arguments.h"
#include "chat/jinja/filters.h"
#include "chat/jinja/objects.h"
#include "chat/jinja/operators.h"
#include "chat/jinja/print.h"
#include "chat/jinja/selection.h"
#include "chat/jinja/text_functions.h"

namespace bantam::jinja {
namespace {

Eval<Value> length_filter(Interpreter&, const Value& self, Arguments& arguments) {
  TRY(bind_arguments("length", arguments, {}));
  switch (self.kind()) {
    case Value::Kind::kUndefined:
      return Value(std::int64_t{0});
    case Value::Kind::kString:
      return Value::size(self.text()->characters);
    case Value::Kind::kList:
      return Value::size(self.list().items.size());
    case Value::Kind::kDict:
      return Value::size(self.dict().size());
    case Value::Kind::kObject:
      if (const auto length = self.object().length()) return Value::size(*length);
      [[fallthrough]];
    default:
      return raise("object of type '{}' has no len()", type_name(self));
  }
}

Eval<Value> default_filter(Interpreter&, const Value& self, Arguments& arguments) {
  constexpr Parameters<2> kNames = {"default_value", "boolean"};
  const auto bound = TRY(bind_arguments("default", arguments, kNames));
  if (!self.is_undefined() && !(boolean_or(bound[1], false) && !truthy(self))) return self;
  return bound[0] == nullptr ? Value::literal("") : *bound[0];
}

Eval<Value> first_filter(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  TRY(bind_arguments("first", arguments, {}));
  const Value none = Value::undefined("no first item, sequence was empty");
  if (auto* iterator = self.as<IteratorObject>()) return iterator->take().value_or(none);
  if (self.is_string()) {  // without taking all of it apart
    if (self.bytes().empty()) return none;
    return Value(
        TRY(substring(interpreter.budget(), *self.text(), 0, byte_offset(*self.text(), 1))));
  }
  const ListPtr items = TRY(interpreter.iterate(self));
  return items->items.empty() ? none : items->items.front();
}

bool is_reversible(const Value& value) {
  return !value.is_object() || value.object().indexable() || value.as<DictView>() != nullptr;
}

Eval<Value> last_filter(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  TRY(bind_arguments("last", arguments, {}));
  if (!is_reversible(self)) return raise("'{}' object is not reversible", type_name(self));
  const Value none = Value::undefined("no last item, sequence was empty");
  if (self.is_string()) {
    const Value last = TRY(interpreter.get_item(self, Value(std::int64_t{-1})));
    return last.is_undefined() ? none : last;
  }
  const ListPtr items = TRY(interpreter.iterate(self));
  return items->items.empty() ? none : items->items.back();
}

Eval<Value> list_filter(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  TRY(bind_arguments("list", arguments, {}));
  const ListPtr items = TRY(interpreter.iterate(self));
  if (!items->tuple) return Value(items);
  return interpreter.list_of(items->items);
}

Eval<Value> reverse_filter(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  TRY(bind_arguments("reverse", arguments, {}));
  if (self.is_string())
    return interpreter.get_slice(self, Value(), Value(), Value(std::int64_t{-1}));
  std::vector<Value> items = TRY(interpreter.iterate(self))->items;
  std::reverse(items.begin(), items.end());
  if (!is_reversible(self)) return interpreter.list_of(std::move(items));
  return make_iterator(interpreter, std::move(items),
                       self.is_list() && !self.list().tuple ? "list_reverseiterator" : "reversed");
}

Eval<Value> join_filter(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  constexpr Parameters<2> kNames = {"d", "attribute"};
  const auto bound = TRY(bind_arguments("join", arguments, kNames));
  Budget& budget = interpreter.budget();
  const TextPtr separator =
      bound[0] == nullptr ? make_text("") : TRY(interpreter.text_of(*bound[0]));
  const AttributePath path = TRY(AttributePath::parse(budget, given(bound[1])));
  const ListPtr items = TRY(interpreter.iterate(self));
  TextBuilder out(budget);
  for (std::size_t i = 0; i < items->items.size(); ++i) {
    TRY(budget.step());
    if (i > 0) out.append(*separator);
    TRY(append_str(budget, out, TRY(path.get(interpreter, items->items[i]))));
  }
  return Value(TRY(out.finish()));
}

Eval<Value> sort_filter(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  constexpr Parameters<3> kNames = {"reverse", "case_sensitive", "attribute"};
  const auto bound = TRY(bind_arguments("sort", arguments, kNames));
  const bool case_sensitive = boolean_or(bound[1], false);
  const auto paths = TRY(AttributePath::parse_list(interpreter.budget(), given(bound[2])));
  std::vector<Value> items = TRY(interpreter.iterate(self))->items, keys;
  for (const Value& item : items) {
    std::vector<Value> key;
    for (const AttributePath& path : paths)
      key.push_back(TRY(sort_key(interpreter, TRY(path.get(interpreter, item)), case_sensitive)));
    keys.push_back(TRY(interpreter.list_of(std::move(key))));
  }
  TRY(sort_by(interpreter.budget(), keys, items, boolean_or(bound[0], false)));
  return interpreter.list_of(std::move(items));
}

Eval<Value> dictsort_filter(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  constexpr Parameters<3> kNames = {"case_sensitive", "by", "reverse"};
  const auto bound = TRY(bind_arguments("dictsort", arguments, kNames));
  const TextPtr by_text =
      bound[1] == nullptr ? make_text("key") : TRY(string_argument(*bound[1], "dictsort"));
  const std::string_view by = by_text->bytes;
  if (by != "key" && by != "value")
    return raise("you can only sort by either \"key\" or \"value\"");
  if (self.is_undefined()) return raise("{}", self.undefined_message());
  if (!self.is_dict()) return raise("'{}' object has no attribute 'items'", type_name(self));
  std::vector<Value> keys, pairs;
  for (const auto& [key, value] : self.dict().entries()) {
    TRY(interpreter.budget().allocate(sizeof(List)));
    keys.push_back(
        TRY(sort_key(interpreter, by == "key" ? key : value, boolean_or(bound[0], false))));
    pairs.push_back(make_pair(key, value));
  }
  TRY(sort_by(interpreter.budget(), keys, pairs, boolean_or(bound[2], false)));
  return interpreter.list_of(std::move(pairs));
}

template <bool kMax>
Eval<Value> extreme_filter(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  constexpr Parameters<2> kNames = {"case_sensitive", "attribute"};
  const auto bound = TRY(bind_arguments(kMax ? "max" : "min", arguments, kNames));
  const bool case_sensitive = boolean_or(bound[0], false);
  const auto path = TRY(AttributePath::parse(interpreter.budget(), given(bound[1])));
  const ListPtr items = TRY(interpreter.iterate(self));
  if (items->items.empty()) return Value::undefined("no aggregated item, sequence was empty");
  const Value* best = nullptr;
  Value best_key;
  for (const Value& item : items->items) {
    Value key = TRY(sort_key(interpreter, TRY(path.get(interpreter, item)), case_sensitive));
    const bool better =
        best == nullptr || (kMax ? TRY(less(interpreter.budget(), best_key, key, ">"))
                                 : TRY(less(interpreter.budget(), key, best_key)));
    if (!better) continue;
    best = &item;
    best_key = std::move(key);
  }
  return *best;
}

Eval<Value> unique_filter(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  constexpr Parameters<2> kNames = {"case_sensitive", "attribute"};
  const auto bound = TRY(bind_arguments("unique", arguments, kNames));
  Budget& budget = interpreter.budget();
  const auto path = TRY(AttributePath::parse(budget, given(bound[1])));
  const auto before = [&budget](const Value& a, const Value& b) {
    return compare_keys(budget, a, b) < 0;
  };
  std::set<Value, decltype(before)> seen(before);
  std::vector<Value> kept;
  const ListPtr all = TRY(interpreter.iterate(self));
  for (const Value& item : all->items) {
    const Value key =
        TRY(sort_key(interpreter, TRY(path.get(interpreter, item)), boolean_or(bound[0], false)));
    if (!hashable(key)) return raise("unhashable type: '{}'", type_name(key));
    if (seen.insert(key).second) kept.push_back(item);
    TRY(budget.step());
  }
  return make_iterator(interpreter, std::move(kept));
}

Eval<Value> sum_filter(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  constexpr Parameters<2> kNames = {"attribute", "start"};
  const auto bound = TRY(bind_arguments("sum", arguments, kNames));
  Budget& budget = interpreter.budget();
  const AttributePath path = TRY(AttributePath::parse(budget, given(bound[0])));
  Value total = bound[1] == nullptr ? Value(std::int64_t{0}) : *bound[1];
  if (total.is_string()) return raise("sum() can't sum strings");
  const ListPtr all = TRY(interpreter.iterate(self));
  for (const Value& item : all->items)
    total = TRY(binary(budget, BinaryOp::kAdd, total, TRY(path.get(interpreter, item))));
  return total;
}

Eval<Value> items_filter(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  TRY(bind_arguments("items", arguments, {}));
  if (self.is_undefined()) return make_iterator(interpreter, {});
  if (!self.is_dict()) return raise("can only get item pairs from a mapping");
  std::vector<Value> pairs;
  TRY(interpreter.budget().allocate(self.dict().size() * (sizeof(List) + sizeof(Value))));
  for (const auto& [key, value] : self.dict().entries()) pairs.push_back(make_pair(key, value));
  return make_iterator(interpreter, std::move(pairs));
}

Eval<Value> batch_filter(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  constexpr Parameters<2> kNames = {"linecount", "fill_with"};
  const auto bound = TRY(bind_arguments("batch", arguments, kNames, 1));
  const std::int64_t size = TRY(integer_or(bound[0], 0, "batch"));
  const ListPtr items = TRY(interpreter.iterate(self));
  std::vector<Value> batches, batch;
  for (const Value& item : items->items) {
    // Python compares the length for equality: with 0 and below only the first is special.
    if (static_cast<std::int64_t>(batch.size()) == size) {
      batches.push_back(TRY(interpreter.list_of(std::exchange(batch, {}))));
    }
    batch.push_back(item);
  }
  if (!batch.empty()) {
    const Value* fill = given(bound[1]);
    const std::int64_t missing = size - static_cast<std::int64_t>(batch.size());
    if (fill != nullptr && missing > 0) {
      TRY(interpreter.budget().step(static_cast<std::size_t>(missing)));
      batch.insert(batch.end(), static_cast<std::size_t>(missing), *fill);
    }
    batches.push_back(TRY(interpreter.list_of(std::move(batch))));
  }
  return make_iterator(interpreter, std::move(batches));
}

Eval<Value> slice_filter(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  constexpr Parameters<2> kNames = {"slices", "fill_with"};
  const auto bound = TRY(bind_arguments("slice", arguments, kNames, 1));
  const std::int64_t wanted = TRY(integer_or(bound[0], 0, "slice"));
  const ListPtr items = TRY(interpreter.iterate(self));
  if (wanted == 0) return raise("integer division or modulo by zero");
  std::vector<Value> slices;
  const auto count = static_cast<std::size_t>(std::max<std::int64_t>(wanted, 0));
  TRY(interpreter.budget().step(count));
  const std::size_t size = count == 0 ? 0 : items->items.size() / count;
  const std::size_t longer = count == 0 ? 0 : items->items.size() % count;
  auto next = items->items.begin();
  for (std::size_t i = 0; i < count; ++i) {
    const auto end = next + static_cast<std::ptrdiff_t>(size + (i < longer ? 1 : 0));
    std::vector<Value> slice(next, end);
    next = end;
    if (const Value* fill = given(bound[1]); fill != nullptr && i >= longer) slice.push_back(*fill);
    slices.push_back(TRY(interpreter.list_of(std::move(slice))));
  }
  return make_iterator(interpreter, std::move(slices));
}

constexpr NamedFunction kFilters[] = {
    {"batch", batch_filter},        {"count", length_filter},      {"d", default_filter},
    {"default", default_filter},    {"dictsort", dictsort_filter}, {"first", first_filter},
    {"items", items_filter},        {"join", join_filter},         {"last", last_filter},
    {"length", length_filter},      {"list", list_filter},         {"max", extreme_filter<true>},
    {"min", extreme_filter<false>}, {"reverse", reverse_filter},   {"slice", slice_filter},
    {"sort", sort_filter},          {"sum", sum_filter},           {"unique", unique_filter},
};

}  // namespace

std::span<const NamedFunction> sequence_filters() { return kFilters; }

}  // namespace bantam::jinja
