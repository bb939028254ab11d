#include "chat/jinja/objects.h"

#include <algorithm>
#include <array>

#include "chat/jinja/functions.h"
#include "chat/jinja/print.h"

namespace bantam::jinja {
namespace {

constexpr std::size_t kMaxPrintedNamespaces = 16;

Eval<Value> cycle_method(Interpreter&, const Value& self, Arguments& arguments) {
  return self.as<LoopObject>()->cycle(arguments);
}

Eval<Value> changed_method(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  return self.as<LoopObject>()->changed(interpreter, arguments);
}

Eval<Value> next_method(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  TRY(bind_arguments("next", arguments, {}));
  TRY(interpreter.budget().step());
  auto& cycler = *self.as<CyclerObject>();
  Value value = cycler.items[cycler.position];
  cycler.position = (cycler.position + 1) % cycler.items.size();
  return value;
}

Eval<Value> reset_method(Interpreter&, const Value& self, Arguments& arguments) {
  TRY(bind_arguments("reset", arguments, {}));
  self.as<CyclerObject>()->position = 0;
  return Value();
}

Eval<Value> repacked(Interpreter& interpreter, const Target& target, const Value& item) {
  if (!target.tuple) return item;
  const ListPtr list = TRY(interpreter.iterate(item));
  std::vector<Value> parts = list->items;
  for (std::size_t i = 0; i < std::min(parts.size(), target.targets.size()); ++i)
    parts[i] = TRY(repacked(interpreter, target.targets[i], parts[i]));
  return interpreter.list_of(std::move(parts), true);
}

Value of(Object& object) { return Value(object.shared_from_this()); }

}  // namespace

Value bind_method(const Value& receiver, Function function) {
  auto method = std::make_shared<BoundMethod>();
  method->receiver = receiver;
  method->function = function;
  return Value(std::shared_ptr<Object>(std::move(method)));
}

Eval<Value> make_iterator(Interpreter& interpreter, std::vector<Value> items, std::string name) {
  const Value list = TRY(interpreter.list_of(std::move(items)));
  auto iterator = std::make_shared<IteratorObject>();
  iterator->name = std::move(name);
  iterator->items = list.list_pointer();
  return Value(std::shared_ptr<Object>(std::move(iterator)));
}

// Namespace

Eval<void> NamespaceObject::print(Budget& budget, TextBuilder& out) const {
  if (printing) {
    out.append("<Namespace {...}>");
    return {};
  }
  if (budget.printing == kMaxPrintedNamespaces)
    return Budget::too_deep("namespaces", kMaxPrintedNamespaces);
  printing = true;
  ++budget.printing;
  out.append("<Namespace {");
  for (std::size_t i = 0; i < attributes.size(); ++i) {
    if (i > 0) out.append(", ");
    TRY(append_repr(budget, out, Value::literal(attributes[i].first)));
    out.append(": ");
    TRY(append_repr(budget, out, attributes[i].second));
  }
  out.append("}>");
  --budget.printing;
  printing = false;
  return {};
}

Eval<std::optional<Value>> NamespaceObject::attribute(Interpreter& interpreter,
                                                      std::string_view name) {
  TRY(interpreter.budget().step(1 + attributes.size() / 8));
  for (const auto& [key, value] : attributes) {
    if (key == name) return value;
  }
  return std::nullopt;
}

void NamespaceObject::set(std::string_view name, Value value) {
  for (auto& [key, old] : attributes) {
    if (key == name) {
      old = std::move(value);
      return;
    }
  }
  attributes.emplace_back(name, std::move(value));
}

// Macro

Eval<void> MacroObject::print(Budget& budget, TextBuilder& out) const {
  out.append("<Macro ");
  if (macro->name.empty()) {
    out.append("anonymous");
  } else {
    TRY(append_repr(budget, out, Value::literal(macro->name)));
  }
  out.append(">");
  return {};
}

Eval<std::optional<Value>> MacroObject::attribute(Interpreter& interpreter, std::string_view name) {
  if (name == "name") return macro->name.empty() ? Value() : Value::literal(macro->name);
  if (name == "caller") return Value(macro->uses_caller);
  if (name == "catch_kwargs") return Value(macro->uses_kwargs);
  if (name == "catch_varargs") return Value(macro->uses_varargs);
  if (name == "arguments") {
    std::vector<Value> names;
    for (const NameId id : macro->parameters) names.push_back(Value::literal(program->names[id]));
    return TRY(interpreter.list_of(std::move(names), true));
  }
  return std::nullopt;
}

Eval<Value> MacroObject::call(Interpreter& interpreter, Arguments& arguments) {
  return interpreter.run_macro(*this, arguments);
}

// Loop

Eval<bool> LoopObject::look_ahead(Interpreter& interpreter) {
  while (next_item < items->items.size()) {
    TRY(interpreter.budget().step());
    const Value& item = items->items[next_item++];
    if (node->test != nullptr && !TRY(interpreter.passes_test(*node, scope, item))) continue;
    // A condition unpacks what it looks at, and what it passes on is the parts.
    ahead.push_back(node->test == nullptr ? item : TRY(repacked(interpreter, node->target, item)));
    return true;
  }
  return false;
}

Eval<bool> LoopObject::advance(Interpreter& interpreter) {
  if (ahead.empty() && !TRY(look_ahead(interpreter))) return false;
  previous = std::move(current);
  current = std::move(ahead.front());
  ahead.pop_front();
  if (started) ++index0;
  started = true;
  return true;
}

Eval<std::size_t> LoopObject::count(Interpreter& interpreter) {
  if (node->test == nullptr) return items->items.size();
  while (TRY(look_ahead(interpreter))) {
  }
  return index0 + 1 + ahead.size();
}

Eval<std::optional<Value>> LoopObject::attribute(Interpreter& interpreter, std::string_view name) {
  if (name == "index") return Value::size(index0 + 1);
  if (name == "index0") return Value::size(index0);
  if (name == "first") return Value(index0 == 0);
  if (name == "depth") return Value::size(depth0 + 1);
  if (name == "depth0") return Value::size(depth0);
  if (name == "length") return Value::size(TRY(count(interpreter)));
  if (name == "revindex") return Value::size(TRY(count(interpreter)) - index0);
  if (name == "revindex0") return Value::size(TRY(count(interpreter)) - index0 - 1);
  if (name == "previtem")
    return index0 == 0 || !previous ? Value::undefined("there is no previous item") : *previous;
  if (name == "last" || name == "nextitem") {
    const bool more = !ahead.empty() || TRY(look_ahead(interpreter));
    if (name == "last") return Value(!more);
    return more ? ahead.front() : Value::undefined("there is no next item");
  }
  if (name == "cycle") return bind_method(of(*this), cycle_method);
  if (name == "changed") return bind_method(of(*this), changed_method);
  return std::nullopt;
}

Eval<Value> LoopObject::cycle(Arguments& arguments) const {
  if (arguments.positional.empty()) return raise("no items for cycling given");
  return arguments.positional[index0 % arguments.positional.size()];
}

Eval<Value> LoopObject::changed(Interpreter& interpreter, Arguments& arguments) {
  if (!changed_value) interpreter.keep(shared_from_this());  // the arguments may hold this loop
  const Value now = TRY(interpreter.list_of(std::move(arguments.positional), true));
  const bool differs = !changed_value || !equal(interpreter.budget(), *changed_value, now);
  changed_value = now;
  return Value(differs);
}

Eval<Value> LoopObject::call(Interpreter& interpreter, Arguments& arguments) {
  constexpr std::array<std::string_view, 1> kNames = {"iterable"};
  const auto given = TRY(bind_arguments("loop", arguments, kNames, 1));
  if (!node->recursive)
    return raise("the loop must have the 'recursive' marker to be called recursively");
  return interpreter.run_loop_again(*this, *given[0]);
}

void LoopObject::clear() {
  items = std::make_shared<const List>();
  ahead.clear();
  current.reset();
  previous.reset();
  changed_value.reset();
}

// Iterators, ranges, views

Eval<ListPtr> IteratorObject::iterate(Interpreter& interpreter) {
  if (items == nullptr) return std::make_shared<const List>();
  if (next_item == 0) return std::exchange(items, nullptr);
  std::vector<Value> rest(items->items.begin() + static_cast<std::ptrdiff_t>(next_item),
                          items->items.end());
  items = nullptr;
  return TRY(interpreter.list_of(std::move(rest))).list_pointer();
}

std::optional<Value> IteratorObject::take() {
  if (items == nullptr || next_item == items->items.size()) return std::nullopt;
  return items->items[next_item++];
}

Eval<void> RangeObject::print(Budget&, TextBuilder& out) const {
  out.append(step == 1 ? fmt::format("range({}, {})", start, stop)
                       : fmt::format("range({}, {}, {})", start, stop, step));
  return {};
}

Eval<ListPtr> RangeObject::iterate(Interpreter& interpreter) {
  TRY(interpreter.budget().allocate(count * sizeof(Value)));
  std::vector<Value> values;
  values.reserve(count);
  for (std::size_t i = 0; i < count; ++i)
    values.emplace_back(start + static_cast<std::int64_t>(i) * step);
  return TRY(interpreter.list_of(std::move(values))).list_pointer();
}

Eval<std::optional<Value>> RangeObject::attribute(Interpreter&, std::string_view name) {
  if (name == "start") return Value(start);
  if (name == "stop") return Value(stop);
  if (name == "step") return Value(step);
  return std::nullopt;
}

bool RangeObject::equals(const Object& other) const {
  const auto* range = dynamic_cast<const RangeObject*>(&other);
  return range != nullptr && count == range->count &&
         (count == 0 || (start == range->start && (count == 1 || step == range->step)));
}

std::string_view DictView::type_name() const {
  return part == Part::kKeys ? "dict_keys" : part == Part::kValues ? "dict_values" : "dict_items";
}

Eval<Value> DictView::items(Budget& budget) const {
  std::vector<Value> values;
  values.reserve(dict.dict().size());
  for (const auto& [key, value] : dict.dict().entries()) {
    values.push_back(part == Part::kKeys     ? key
                     : part == Part::kValues ? value
                                             : make_pair(key, value));
  }
  TRY(budget.allocate(values.size() * sizeof(List)));
  return make_list(budget, std::move(values));
}

Eval<void> DictView::print(Budget& budget, TextBuilder& out) const {
  out.append(type_name());
  out.append("(");
  TRY(append_repr(budget, out, TRY(items(budget))));
  out.append(")");
  return {};
}

Eval<ListPtr> DictView::iterate(Interpreter& interpreter) {
  return TRY(items(interpreter.budget())).list_pointer();
}

// Cycler, joiner

Eval<std::optional<Value>> CyclerObject::attribute(Interpreter&, std::string_view name) {
  if (name == "current") return items[position];
  if (name == "next") return bind_method(of(*this), next_method);
  if (name == "reset") return bind_method(of(*this), reset_method);
  return std::nullopt;
}

Eval<Value> JoinerObject::call(Interpreter&, Arguments& arguments) {
  TRY(bind_arguments("joiner", arguments, {}));
  if (std::exchange(used, true)) return Value(separator);
  return Value::literal("");
}

}  // namespace bantam::jinja
