// "{}".format(x), and strftime
#include <algorithm>
#include <array>

#include "base/unicode.h"
#include "chat/jinja/format.h"
#include "chat/jinja/number_format.h"
#include "chat/jinja/print.h"

namespace bantam::jinja {
namespace {

// [[fill]align][sign][#][0][width][group][.precision][type]
struct Spec {
  Padding padding{.fill = " ", .align = '\0', .width = 0};
  NumberFormat number;
  bool sign_given = false;
};

constexpr bool is_align(char c) { return c == '<' || c == '>' || c == '^' || c == '='; }

// Digits at the start of *rest, as a number that saturates.
std::optional<std::int64_t> take_number(std::string_view* rest) {
  if (rest->empty() || (*rest)[0] < '0' || (*rest)[0] > '9') return std::nullopt;
  std::int64_t number = 0;
  for (; !rest->empty() && (*rest)[0] >= '0' && (*rest)[0] <= '9'; rest->remove_prefix(1))
    number = std::min<std::int64_t>(number * 10 + ((*rest)[0] - '0'), 1'000'000'000'000);
  return number;
}

bool take(std::string_view* rest, char c) {
  if (!rest->starts_with(c)) return false;
  rest->remove_prefix(1);
  return true;
}

Eval<Spec> parse_spec(Budget& budget, std::string_view rest) {
  Spec spec;
  const std::size_t first = decode_utf8(rest).bytes;
  if (first < rest.size() && is_align(rest[first])) {
    spec.padding.fill = rest.substr(0, first);
    spec.padding.align = rest[first];
    rest.remove_prefix(first + 1);
  } else if (!rest.empty() && is_align(rest[0])) {
    spec.padding.align = rest[0];
    rest.remove_prefix(1);
  }
  if (!rest.empty() && (rest[0] == '+' || rest[0] == '-' || rest[0] == ' ')) {
    spec.number.sign = rest[0];
    spec.sign_given = true;
    rest.remove_prefix(1);
  }
  spec.number.alternate = take(&rest, '#');
  if (take(&rest, '0') && spec.padding.align == '\0') {
    spec.padding.fill = "0";
    spec.padding.align = '=';
  }
  spec.padding.width = take_number(&rest).value_or(0);
  if (!rest.empty() && (rest[0] == ',' || rest[0] == '_')) {
    spec.number.group = rest[0];
    rest.remove_prefix(1);
  }
  if (take(&rest, '.')) {
    const std::optional<std::int64_t> precision = take_number(&rest);
    if (!precision) return raise("format specifier missing precision");
    if (*precision > kMaxPrecision) return budget.string_too_long();
    spec.number.precision = static_cast<int>(*precision);
  }
  if (rest.size() > 1) return raise("invalid format specifier");
  if (rest.size() == 1) spec.number.type = rest[0];
  return spec;
}

Eval<void> append_formatted_number(Budget& budget, TextBuilder& out, Spec spec,
                                   const FormattedNumber& number) {
  if (spec.padding.align == '=') {
    out.append(number.prefix);
    spec.padding.align = '>';
    spec.padding.width -= static_cast<std::int64_t>(number.prefix.size());
    append_padded(out, *make_text(number.digits), spec.padding);
  } else {
    if (spec.padding.align == '\0') spec.padding.align = '>';
    append_padded(out, *make_text(number.prefix + number.digits), spec.padding);
  }
  TRY(budget.step());
  return out.status();
}

Eval<void> append_with_spec(Budget& budget, TextBuilder& out, const Value& value,
                            std::string_view format) {
  if (format.empty()) return append_str(budget, out, value);
  Spec spec = TRY(parse_spec(budget, format));
  const char type = spec.number.type;
  const auto unknown = [&] {
    return raise("unknown format code '{}' for object of type '{}'", type, type_name(value));
  };
  if (value.is_string()) {
    if (type != '\0' && type != 's') return unknown();
    if (spec.sign_given || spec.padding.align == '=')
      return raise("sign or '=' alignment not allowed in string format specifier");
    if (spec.padding.align == '\0') spec.padding.align = '<';
    const Text& text = *value.text();
    if (!spec.number.precision) {
      append_padded(out, text, spec.padding);
      return out.status();
    }
    TextBuilder cut(budget);
    cut.append(text, 0, byte_offset(text, static_cast<std::size_t>(*spec.number.precision)));
    append_padded(out, *TRY(cut.finish()), spec.padding);
    return out.status();
  }
  if (!value.is_number())
    return raise("unsupported format string passed to {}.__format__", type_name(value));
  constexpr std::string_view kFloatTypes = "eEfFgG%";
  if (value.is_integral() && kFloatTypes.find(type) == kFloatTypes.npos) {
    if (type == 'c') {
      if (value.integer() < 0 || value.integer() > 0x10FFFF)
        return raise("%c arg not in range(0x110000)");
      std::string character;
      append_utf8(character, static_cast<char32_t>(value.integer()));
      return append_formatted_number(budget, out, spec, {"", character});
    }
    constexpr std::string_view kIntegerTypes = "dboxXn";
    if (type != '\0' && kIntegerTypes.find(type) == kIntegerTypes.npos) return unknown();
    if (spec.number.precision) return raise("precision not allowed in integer format specifier");
    return append_formatted_number(budget, out, spec, format_integer(value.integer(), spec.number));
  }
  if (type != '\0' && type != 'n' && kFloatTypes.find(type) == kFloatTypes.npos) return unknown();
  return append_formatted_number(budget, out, spec, format_float(value.number(), spec.number));
}

class BraceFormat {
 public:
  BraceFormat(Interpreter& interpreter, const Text& format, const Arguments& arguments)
      : interpreter_(interpreter), format_(format), arguments_(arguments) {}

  Eval<Value> run() {
    TextBuilder out(interpreter_.budget());
    TRY(format(out, 0, format_.bytes.size(), 2));
    return Value(TRY(out.finish(format_.safe)));
  }

 private:
  // The part [begin, end) of the format; `levels` of fields inside of fields are allowed.
  Eval<void> format(TextBuilder& out, std::size_t begin, std::size_t end, int levels) {
    if (levels == 0) return raise("max string recursion exceeded");
    const std::string_view bytes = format_.bytes;
    while (begin < end) {
      const std::size_t brace = std::min(bytes.find_first_of("{}", begin), end);
      out.append(format_, begin, brace);
      if (brace == end) break;
      if (brace + 1 < end && bytes[brace + 1] == bytes[brace]) {
        out.append(format_, brace, brace + 1);
        begin = brace + 2;
        continue;
      }
      if (bytes[brace] == '}') return raise("single '}}' encountered in format string");
      std::size_t close = brace + 1;
      for (int depth = 1; close < end; ++close) {
        if (bytes[close] == '{') ++depth;
        if (bytes[close] == '}' && --depth == 0) break;
      }
      if (close >= end) return raise("expected '}}' before end of string");
      TRY(field(out, brace + 1, close, levels));
      begin = close + 1;
    }
    return out.status();
  }

  // name!conversion:spec
  Eval<void> field(TextBuilder& out, std::size_t begin, std::size_t end, int levels) {
    Budget& budget = interpreter_.budget();
    const std::string_view text = std::string_view(format_.bytes).substr(0, end);
    std::size_t name_end = begin, depth = 0;
    for (; name_end < end; ++name_end) {
      if (text[name_end] == '[') ++depth;
      if (text[name_end] == ']' && depth > 0) --depth;
      if (depth == 0 && (text[name_end] == '!' || text[name_end] == ':')) break;
    }
    Value value = TRY(lookup(text.substr(begin, name_end - begin)));
    std::size_t at = name_end;
    if (at < end && text[at] == '!') {
      if (at + 1 >= end) return raise("unmatched '{{' in format spec");
      const char conversion = text[at + 1];
      TextBuilder converted(budget);
      if (conversion == 's') {
        TRY(append_str(budget, converted, value));
      } else if (conversion == 'r' || conversion == 'a') {
        TRY(append_repr(budget, converted, value));
      } else {
        return raise("unknown conversion specifier");
      }
      value = Value(TRY(converted.finish()));
      at += 2;
      if (at < end && text[at] != ':') return raise("expected ':' after conversion specifier");
    }
    if (at == end) return append_with_spec(budget, out, value, "");
    TextBuilder spec(budget);
    TRY(format(spec, at + 1, end, levels - 1));
    return append_with_spec(budget, out, value, TRY(spec.finish())->bytes);
  }

  // first.attribute[item]…
  Eval<Value> lookup(std::string_view name) {
    const std::size_t first_end = std::min(name.find_first_of(".["), name.size());
    Value value = TRY(argument(name.substr(0, first_end)));
    name.remove_prefix(first_end);
    while (!name.empty()) {
      TRY(interpreter_.budget().step());
      if (name[0] == '.') {
        const std::size_t end = std::min(name.find_first_of(".[", 1), name.size());
        value = TRY(interpreter_.get_attribute(value, name.substr(1, end - 1)));
        name.remove_prefix(end);
      } else {
        const std::size_t end = name.find(']');
        if (name[0] != '[' || end == name.npos) return raise("bad field in format string");
        std::string_view key = name.substr(1, end - 1), digits = key;
        const std::optional<std::int64_t> index = take_number(&digits);
        const bool number = index && digits.empty();
        value = TRY(interpreter_.get_item(value, number ? Value(*index) : Value::literal(key)));
        name.remove_prefix(end + 1);
      }
    }
    return value;
  }

  Eval<Value> argument(std::string_view name) {
    std::string_view digits = name;
    std::optional<std::int64_t> index = take_number(&digits);
    if (name.empty()) {
      if (numbered_) return raise("cannot switch from manual field specification to automatic");
      automatic_ = true;
      index = next_++;
    } else if (index && digits.empty()) {
      if (automatic_) return raise("cannot switch from automatic field numbering to manual");
      numbered_ = true;
    } else {
      for (const auto& [key, value] : arguments_.named) {
        if (key == name) return value;
      }
      return raise("format() has no argument {}", quoted(name));
    }
    if (*index >= static_cast<std::int64_t>(arguments_.positional.size()))
      return raise("replacement index {} out of range for positional args", *index);
    return arguments_.positional[static_cast<std::size_t>(*index)];
  }

  Interpreter& interpreter_;
  const Text& format_;
  const Arguments& arguments_;
  std::int64_t next_ = 0;
  bool automatic_ = false, numbered_ = false;
};

}  // namespace

Eval<Value> format_braces(Interpreter& interpreter, const Text& format,
                          const Arguments& arguments) {
  return BraceFormat(interpreter, format, arguments).run();
}

std::string format_time(std::string_view format, const std::tm& time) {
  constexpr std::string_view kDirectives = "aAbBcdDeFgGhHIjklmMnpPrRsStTuUVwWxXyYzZ%";
  std::string out;
  for (std::size_t i = 0; i < format.size(); ++i) {
    const bool directive = format[i] == '%' && i + 1 < format.size();
    // "%-d" is a GNU extension that templates use: without the leading zero.
    const std::size_t flag = directive && (format[i + 1] == '-' || format[i + 1] == '_') ? 1 : 0;
    if (!directive || i + 1 + flag >= format.size() ||
        kDirectives.find(format[i + 1 + flag]) == kDirectives.npos) {
      out += format[i];
      continue;
    }
    const std::string one(format.substr(i, 2 + flag));
    std::array<char, 128> buffer{};
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wformat-nonliteral"
    out.append(buffer.data(), std::strftime(buffer.data(), buffer.size(), one.c_str(), &time));
#pragma clang diagnostic pop
    i += 1 + flag;
  }
  return out;
}

}  // namespace bantam::jinja
