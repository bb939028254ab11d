// "%s" % x
#include <cmath>

#include "base/unicode.h"
#include "chat/jinja/format.h"
#include "chat/jinja/number_format.h"
#include "chat/jinja/print.h"

namespace bantam::jinja {
namespace {

struct Conversion {
  std::optional<std::string> key;  // %(key)s
  bool left = false, zero = false;
  std::int64_t width = 0;
  NumberFormat number;
};

class PercentFormat {
 public:
  PercentFormat(Budget& budget, const Text& format, const Value& arguments)
      : budget_(budget),
        format_(format),
        rest_(format.bytes),
        arguments_(arguments),
        out_(budget) {}

  Eval<Value> run() {
    while (!rest_.empty()) {
      const std::size_t plain = std::min(rest_.find('%'), rest_.size());
      const std::size_t begin = format_.bytes.size() - rest_.size();
      out_.append(format_, begin, begin + plain);
      rest_.remove_prefix(plain);
      if (rest_.empty()) break;
      rest_.remove_prefix(1);
      TRY(convert());
    }
    if (!used_all()) return raise("not all arguments converted during string formatting");
    return Value(TRY(out_.finish(format_.safe)));
  }

 private:
  bool used_all() const {
    if (is_tuple()) return next_ == arguments_.list().items.size();
    // Whatever can be subscripted might have been meant for %(name)s.
    return next_ > 0 || arguments_.is_dict() || arguments_.is_list() || arguments_.is_undefined() ||
           (arguments_.is_object() && arguments_.object().indexable());
  }
  bool is_tuple() const { return arguments_.is_list() && arguments_.list().tuple; }

  Eval<Value> next_argument() {
    if (is_tuple() && next_ < arguments_.list().items.size())
      return arguments_.list().items[next_++];
    if (!is_tuple() && next_ == 0) {
      ++next_;
      return arguments_;
    }
    return raise("not enough arguments for format string");
  }

  Eval<Value> argument(const Conversion& conversion) {
    if (!conversion.key) return next_argument();
    if (!arguments_.is_dict()) return raise("format requires a mapping");
    const Value* value = arguments_.dict().find(budget_, Value::literal(*conversion.key));
    if (value == nullptr) return raise("no value for {}", quoted(*conversion.key));
    return *value;
  }

  Eval<void> parse_key(Conversion& conversion) {
    if (!rest_.starts_with('(')) return {};
    std::size_t depth = 1, end = 1;
    for (; end < rest_.size() && depth > 0; ++end) {
      if (rest_[end] == '(') ++depth;
      if (rest_[end] == ')') --depth;
    }
    if (depth > 0) return raise("incomplete format key");
    conversion.key = std::string(rest_.substr(1, end - 2));
    rest_.remove_prefix(end);
    return {};
  }

  void parse_flags(Conversion& conversion) {
    for (; !rest_.empty(); rest_.remove_prefix(1)) {
      switch (rest_[0]) {
        case '-':
          conversion.left = true;
          continue;
        case '0':
          conversion.zero = true;
          continue;
        case '#':
          conversion.number.alternate = true;
          continue;
        case '+':
          conversion.number.sign = '+';
          continue;
        case ' ':
          if (conversion.number.sign != '+') conversion.number.sign = ' ';
          continue;
        default:
          return;
      }
    }
  }

  // A number, or * for the next argument.
  Eval<std::int64_t> parse_size() {
    if (rest_.starts_with('*')) {
      rest_.remove_prefix(1);
      const Value value = TRY(next_argument());
      if (!value.is_integral()) return raise("* wants int");
      return value.integer();
    }
    std::int64_t size = 0;
    for (; !rest_.empty() && rest_[0] >= '0' && rest_[0] <= '9'; rest_.remove_prefix(1))
      size = std::min<std::int64_t>(size * 10 + (rest_[0] - '0'), 1'000'000'000'000);
    return size;
  }

  Eval<void> convert() {
    Conversion conversion;
    TRY(parse_key(conversion));
    parse_flags(conversion);
    conversion.width = TRY(parse_size());
    if (conversion.width < 0) {
      conversion.left = true;
      conversion.width = -conversion.width;
    }
    if (rest_.starts_with('.')) {
      rest_.remove_prefix(1);
      const std::int64_t precision = TRY(parse_size());
      if (precision > kMaxPrecision) return budget_.string_too_long();
      conversion.number.precision = static_cast<int>(std::max<std::int64_t>(precision, 0));
    }
    while (!rest_.empty() && (rest_[0] == 'h' || rest_[0] == 'l' || rest_[0] == 'L'))
      rest_.remove_prefix(1);
    if (rest_.empty()) return raise("incomplete format");
    conversion.number.type = rest_[0];
    rest_.remove_prefix(1);
    if (conversion.number.type == '%') {
      out_.append("%");
      return {};
    }
    return append(conversion, TRY(argument(conversion)));
  }

  Eval<void> append(const Conversion& conversion, const Value& value) {
    switch (conversion.number.type) {
      case 's':
      case 'r':
      case 'a':
        return append_string(conversion, value);
      case 'c':
        return append_character(conversion, value);
      case 'd':
      case 'i':
      case 'u':
      case 'o':
      case 'x':
      case 'X':
        return append_integer(conversion, value);
      case 'e':
      case 'E':
      case 'f':
      case 'F':
      case 'g':
      case 'G': {
        if (value.is_undefined()) return raise("{}", value.undefined_message());
        if (!value.is_number()) return raise("must be real number, not {}", type_name(value));
        return append_number(conversion, format_float(value.number(), conversion.number));
      }
      default:
        return raise("unsupported format character {}",
                     quoted(std::string_view(&conversion.number.type, 1)));
    }
  }

  Eval<void> append_string(const Conversion& conversion, const Value& value) {
    TextBuilder builder(budget_);
    if (conversion.number.type == 's') {
      TRY(append_str(budget_, builder, value));
    } else {
      TRY(append_repr(budget_, builder, value));
    }
    TextPtr text = TRY(builder.finish());
    if (format_.safe && !(value.is_string() && value.text()->safe)) {
      builder.append_escaped(*text);
      text = TRY(builder.finish());
    }
    if (conversion.number.precision) {
      builder.append(*text, 0,
                     byte_offset(*text, static_cast<std::size_t>(*conversion.number.precision)));
      text = TRY(builder.finish());
    }
    append_padded(out_, *text, {" ", conversion.left ? '<' : '>', conversion.width});
    return out_.status();
  }

  Eval<void> append_character(const Conversion& conversion, const Value& value) {
    std::string character;
    if (value.is_integral()) {
      if (value.integer() < 0 || value.integer() > 0x10FFFF)
        return raise("%c arg not in range(0x110000)");
      append_utf8(character, static_cast<char32_t>(value.integer()));
    } else if (value.is_string() && value.text()->characters == 1) {
      append_padded(out_, *value.text(), {" ", conversion.left ? '<' : '>', conversion.width});
      return out_.status();
    } else {
      return raise("%c requires int or char");
    }
    append_padded(out_, *make_text(character),
                  {" ", conversion.left ? '<' : '>', conversion.width});
    return out_.status();
  }

  Eval<void> append_integer(const Conversion& conversion, const Value& value) {
    if (value.is_undefined()) return raise("{}", value.undefined_message());
    const char type = conversion.number.type;
    const bool decimal = type == 'd' || type == 'i' || type == 'u';
    if (!value.is_integral() && !(decimal && value.is_number()))
      return raise("%{} format: {} is required, not {}", type,
                   decimal ? "a real number" : "an integer", type_name(value));
    std::int64_t number = 0;
    if (value.is_integral()) {
      number = value.integer();
    } else {
      const double whole = std::trunc(value.number());
      if (!(whole > -9.2e18 && whole < 9.2e18)) return raise("%d of a number that is too large");
      number = static_cast<std::int64_t>(whole);
    }
    FormattedNumber formatted = format_integer(number, conversion.number);
    const auto precision = static_cast<std::size_t>(conversion.number.precision.value_or(0));
    if (formatted.digits.size() < precision)
      formatted.digits.insert(0, precision - formatted.digits.size(), '0');
    return append_number(conversion, formatted);
  }

  Eval<void> append_number(const Conversion& conversion, const FormattedNumber& number) {
    if (!conversion.zero || conversion.left) {
      append_padded(out_, *make_text(number.prefix + number.digits),
                    {" ", conversion.left ? '<' : '>', conversion.width});
      return out_.status();
    }
    out_.append(number.prefix);
    append_padded(out_, *make_text(number.digits),
                  {"0", '>', conversion.width - static_cast<std::int64_t>(number.prefix.size())});
    return out_.status();
  }

  Budget& budget_;
  const Text& format_;
  std::string_view rest_;
  const Value& arguments_;
  std::size_t next_ = 0;
  TextBuilder out_;
};

}  // namespace

Eval<Value> format_percent(Budget& budget, const Text& format, const Value& arguments) {
  return PercentFormat(budget, format, arguments).run();
}

}  // namespace bantam::jinja
