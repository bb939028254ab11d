// The half of the interpreter that evaluates expressions.
#include <algorithm>

#include "chat/jinja/functions.h"
#include "chat/jinja/interpreter.h"
#include "chat/jinja/objects.h"
#include "chat/jinja/operators.h"
#include "chat/jinja/print.h"

namespace bantam::jinja {
namespace {

bool is_plain_string(const Value& value) { return value.is_string() && !value.text()->safe; }

}  // namespace

class Interpreter::Depth {
 public:
  explicit Depth(Interpreter& interpreter) : depth_(interpreter.depth_) { ++depth_; }
  ~Depth() { --depth_; }
  Depth(const Depth&) = delete;
  Depth& operator=(const Depth&) = delete;
  bool too_deep() const { return depth_ > kMaxEvaluationDepth; }

 private:
  std::size_t& depth_;
};

Eval<Value> Interpreter::evaluate(const Expr& expr) {
  TRY(budget_.step());
  const Depth depth(*this);
  if (depth.too_deep()) return Budget::too_deep("expressions and macros", kMaxEvaluationDepth);
  auto result = std::visit([this](const auto& node) { return evaluate(node); }, expr.node);
  if (!result && result.error()->where.empty()) [[unlikely]]
    result.error()->where = fmt::format("template line {}", expr.line);
  return result;
}

Eval<Value> Interpreter::evaluate(const Constant& node) { return node.value; }

Eval<Value> Interpreter::evaluate(const Name& node) { return lookup(node.id); }

Eval<Value> Interpreter::evaluate(const Sequence& node) {
  std::vector<Value> items;
  items.reserve(node.items.size());
  for (const ExprPtr& item : node.items) items.push_back(TRY(evaluate(*item)));
  return list_of(std::move(items), node.tuple);
}

Eval<Value> Interpreter::evaluate(const DictDisplay& node) {
  std::vector<Dict::Entry> entries;
  entries.reserve(node.entries.size());
  for (const auto& [key, value] : node.entries) {
    Value k = TRY(evaluate(*key));
    entries.emplace_back(std::move(k), TRY(evaluate(*value)));
  }
  return Value(TRY(Dict::make(budget_, std::move(entries))));
}

Eval<Value> Interpreter::evaluate(const Sign& node) {
  return sign(TRY(evaluate(*node.operand)), node.negate);
}

Eval<Value> Interpreter::evaluate(const Not& node) {
  return Value(!truthy(TRY(evaluate(*node.operand))));
}

Eval<Value> Interpreter::evaluate(const Binary& node) {
  Value left = TRY(evaluate(*node.first));
  for (std::size_t i = 0; i < node.rest.size(); ++i) {
    const auto& [op, operand] = node.rest[i];
    Value right = TRY(evaluate(*operand));
    if (op != BinaryOp::kAdd || !is_plain_string(left) || !is_plain_string(right)) {
      left = TRY(binary(budget_, op, left, right));
      continue;
    }
    // A run of string additions is put together once and not again for each operand.
    TextBuilder out(budget_);
    out.append(*left.text());
    out.append(*right.text());
    std::optional<Value> other;
    while (i + 1 < node.rest.size() && node.rest[i + 1].first == BinaryOp::kAdd && !other) {
      right = TRY(evaluate(*node.rest[++i].second));
      if (is_plain_string(right)) {
        out.append(*right.text());
      } else {
        other = std::move(right);
      }
    }
    left = Value(TRY(out.finish()));
    if (other) left = TRY(binary(budget_, BinaryOp::kAdd, left, *other));
  }
  return left;
}

Eval<Value> Interpreter::evaluate(const Concat& node) {
  std::vector<Value> parts;
  parts.reserve(node.parts.size());
  for (const ExprPtr& part : node.parts) parts.push_back(TRY(evaluate(*part)));
  TextBuilder out(budget_);
  for (const Value& part : parts) TRY(append_str(budget_, out, part));
  return Value(TRY(out.finish()));
}

Eval<Value> Interpreter::evaluate(const Compare& node) {
  Value left = TRY(evaluate(*node.first));
  for (const auto& [op, operand] : node.rest) {
    Value right = TRY(evaluate(*operand));
    if (!TRY(compare_values(op, left, right))) return Value(false);
    left = std::move(right);
  }
  return Value(true);
}

Eval<bool> Interpreter::compare_values(CompareOp op, const Value& a, const Value& b) {
  const bool membership = op == CompareOp::kIn || op == CompareOp::kNotIn;
  if (membership && b.is_object() && b.object().iterable())
    return compare(budget_, op, a, Value(TRY(iterate(b))));
  return compare(budget_, op, a, b);
}

Eval<Value> Interpreter::evaluate(const Logic& node) {
  Value value;
  for (const ExprPtr& operand : node.operands) {
    value = TRY(evaluate(*operand));
    if (truthy(value) != node.conjunction) return value;
  }
  return value;
}

Eval<Value> Interpreter::evaluate(const Conditional& node) {
  if (truthy(TRY(evaluate(*node.condition)))) return evaluate(*node.then);
  if (node.otherwise != nullptr) return evaluate(*node.otherwise);
  return Value::undefined("the inline if-expression evaluated to false and has no else");
}

Eval<Value> Interpreter::evaluate(const Postfix& node) {
  Value value = TRY(evaluate(*node.base));
  for (const PostfixOp& op : node.ops) value = TRY(apply(op, value));
  return value;
}

Eval<Value> Interpreter::apply_filters(const ExprPtr& filters, Value value) {
  if (filters == nullptr) return value;
  for (const PostfixOp& op : std::get<Postfix>(filters->node).ops) value = TRY(apply(op, value));
  return value;
}

Eval<Value> Interpreter::evaluate_or_none(const ExprPtr& expr) {
  return expr == nullptr ? Value() : evaluate(*expr);
}

Eval<Value> Interpreter::apply(const PostfixOp& op, const Value& value) {
  TRY(budget_.step());
  auto result = std::visit([&](const auto& kind) { return apply(kind, value); }, op.op);
  if (!result && result.error()->where.empty()) [[unlikely]]
    result.error()->where = fmt::format("template line {}", op.line);
  return result;
}

Eval<Value> Interpreter::apply(const Attribute& op, const Value& value) {
  return get_attribute(value, op.name);
}

Eval<Value> Interpreter::apply(const Subscript& op, const Value& value) {
  return get_item(value, TRY(evaluate(*op.index)));
}

Eval<Value> Interpreter::apply(const Slice& op, const Value& value) {
  const Value start = TRY(evaluate_or_none(op.start)), stop = TRY(evaluate_or_none(op.stop)),
              step = TRY(evaluate_or_none(op.step));
  return get_slice(value, start, stop, step);
}

Eval<Value> Interpreter::apply(const Call& op, const Value& value) {
  Arguments arguments = TRY(evaluate_arguments(op.arguments));
  return call(value, arguments);
}

Eval<Value> Interpreter::apply(const Apply& op, const Value& value) {
  if (op.function == nullptr)
    return raise("no {} named {}", op.test ? "test" : "filter", quoted(op.name));
  Arguments arguments = TRY(evaluate_arguments(op.arguments));
  Value result = TRY(op.function(*this, value, arguments));
  if (op.negated) return Value(!truthy(result));
  return result;
}

Eval<Arguments> Interpreter::evaluate_arguments(const CallArguments& node) {
  Arguments arguments;
  arguments.positional.reserve(node.positional.size());
  for (const ExprPtr& item : node.positional) arguments.positional.push_back(TRY(evaluate(*item)));
  for (const auto& [name, value] : node.named)
    arguments.named.emplace_back(name, TRY(evaluate(*value)));
  if (node.list != nullptr) {
    const ListPtr items = TRY(iterate(TRY(evaluate(*node.list))));
    TRY(budget_.allocate(items->items.size() * sizeof(Value)));
    arguments.positional.insert(arguments.positional.end(), items->items.begin(),
                                items->items.end());
  }
  if (node.dict != nullptr) {
    const Value dict = TRY(evaluate(*node.dict));
    if (!dict.is_dict())
      return raise("argument after ** must be a mapping, not {}", type_name(dict));
    TRY(budget_.allocate(dict.dict().size() * sizeof(Dict::Entry)));
    for (const auto& [key, value] : dict.dict().entries()) {
      if (!key.is_string()) return raise("keywords must be strings");
      arguments.named.emplace_back(key.bytes(), value);
    }
  }
  return arguments;
}

Eval<Value> Interpreter::call(const Value& callee, Arguments& arguments) {
  if (callee.is_undefined()) return raise("{}", callee.undefined_message());
  if (!callee.is_object() || !callee.object().callable())
    return raise("'{}' object is not callable", type_name(callee));
  const Depth depth(*this);
  if (depth.too_deep()) return Budget::too_deep("macro calls", kMaxEvaluationDepth);
  return callee.object().call(*this, arguments);
}

Eval<Value> Interpreter::apply_filter(std::string_view name, const Value& value,
                                      Arguments& arguments) {
  TRY(budget_.step());
  const Function function = find_filter(name);
  if (function == nullptr) return raise("no filter named {}", quoted(name));
  const Depth depth(*this);
  if (depth.too_deep()) return Budget::too_deep("filters", kMaxEvaluationDepth);
  return function(*this, value, arguments);
}

Eval<bool> Interpreter::apply_test(std::string_view name, const Value& value,
                                   Arguments& arguments) {
  TRY(budget_.step());
  const Function function = find_test(name);
  if (function == nullptr) return raise("no test named {}", quoted(name));
  return truthy(TRY(function(*this, value, arguments)));
}

Eval<TextPtr> Interpreter::text_of(const Value& value) { return to_text(budget_, value); }

}  // namespace bantam::jinja
