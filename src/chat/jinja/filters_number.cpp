#include <algorithm>
#include <cmath>

#include "chat/jinja/arguments.h"
#include "chat/jinja/filters.h"
#include "chat/jinja/numbers.h"
#include "chat/jinja/operators.h"

namespace bantam::jinja {
namespace {

std::unexpected<std::unique_ptr<Error>> too_large() {
  return raise("a number that does not fit in a 64-bit integer");
}

Eval<Value> abs_filter(Interpreter&, const Value& self, Arguments& arguments) {
  TRY(bind_arguments("abs", arguments, {}));
  if (!self.is_number()) return raise("bad operand type for abs(): '{}'", type_name(self));
  if (!self.is_integral()) return Value(std::fabs(self.number()));
  return sign(self, self.integer() < 0);
}

Eval<Value> int_filter(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  constexpr Parameters<2> kNames = {"default", "base"};
  const auto bound = TRY(bind_arguments("int", arguments, kNames));
  const std::int64_t base = TRY(integer_or(bound[1], 10, "int"));
  const Value otherwise = bound[0] == nullptr ? Value(std::int64_t{0}) : *bound[0];
  if (self.is_undefined()) return raise("{}", self.undefined_message());
  if (self.is_integral()) return Value(self.integer());
  std::optional<double> number;
  if (self.is_string()) {
    TRY(interpreter.budget().step(self.bytes().size() / 64));
    if (const auto integer = parse_integer(self.bytes(), base)) return Value(*integer);
    number = parse_float(self.bytes());  // "42.23" is 42
  } else if (self.is_number()) {
    number = self.number();
  }
  if (!number || !std::isfinite(*number)) return otherwise;
  const std::optional<std::int64_t> whole = truncate_float(*number);
  if (!whole) return too_large();
  return Value(*whole);
}

Eval<Value> float_filter(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  constexpr Parameters<1> kNames = {"default"};
  const auto bound = TRY(bind_arguments("float", arguments, kNames));
  if (self.is_undefined()) return raise("{}", self.undefined_message());
  if (self.is_number()) return Value(self.number());
  if (self.is_string()) {
    TRY(interpreter.budget().step(self.bytes().size() / 64));
    if (const auto number = parse_float(self.bytes())) return Value(*number);
  }
  return bound[0] == nullptr ? Value(0.0) : *bound[0];
}

Eval<Value> round_integer(std::int64_t value, std::int64_t digits) {
  if (digits >= 0) return Value(value);
  if (digits < -18) return Value(std::int64_t{0});
  std::int64_t scale = 1;
  for (std::int64_t i = 0; i < -digits; ++i) scale *= 10;
  std::int64_t rest = floor_mod(value, scale), down = 0;
  if (__builtin_sub_overflow(value, rest, &down)) return too_large();
  const bool up = rest > scale - rest || (rest == scale - rest && floor_mod(down / scale, 2) == 1);
  if (up && __builtin_add_overflow(down, scale, &down)) return too_large();
  return Value(down);
}

Eval<Value> round_filter(Interpreter&, const Value& self, Arguments& arguments) {
  constexpr Parameters<2> kNames = {"precision", "method"};
  const auto bound = TRY(bind_arguments("round", arguments, kNames));
  const std::int64_t digits = TRY(integer_or(bound[0], 0, "round"));
  const TextPtr method_text =
      bound[1] == nullptr ? make_text("common") : TRY(string_argument(*bound[1], "round"));
  const std::string_view method = method_text->bytes;
  if (method != "common" && method != "ceil" && method != "floor")
    return raise("method must be common, ceil or floor");
  if (self.is_undefined()) return raise("{}", self.undefined_message());
  if (!self.is_number()) return raise("type {} has no round()", type_name(self));
  if (method == "common") {
    if (self.is_integral()) return round_integer(self.integer(), digits);
    return Value(round_float(self.number(), digits));
  }
  const double scale =
      std::pow(10.0, static_cast<double>(std::clamp<std::int64_t>(digits, -400, 400)));
  const double scaled = self.number() * scale;
  if (!std::isfinite(scaled) || scale == 0) return raise("cannot round a number of that size");
  // Python goes through an int, which has no -0.
  return Value(((method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) + 0.0) / scale);
}

Eval<Value> filesizeformat_filter(Interpreter&, const Value& self, Arguments& arguments) {
  constexpr Parameters<1> kNames = {"binary"};
  const auto bound = TRY(bind_arguments("filesizeformat", arguments, kNames));
  const std::optional<double> bytes = self.is_number()   ? std::optional(self.number())
                                      : self.is_string() ? parse_float(self.bytes())
                                                         : std::nullopt;
  if (!bytes) return raise("filesizeformat wants a number, not '{}'", type_name(self));
  const bool binary = boolean_or(bound[0], false);
  const double base = binary ? 1024 : 1000;
  if (*bytes == 1) return Value::literal("1 Byte");
  if (*bytes < base) return Value::literal(fmt::format("{:.0f} Bytes", std::trunc(*bytes) + 0.0));
  constexpr std::string_view kLetters = "kMGTPEZY";
  double unit = base;
  std::size_t i = 0;
  for (; i + 1 < kLetters.size() && *bytes >= unit * base; ++i) unit *= base;
  const char letter = binary && i == 0 ? 'K' : kLetters[i];
  return Value::literal(fmt::format("{:.1f} {}{}B", *bytes / unit, letter, binary ? "i" : ""));
}

constexpr NamedFunction kFilters[] = {
    {"abs", abs_filter},     {"filesizeformat", filesizeformat_filter},
    {"float", float_filter}, {"int", int_filter},
    {"round", round_filter},
};

}  // namespace

std::span<const NamedFunction> number_filters() { return kFilters; }

}  // namespace bantam::jinja
