#include "chat/jinja/interpreter.h"

#include <algorithm>

#include "chat/jinja/functions.h"
#include "chat/jinja/objects.h"
#include "chat/jinja/print.h"

namespace bantam::jinja {
namespace {

std::unexpected<std::unique_ptr<Error>> at_line(std::unique_ptr<Error> error, std::size_t line) {
  if (error->where.empty()) error->where = fmt::format("template line {}", line);
  return std::unexpected(std::move(error));
}

// Puts a value back when the block ends, whichever way it ends.
template <typename T>
class Restore {
 public:
  Restore(T& place, T value) : place_(place), old_(std::exchange(place, std::move(value))) {}
  ~Restore() { place_ = std::move(old_); }
  Restore(const Restore&) = delete;
  Restore& operator=(const Restore&) = delete;

 private:
  T& place_;
  T old_;
};

}  // namespace

const Value* Scope::find(NameId name) const {
  for (const auto& [id, value] : variables) {
    if (id == name) return &value;
  }
  return nullptr;
}

void Scope::set(NameId name, Value value) {
  for (auto& [id, old] : variables) {
    if (id == name) {
      old = std::move(value);
      return;
    }
  }
  variables.emplace_back(name, std::move(value));
}

Interpreter::~Interpreter() {
  // Macros hold the scopes that hold them, namespaces and loops may hold anything. All of them are
  // still in these lists, so letting go of their contents frees nothing that frees another in turn.
  for (const auto& object : kept_objects_) object->clear();
  for (const auto& scope : kept_scopes_) scope->variables.clear();
}

Eval<TextPtr> Interpreter::render(const Inputs& inputs) {
  inputs_.resize(program_.names.size());
  for (std::size_t i = 0; i < program_.names.size(); ++i) {
    const auto input = std::find_if(inputs.begin(), inputs.end(), [&](const auto& entry) {
      return entry.first == program_.names[i];
    });
    if (input != inputs.end()) {
      inputs_[i] = input->second;
    } else if (const Function function = find_global(program_.names[i])) {
      auto object = std::make_shared<GlobalFunction>();
      object->function = function;
      inputs_[i] = Value(std::shared_ptr<Object>(std::move(object)));
    }
  }
  TextBuilder out(budget_);
  out_ = &out;
  scope_ = std::make_shared<Scope>();
  TRY(run_body(program_.body));
  return out.finish();
}

Value Interpreter::lookup(NameId name) const {
  for (const Scope* scope = scope_.get(); scope != nullptr; scope = scope->parent.get()) {
    if (const Value* value = scope->find(name)) return *value;
  }
  if (inputs_[name]) return *inputs_[name];
  return Value::undefined(fmt::format("'{}' is undefined", program_.names[name]));
}

void Interpreter::enter_scope(ScopePtr parent) {
  auto scope = std::make_shared<Scope>();
  scope->parent = std::move(parent);
  scope_ = std::move(scope);
}

// A macro is about to hold the current scope and all those around it.
void Interpreter::keep_scopes() {
  for (ScopePtr scope = scope_; scope != nullptr && !scope->kept; scope = scope->parent) {
    scope->kept = true;
    kept_scopes_.push_back(scope);
  }
}

Value Interpreter::make_macro(const std::shared_ptr<const Macro>& macro) {
  keep_scopes();
  auto object = std::make_shared<MacroObject>();
  object->macro = macro;
  object->scope = scope_;
  object->program = &program_;
  return Value(std::shared_ptr<Object>(std::move(object)));
}

Eval<Interpreter::Flow> Interpreter::run(const Block& block) {
  for (const Statement& statement : block) {
    const Flow flow = TRY(run(statement));
    if (flow != Flow::kNormal) return flow;
  }
  return Flow::kNormal;
}

Eval<Interpreter::Flow> Interpreter::run_body(const Body& body) {
  for (const NameId name : program_.predeclared[body.frame]) {
    if (scope_->find(name) == nullptr)
      set(name, Value::undefined(fmt::format("'{}' is undefined", program_.names[name])));
  }
  return run(body.statements);
}

Eval<Interpreter::Flow> Interpreter::run(const Statement& statement) {
  TRY(budget_.step());
  const Restore deeper(depth_, depth_ + 1);
  if (depth_ > kMaxEvaluationDepth)
    return Budget::too_deep("blocks and macros", kMaxEvaluationDepth);
  auto flow = std::visit([this](const auto& node) { return run(node); }, statement.node);
  if (!flow) return at_line(std::move(flow).error(), statement.line);
  return flow;
}

Eval<Interpreter::Flow> Interpreter::run(const Output& node) {
  for (const ExprPtr& part : node.parts) {
    if (const auto* constant = std::get_if<Constant>(&part->node);
        constant != nullptr && constant->value.is_string()) {
      out_->append(*constant->value.text());
      TRY(out_->status());
    } else {
      TRY(append_str(budget_, *out_, TRY(evaluate(*part))));
    }
  }
  return Flow::kNormal;
}

Eval<Interpreter::Flow> Interpreter::run(const If& node) {
  for (const auto& [condition, block] : node.branches) {
    if (truthy(TRY(evaluate(*condition)))) return run(block);
  }
  return run(node.otherwise);
}

Eval<void> Interpreter::assign(const Target& target, const Value& value) {
  if (target.tuple) {
    const ListPtr parts = TRY(iterate(value));
    if (parts->items.size() != target.targets.size())
      return raise("{} values to unpack into {} names", parts->items.size(), target.targets.size());
    for (std::size_t i = 0; i < parts->items.size(); ++i)
      TRY(assign(target.targets[i], parts->items[i]));
    return {};
  }
  if (target.attribute.empty()) {
    set(target.name, value);
    return {};
  }
  const Value object = lookup(target.name);
  auto* space = object.as<NamespaceObject>();
  if (space == nullptr) return raise("cannot assign attribute on non-namespace object");
  TRY(budget_.step(1 + space->attributes.size() / 8));
  space->set(target.attribute, value);
  return {};
}

Eval<Interpreter::Flow> Interpreter::run(const Set& node) {
  TRY(assign(node.target, TRY(evaluate(*node.value))));
  return Flow::kNormal;
}

// Runs a body in a scope of its own with the output going to *text.
Eval<Interpreter::Flow> Interpreter::run_captured(const Body& body, TextPtr* text) {
  TextBuilder captured(budget_);
  const Restore scope(scope_, scope_);
  const Restore out(out_, &captured);
  enter_scope(scope_);
  const Flow flow = TRY(run_body(body));
  *text = TRY(captured.finish());
  return flow;
}

// What a filter or call block gives: a text, or nothing at all.
Eval<void> Interpreter::append_text(const Value& value) {
  if (!value.is_string())
    return raise("a block gave '{}' where text was expected", type_name(value));
  out_->append(*value.text());
  return out_->status();
}

Eval<Interpreter::Flow> Interpreter::run(const SetBlock& node) {
  TextPtr text;
  const Flow flow = TRY(run_captured(node.body, &text));
  if (flow != Flow::kNormal) return flow;
  TRY(assign(node.target, TRY(apply_filters(node.filter, Value(std::move(text))))));
  return Flow::kNormal;
}

Eval<Interpreter::Flow> Interpreter::run(const FilterBlock& node) {
  TextPtr text;
  const Flow flow = TRY(run_captured(node.body, &text));
  if (flow != Flow::kNormal) return flow;
  TRY(append_text(TRY(apply_filters(node.filter, Value(std::move(text))))));
  return Flow::kNormal;
}

Eval<Interpreter::Flow> Interpreter::run(const DefineMacro& node) {
  set(node.name, make_macro(node.macro));
  return Flow::kNormal;
}

Eval<Interpreter::Flow> Interpreter::run(const CallBlock& node) {
  const auto& postfix = std::get<Postfix>(node.call->node);
  Value callee = TRY(evaluate(*postfix.base));
  for (std::size_t i = 0; i + 1 < postfix.ops.size(); ++i)
    callee = TRY(apply(postfix.ops[i], callee));
  Arguments arguments = TRY(evaluate_arguments(std::get<Call>(postfix.ops.back().op).arguments));
  arguments.named.emplace_back("caller", make_macro(node.caller));
  TRY(append_text(TRY(call(callee, arguments))));
  return Flow::kNormal;
}

Eval<Interpreter::Flow> Interpreter::run(const With& node) {
  std::vector<Value> values;
  for (const auto& [target, value] : node.variables) values.push_back(TRY(evaluate(*value)));
  const Restore scope(scope_, scope_);
  enter_scope(scope_);
  for (std::size_t i = 0; i < values.size(); ++i) TRY(assign(node.variables[i].first, values[i]));
  return run_body(node.body);
}

Eval<Interpreter::Flow> Interpreter::run(const Scoped& node) {
  const Restore scope(scope_, scope_);
  enter_scope(scope_);
  return run_body(node.body);
}

Eval<Interpreter::Flow> Interpreter::run(const For& node) {
  TRY(run_loop(node, TRY(evaluate(*node.iterable)), 0));
  return Flow::kNormal;
}

Eval<Interpreter::Flow> Interpreter::run_loop_turn(const For& node,
                                                   const std::shared_ptr<LoopObject>& loop) {
  TRY(budget_.step());
  enter_scope(loop->scope);
  set(node.loop, Value(std::shared_ptr<Object>(loop)));
  const Value item = *loop->current;
  TRY(assign(node.target, item));
  return run_body(node.body);
}

Eval<void> Interpreter::run_loop(const For& node, const Value& iterable, std::size_t depth) {
  const Restore scope(scope_, scope_);
  auto loop = std::make_shared<LoopObject>();
  loop->node = &node;
  loop->scope = scope_;
  loop->items = TRY(iterate(iterable));
  loop->depth0 = depth;
  bool empty = true;
  while (TRY(loop->advance(*this))) {
    const Flow flow = TRY(run_loop_turn(node, loop));
    if (flow == Flow::kBreak) break;
    // As Jinja has it: a turn that break or continue cut short does not keep the else away.
    if (flow == Flow::kNormal) empty = false;
  }
  if (empty) {
    enter_scope(loop->scope);
    TRY(run_body(node.otherwise));
  }
  return {};
}

Eval<Value> Interpreter::run_loop_again(const LoopObject& loop, const Value& iterable) {
  const Restore calls(calls_, calls_ + 1);
  if (calls_ > budget_.limits().calls)
    return Budget::too_deep("recursive loops", budget_.limits().calls);
  TextBuilder captured(budget_);
  const Restore scope(scope_, loop.scope);
  const Restore out(out_, &captured);
  TRY(run_loop(*loop.node, iterable, loop.depth0 + 1));
  return Value(TRY(captured.finish()));
}

Eval<bool> Interpreter::passes_test(const For& loop, const ScopePtr& scope, const Value& item) {
  const Restore saved(scope_, scope);
  enter_scope(scope);
  TRY(assign(loop.target, item));
  return truthy(TRY(evaluate(*loop.test)));
}

Eval<Value> Interpreter::run_macro(const MacroObject& object, Arguments& arguments) {
  const Macro& macro = *object.macro;
  const Restore calls(calls_, calls_ + 1);
  if (calls_ > budget_.limits().calls)
    return Budget::too_deep("macro calls", budget_.limits().calls);
  const Restore scope(scope_, object.scope);
  enter_scope(scope_);

  const auto take_named = [&arguments](std::string_view name) -> std::optional<Value> {
    const auto found = std::find_if(arguments.named.begin(), arguments.named.end(),
                                    [name](const auto& entry) { return entry.first == name; });
    if (found == arguments.named.end()) return std::nullopt;
    Value value = std::move(found->second);
    arguments.named.erase(found);
    return value;
  };
  const std::size_t count = macro.parameters.size();
  const std::size_t first_default = count - macro.defaults.size();
  bool own_caller = false;
  for (std::size_t i = 0; i < count; ++i) {
    const NameId id = macro.parameters[i];
    own_caller |= id == macro.caller;
    if (i < arguments.positional.size()) {
      set(id, arguments.positional[i]);
    } else if (std::optional<Value> value = take_named(program_.names[id])) {
      set(id, std::move(*value));
    } else if (i >= first_default) {
      set(id, TRY(evaluate(*macro.defaults[i - first_default])));
    } else {
      set(id, Value::undefined(fmt::format("parameter '{}' was not provided", program_.names[id])));
    }
  }
  if (macro.uses_caller && !own_caller) {
    std::optional<Value> caller = take_named("caller");
    if (!caller || caller->is_none()) caller = Value::undefined("No caller defined");
    set(macro.caller, std::move(*caller));
  }
  if (macro.uses_kwargs) {
    std::vector<Dict::Entry> entries;
    for (auto& [name, value] : arguments.named)
      entries.emplace_back(Value::literal(name), std::move(value));
    set(macro.kwargs, Value(TRY(Dict::make(budget_, std::move(entries)))));
  } else if (!arguments.named.empty()) {
    return raise("macro '{}' takes no keyword argument '{}'", macro.name, arguments.named[0].first);
  }
  if (macro.uses_varargs) {
    std::vector<Value> rest;
    for (std::size_t i = count; i < arguments.positional.size(); ++i)
      rest.push_back(arguments.positional[i]);
    set(macro.varargs, TRY(list_of(std::move(rest), true)));
  } else if (arguments.positional.size() > count) {
    return raise("macro '{}' takes not more than {} argument(s)", macro.name, count);
  }
  TextBuilder captured(budget_);
  const Restore out(out_, &captured);
  TRY(run_body(macro.body));
  return Value(TRY(captured.finish()));
}

}  // namespace bantam::jinja
