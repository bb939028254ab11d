// Runs a Program once. Owns what the run makes; used by one thread and then thrown away.
#pragma once

#include <ctime>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "chat/jinja/ast.h"
#include "chat/jinja/budget.h"
#include "chat/jinja/text.h"
#include "chat/jinja/value.h"

namespace bantam::jinja {

// What a call was given.
struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
};

// The arguments of a function whose parameters are `names`, in that order; null where one was not
// given. Fails on too many, unknown or doubled ones, and if one of the first `required` is missing.
// A parameter whose name is empty can be given by position only.
Eval<std::vector<const Value*>> bind_arguments(std::string_view function,
                                               const Arguments& arguments,
                                               std::span<const std::string_view> names,
                                               std::size_t required = 0);

// The variables of one block. Blocks are entered often and have few variables: a search from the
// front beats a map.
struct Scope {
  std::shared_ptr<Scope> parent;
  std::vector<std::pair<NameId, Value>> variables;
  bool kept = false;  // a macro may still look at it

  const Value* find(NameId name) const;
  void set(NameId name, Value value);
};
using ScopePtr = std::shared_ptr<Scope>;

struct LoopObject;
struct MacroObject;

class Interpreter {
 public:
  using Inputs = std::vector<std::pair<std::string, Value>>;

  // Keeps references to the program; `now` answers strftime_now().
  Interpreter(const Program& program, const Limits& limits, const std::optional<std::tm>& now)
      : program_(program), budget_(limits), now_(now) {}
  ~Interpreter();
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;

  // Once. Errors carry the line of the template.
  Eval<TextPtr> render(const Inputs& inputs);

  // What filters, methods and objects need.
  Budget& budget() { return budget_; }
  const std::optional<std::tm>& now() const { return now_; }

  // x[key] and x.name as the sandbox of Jinja has them: data and harmless methods; anything else is
  // Undefined, or an Undefined that says why it may not be used.
  Eval<Value> get_item(const Value& object, const Value& key);
  Eval<Value> get_attribute(const Value& object, std::string_view name);
  Eval<Value> get_slice(const Value& object, const Value& start, const Value& stop,
                        const Value& step);
  Eval<Value> call(const Value& callee, Arguments& arguments);
  // The items of anything that can be iterated.
  Eval<ListPtr> iterate(const Value& value);
  Eval<Value> apply_filter(std::string_view name, const Value& value, Arguments& arguments);
  Eval<bool> apply_test(std::string_view name, const Value& value, Arguments& arguments);

  Eval<bool> compare_values(CompareOp op, const Value& a, const Value& b);
  Eval<TextPtr> text_of(const Value& value);
  Eval<Value> list_of(std::vector<Value> items, bool tuple = false) {
    return make_list(budget_, std::move(items), tuple);
  }

  // What macros and loops need.
  Eval<Value> run_macro(const MacroObject& macro, Arguments& arguments);
  Eval<Value> run_loop_again(const LoopObject& loop, const Value& iterable);
  Eval<bool> passes_test(const For& loop, const ScopePtr& scope, const Value& item);
  // Objects that can come to hold themselves: emptied at the end, so that they are freed.
  void keep(std::shared_ptr<Object> object) { kept_objects_.push_back(std::move(object)); }

 private:
  enum class Flow : std::uint8_t { kNormal, kBreak, kContinue };
  class Depth;

  // Statements (interpreter.cpp).
  Eval<Flow> run(const Block& block);
  Eval<Flow> run_body(const Body& body);  // in the current scope, made for it
  Eval<Flow> run(const Statement& statement);
  Eval<Flow> run(const Output& node);
  Eval<Flow> run(const If& node);
  Eval<Flow> run(const For& node);
  Eval<Flow> run(const Set& node);
  Eval<Flow> run(const SetBlock& node);
  Eval<Flow> run(const DefineMacro& node);
  Eval<Flow> run(const CallBlock& node);
  Eval<Flow> run(const FilterBlock& node);
  Eval<Flow> run(const With& node);
  Eval<Flow> run(const Scoped& node);
  Eval<Flow> run(const Break&) { return Flow::kBreak; }
  Eval<Flow> run(const Continue&) { return Flow::kContinue; }
  Eval<void> run_loop(const For& node, const Value& iterable, std::size_t depth);
  Eval<Flow> run_loop_turn(const For& node, const std::shared_ptr<LoopObject>& loop);
  Eval<Flow> run_captured(const Body& body, TextPtr* text);
  Eval<void> append_text(const Value& value);
  Eval<void> assign(const Target& target, const Value& value);
  Value make_macro(const std::shared_ptr<const Macro>& macro);

  // Expressions (evaluate.cpp).
  Eval<Value> evaluate(const Expr& expr);
  Eval<Value> evaluate(const Constant& node);
  Eval<Value> evaluate(const Name& node);
  Eval<Value> evaluate(const Sequence& node);
  Eval<Value> evaluate(const DictDisplay& node);
  Eval<Value> evaluate(const Sign& node);
  Eval<Value> evaluate(const Not& node);
  Eval<Value> evaluate(const Binary& node);
  Eval<Value> evaluate(const Concat& node);
  Eval<Value> evaluate(const Compare& node);
  Eval<Value> evaluate(const Logic& node);
  Eval<Value> evaluate(const Conditional& node);
  Eval<Value> evaluate(const Postfix& node);
  Eval<Value> evaluate_or_none(const ExprPtr& expr);
  Eval<Value> apply(const PostfixOp& op, const Value& value);
  Eval<Value> apply(const Attribute& op, const Value& value);
  Eval<Value> apply(const Subscript& op, const Value& value);
  Eval<Value> apply(const Slice& op, const Value& value);
  Eval<Value> apply(const Call& op, const Value& value);
  Eval<Value> apply(const Apply& op, const Value& value);
  Eval<Value> apply_filters(const ExprPtr& filters, Value value);
  Eval<Arguments> evaluate_arguments(const CallArguments& node);

  // Names.
  Value lookup(NameId name) const;
  void set(NameId name, Value value) { scope_->set(name, std::move(value)); }
  void enter_scope(ScopePtr parent);
  void keep_scopes();

  const Program& program_;
  Budget budget_;
  const std::optional<std::tm> now_;
  std::vector<std::optional<Value>> inputs_;  // by name
  ScopePtr scope_;
  TextBuilder* out_ = nullptr;
  std::size_t depth_ = 0, calls_ = 0;
  std::vector<std::shared_ptr<Object>> kept_objects_;
  std::vector<ScopePtr> kept_scopes_;
};

}  // namespace bantam::jinja
