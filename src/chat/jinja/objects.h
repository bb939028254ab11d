// The values of a template that are more than data.
#pragma once

#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "chat/jinja/interpreter.h"
#include "chat/jinja/value.h"

namespace bantam::jinja {

// namespace(): the one thing that a template can change.
struct NamespaceObject : Object {
  std::vector<std::pair<std::string, Value>> attributes;
  mutable bool printing = false;  // it may hold itself

  std::string_view type_name() const override { return "Namespace"; }
  Eval<void> print(Budget& budget, TextBuilder& out) const override;
  Eval<std::optional<Value>> attribute(Interpreter&, std::string_view name) override;
  void set(std::string_view name, Value value);
  void clear() override { attributes.clear(); }
};

struct MacroObject : Object {
  std::shared_ptr<const Macro> macro;
  ScopePtr scope;  // where it was defined
  const Program* program = nullptr;

  std::string_view type_name() const override { return "Macro"; }
  Eval<void> print(Budget& budget, TextBuilder& out) const override;
  Eval<std::optional<Value>> attribute(Interpreter&, std::string_view name) override;
  bool callable() const override { return true; }
  Eval<Value> call(Interpreter& interpreter, Arguments& arguments) override;
};

// What "loop" is inside of a for. Items that a condition has yet to pass are looked at one by one,
// as the condition may depend on what the body does.
struct LoopObject : Object {
  const For* node = nullptr;
  ScopePtr scope;  // around the loop
  ListPtr items;
  std::size_t next_item = 0;  // into items: not looked at yet
  std::deque<Value> ahead;    // passed the condition, not reached by the loop
  std::size_t index0 = 0, depth0 = 0;
  bool started = false;
  std::optional<Value> current, previous, changed_value;

  std::string_view type_name() const override { return "LoopContext"; }
  std::size_t depth() const override { return items == nullptr ? 0 : items->depth + 1; }
  Eval<std::optional<Value>> attribute(Interpreter& interpreter, std::string_view name) override;
  bool callable() const override { return true; }
  Eval<Value> call(Interpreter& interpreter, Arguments& arguments) override;
  void clear() override;

  // Moves to the next item; false at the end.
  Eval<bool> advance(Interpreter& interpreter);
  Eval<Value> cycle(Arguments& arguments) const;
  Eval<Value> changed(Interpreter& interpreter, Arguments& arguments);

 private:
  Eval<bool> look_ahead(Interpreter& interpreter);
  Eval<std::size_t> count(Interpreter& interpreter);
};

// A method together with what it was taken from: "text".upper.
struct BoundMethod : Object {
  Value receiver;
  Function function = nullptr;

  std::string_view type_name() const override { return "builtin_function_or_method"; }
  std::size_t depth() const override { return receiver.depth() + 1; }
  bool callable() const override { return true; }
  Eval<Value> call(Interpreter& interpreter, Arguments& arguments) override {
    return function(interpreter, receiver, arguments);
  }
};

struct GlobalFunction : Object {
  Function function = nullptr;

  std::string_view type_name() const override { return "function"; }
  bool callable() const override { return true; }
  Eval<Value> call(Interpreter& interpreter, Arguments& arguments) override {
    return function(interpreter, Value(), arguments);
  }
};

// What map, select and their like give: can be gone through once.
struct IteratorObject : Object {
  std::string name = "generator";
  ListPtr items;  // null when used up
  std::size_t next_item = 0;

  std::string_view type_name() const override { return name; }
  std::size_t depth() const override { return items == nullptr ? 0 : items->depth + 1; }
  bool iterable() const override { return true; }
  Eval<ListPtr> iterate(Interpreter& interpreter) override;
  std::optional<Value> take();  // the first that is left
};

struct RangeObject : Object {
  std::int64_t start = 0, stop = 0, step = 1;
  std::size_t count = 0;

  std::string_view type_name() const override { return "range"; }
  Eval<void> print(Budget& budget, TextBuilder& out) const override;
  bool truthy() const override { return count > 0; }
  std::optional<std::size_t> length() const override { return count; }
  bool iterable() const override { return true; }
  bool indexable() const override { return true; }
  Eval<ListPtr> iterate(Interpreter& interpreter) override;
  Eval<std::optional<Value>> attribute(Interpreter&, std::string_view name) override;
  bool equals(const Object& other) const override;
};

// keys(), values() and items() of a dict.
struct DictView : Object {
  enum class Part : std::uint8_t { kKeys, kValues, kItems };
  Part part = Part::kKeys;
  Value dict;

  std::string_view type_name() const override;
  Eval<void> print(Budget& budget, TextBuilder& out) const override;
  std::size_t depth() const override { return dict.depth() + 1; }
  bool truthy() const override { return dict.dict().size() > 0; }
  std::optional<std::size_t> length() const override { return dict.dict().size(); }
  bool iterable() const override { return true; }
  Eval<ListPtr> iterate(Interpreter& interpreter) override;
  Eval<Value> items(Budget& budget) const;  // as a list
};

struct CyclerObject : Object {
  std::vector<Value> items;
  std::size_t position = 0, items_depth = 0;

  std::string_view type_name() const override { return "Cycler"; }
  std::size_t depth() const override { return items_depth + 1; }
  Eval<std::optional<Value>> attribute(Interpreter&, std::string_view name) override;
};

struct JoinerObject : Object {
  TextPtr separator;
  bool used = false;

  std::string_view type_name() const override { return "Joiner"; }
  bool callable() const override { return true; }
  Eval<Value> call(Interpreter& interpreter, Arguments& arguments) override;
};

Eval<Value> make_iterator(Interpreter& interpreter, std::vector<Value> items,
                          std::string name = "generator");
Value bind_method(const Value& receiver, Function function);

}  // namespace bantam::jinja
