#include "chat/jinja/operators.h"

#include <cmath>
#include <cstring>
#include <vector>

#include "chat/jinja/format.h"
#include "chat/jinja/objects.h"
#include "chat/jinja/print.h"

namespace bantam::jinja {
namespace {

std::string_view symbol(BinaryOp op) {
  switch (op) {
    case BinaryOp::kAdd:
      return "+";
    case BinaryOp::kSub:
      return "-";
    case BinaryOp::kMul:
      return "*";
    case BinaryOp::kDiv:
      return "/";
    case BinaryOp::kFloorDiv:
      return "//";
    case BinaryOp::kMod:
      return "%";
    case BinaryOp::kPow:
      return "** or pow()";
  }
  return "";
}

std::string_view symbol(CompareOp op) {
  switch (op) {
    case CompareOp::kLt:
      return "<";
    case CompareOp::kLe:
      return "<=";
    case CompareOp::kGt:
      return ">";
    case CompareOp::kGe:
      return ">=";
    default:
      return "==";
  }
}

std::unexpected<std::unique_ptr<Error>> unsupported(BinaryOp op, const Value& a, const Value& b) {
  return raise("unsupported operand type(s) for {}: '{}' and '{}'", symbol(op), type_name(a),
               type_name(b));
}

std::unexpected<std::unique_ptr<Error>> overflow() {
  return raise("the result does not fit in a 64-bit integer");
}

Eval<Value> integer_power(std::int64_t base, std::int64_t exponent) {
  if (exponent < 0) {
    if (base == 0) return raise("0.0 cannot be raised to a negative power");
    return Value(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
  }
  std::int64_t result = 1;
  for (;;) {
    if ((exponent & 1) != 0 && __builtin_mul_overflow(result, base, &result)) return overflow();
    exponent >>= 1;
    if (exponent == 0) return Value(result);
    if (__builtin_mul_overflow(base, base, &base)) return overflow();
  }
}

Eval<Value> integer_binary(BinaryOp op, std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  bool overflowed = false;
  switch (op) {
    case BinaryOp::kAdd:
      overflowed = __builtin_add_overflow(a, b, &result);
      break;
    case BinaryOp::kSub:
      overflowed = __builtin_sub_overflow(a, b, &result);
      break;
    case BinaryOp::kMul:
      overflowed = __builtin_mul_overflow(a, b, &result);
      break;
    case BinaryOp::kPow:
      return integer_power(a, b);
    case BinaryOp::kDiv:
      if (b == 0) return raise("division by zero");
      return Value(static_cast<double>(static_cast<long double>(a) / static_cast<long double>(b)));
    case BinaryOp::kFloorDiv:
    case BinaryOp::kMod:
      if (b == 0) return raise("integer division or modulo by zero");
      if (b == -1) {  // the one quotient that overflows
        overflowed =
            op == BinaryOp::kFloorDiv && __builtin_sub_overflow(std::int64_t{0}, a, &result);
        break;
      }
      result = op == BinaryOp::kFloorDiv ? floor_div(a, b) : floor_mod(a, b);
      break;
  }
  if (overflowed) return overflow();
  return Value(result);
}

double float_mod(double a, double b) {
  double rest = std::fmod(a, b);
  if (rest == 0) return std::copysign(0.0, b);
  if ((b < 0) != (rest < 0)) rest += b;
  return rest;
}

double float_floor_div(double a, double b) {
  double rest = std::fmod(a, b), quotient = (a - rest) / b;
  if (rest != 0 && (b < 0) != (rest < 0)) quotient -= 1.0;
  if (quotient == 0) return std::copysign(0.0, a / b);
  const double down = std::floor(quotient);
  return quotient - down > 0.5 ? down + 1.0 : down;
}

Eval<Value> float_binary(BinaryOp op, double a, double b) {
  switch (op) {
    case BinaryOp::kAdd:
      return Value(a + b);
    case BinaryOp::kSub:
      return Value(a - b);
    case BinaryOp::kMul:
      return Value(a * b);
    case BinaryOp::kPow: {
      if (a == 0 && b < 0) return raise("0.0 cannot be raised to a negative power");
      const double result = std::pow(a, b);
      if (std::isnan(result) && !std::isnan(a) && !std::isnan(b))
        return raise("a power that is not a real number");
      if (std::isinf(result) && std::isfinite(a) && std::isfinite(b))
        return raise("numerical result out of range");
      return Value(result);
    }
    default:
      break;
  }
  if (b == 0) return raise("float division by zero");
  if (op == BinaryOp::kDiv) return Value(a / b);
  return Value(op == BinaryOp::kMod ? float_mod(a, b) : float_floor_div(a, b));
}

Eval<Value> add_strings(Budget& budget, const Text& a, const Text& b) {
  TextBuilder out(budget);
  const bool safe = a.safe || b.safe;
  for (const Text* part : {&a, &b}) {
    if (safe && !part->safe) {
      out.append_escaped(*part);
    } else {
      out.append(*part);
    }
  }
  return Value(TRY(out.finish(safe)));
}

Eval<Value> repeat_list(Budget& budget, const List& list, std::int64_t count) {
  std::size_t total = 0;
  if (count <= 0) return make_list(budget, {}, list.tuple);
  if (__builtin_mul_overflow(list.items.size(), static_cast<std::size_t>(count), &total) ||
      total > budget.limits().string_bytes)
    return budget.string_too_long();
  TRY(budget.allocate(total * sizeof(Value)));
  std::vector<Value> items;
  items.reserve(total);
  for (std::int64_t i = 0; i < count; ++i)
    items.insert(items.end(), list.items.begin(), list.items.end());
  return make_list(budget, std::move(items), list.tuple);
}

Eval<Value> add(Budget& budget, const Value& a, const Value& b) {
  if (a.is_string() && b.is_string()) return add_strings(budget, *a.text(), *b.text());
  if (a.is_string()) return raise("can only concatenate str (not \"{}\") to str", type_name(b));
  if (a.is_list() && b.is_list() && a.list().tuple == b.list().tuple) {
    TRY(budget.allocate((a.list().items.size() + b.list().items.size()) * sizeof(Value)));
    std::vector<Value> items = a.list().items;
    items.insert(items.end(), b.list().items.begin(), b.list().items.end());
    return make_list(budget, std::move(items), a.list().tuple);
  }
  if (a.is_list())
    return raise("can only concatenate {0} (not \"{1}\") to {0}", type_name(a), type_name(b));
  return unsupported(BinaryOp::kAdd, a, b);
}

Eval<Value> multiply(Budget& budget, const Value& a, const Value& b) {
  const Value& sequence = b.is_integral() ? a : b;
  const Value& count = b.is_integral() ? b : a;
  if (count.is_integral()) {
    if (sequence.is_string()) return Value(TRY(repeat(budget, *sequence.text(), count.integer())));
    if (sequence.is_list()) return repeat_list(budget, sequence.list(), count.integer());
  }
  if (a.is_string() || a.is_list() || b.is_string() || b.is_list()) {
    const Value& other = a.is_string() || a.is_list() ? b : a;
    return raise("can't multiply sequence by non-int of type '{}'", type_name(other));
  }
  return unsupported(BinaryOp::kMul, a, b);
}

Eval<bool> contains(Budget& budget, const Value& item, const Value& container) {
  if (container.is_string()) {
    if (!item.is_string())
      return raise("'in <string>' requires string as left operand, not {}", type_name(item));
    TRY(budget.step(container.bytes().size() / 64));
    return find_first(container.bytes(), item.bytes()) != std::string_view::npos;
  }
  if (container.is_undefined()) return false;
  if (container.is_list()) {
    for (const Value& element : container.list().items) {
      TRY(budget.step());
      if (element.same_as(item) || equal(budget, element, item)) return true;
    }
    return false;
  }
  if (container.is_dict()) {
    if (!hashable(item)) return raise("unhashable type: '{}'", type_name(item));
    return container.dict().find(budget, item) != nullptr;
  }
  return raise("argument of type '{}' is not iterable", type_name(container));
}

}  // namespace

std::int64_t floor_div(std::int64_t a, std::int64_t b) {
  const std::int64_t quotient = a / b;
  return a % b != 0 && (a < 0) != (b < 0) ? quotient - 1 : quotient;
}

std::int64_t floor_mod(std::int64_t a, std::int64_t b) {
  const std::int64_t rest = a % b;
  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

std::size_t find_first(std::string_view text, std::string_view what, std::size_t from) {
  if (from > text.size()) return text.npos;
  if (what.empty()) return from;
  const void* found = ::memmem(text.data() + from, text.size() - from, what.data(), what.size());
  if (found == nullptr) return text.npos;
  return static_cast<std::size_t>(static_cast<const char*>(found) - text.data());
}

std::size_t find_last(std::string_view text, std::string_view what) {
  if (what.empty()) return text.size();
  if (what.size() > text.size()) return text.npos;
  // Knuth, Morris and Pratt from the end: border[i] is the longest proper border of the last i
  // bytes of `what`.
  const std::size_t n = what.size();
  const auto last = [&](std::size_t i) { return what[n - 1 - i]; };
  std::vector<std::size_t> border(n + 1, 0);
  for (std::size_t i = 1, k = 0; i < n; ++i) {
    while (k > 0 && last(i) != last(k)) k = border[k];
    if (last(i) == last(k)) ++k;
    border[i + 1] = k;
  }
  for (std::size_t at = text.size(), matched = 0; at-- > 0;) {
    while (matched > 0 && text[at] != last(matched)) matched = border[matched];
    if (text[at] == last(matched)) ++matched;
    if (matched == n) return at;
  }
  return text.npos;
}

Eval<TextPtr> repeat(Budget& budget, const Text& text, std::int64_t count) {
  TextBuilder out(budget);
  if (text.bytes.empty()) count = 0;
  std::size_t total = 0;
  if (count > 0 &&
      (__builtin_mul_overflow(text.bytes.size(), static_cast<std::size_t>(count), &total) ||
       total > budget.limits().string_bytes))
    return budget.string_too_long();
  for (std::int64_t i = 0; i < count && !out.over_limit(); ++i) out.append(text);
  return out.finish(text.safe);
}

Eval<Value> binary(Budget& budget, BinaryOp op, const Value& a, const Value& b) {
  if (a.is_undefined()) return raise("{}", a.undefined_message());
  if (op == BinaryOp::kMod && a.is_string()) return format_percent(budget, *a.text(), b);
  if (b.is_undefined()) return raise("{}", b.undefined_message());
  if (a.is_integral() && b.is_integral()) return integer_binary(op, a.integer(), b.integer());
  if (a.is_number() && b.is_number()) return float_binary(op, a.number(), b.number());
  if (op == BinaryOp::kAdd) return add(budget, a, b);
  if (op == BinaryOp::kMul) return multiply(budget, a, b);
  return unsupported(op, a, b);
}

Eval<Value> sign(const Value& value, bool negate) {
  if (value.is_undefined()) return raise("{}", value.undefined_message());
  if (!value.is_number())
    return raise("bad operand type for unary {}: '{}'", negate ? "-" : "+", type_name(value));
  if (!value.is_integral()) return Value(negate ? -value.number() : value.number());
  if (!negate) return Value(value.integer());
  return integer_binary(BinaryOp::kSub, 0, value.integer());
}

Eval<bool> compare(Budget& budget, CompareOp op, const Value& a, const Value& b) {
  TRY(budget.step());
  switch (op) {
    case CompareOp::kEq:
      return equal(budget, a, b);
    case CompareOp::kNe:
      return !equal(budget, a, b);
    case CompareOp::kLt:
      return less(budget, a, b, symbol(op));
    case CompareOp::kGt:
      return less(budget, b, a, symbol(op));
    case CompareOp::kIn:
      return contains(budget, a, b);
    case CompareOp::kNotIn:
      return !TRY(contains(budget, a, b));
    case CompareOp::kLe:
    case CompareOp::kGe: {
      const Value &low = op == CompareOp::kLe ? a : b, &high = op == CompareOp::kLe ? b : a;
      if (TRY(less(budget, low, high, symbol(op)))) return true;
      return equal(budget, low, high);  // a NaN is neither
    }
  }
  return false;
}

}  // namespace bantam::jinja
