#include "chat/jinja/print.h"

#include <charconv>
#include <cmath>

#include "base/unicode.h"

namespace bantam::jinja {
namespace {

bool is_printable(char32_t c) { return c == ' ' || !(is_control(c) || is_whitespace(c)); }

std::string hex_escape(char32_t c) {
  const auto code = static_cast<std::uint32_t>(c);
  if (c <= 0xFF) return fmt::format("\\x{:02x}", code);
  return c <= 0xFFFF ? fmt::format("\\u{:04x}", code) : fmt::format("\\U{:08x}", code);
}

// The text with some characters replaced: escape(c) gives what stands for c, or nothing where c
// stands for itself.
template <typename Escape>
void append_escaping(TextBuilder& out, const Text& text, Escape escape) {
  const std::string_view bytes = text.bytes;
  std::size_t done = 0;
  for (std::size_t at = 0; at < bytes.size();) {
    const DecodedChar next = decode_utf8(bytes.substr(at));
    if (const std::string replacement = escape(next.codepoint); !replacement.empty()) {
      out.append(text, done, at);
      out.append(replacement, origin_at(text, at));
      done = at + next.bytes;
    }
    at += next.bytes;
  }
  out.append(text, done, bytes.size());
}

void append_string_repr(TextBuilder& out, const Text& text) {
  const bool doubled =
      text.bytes.find('\'') != text.bytes.npos && text.bytes.find('"') == text.bytes.npos;
  const char quote = doubled ? '"' : '\'';
  if (text.safe) out.append("Markup(");
  out.fill(quote, 1);
  append_escaping(out, text, [quote](char32_t c) -> std::string {
    switch (c) {
      case '\n':
        return "\\n";
      case '\r':
        return "\\r";
      case '\t':
        return "\\t";
      case '\\':
        return "\\\\";
      default:
        break;
    }
    if (c == static_cast<char32_t>(quote)) return {'\\', quote};
    return is_printable(c) ? std::string() : hex_escape(c);
  });
  out.fill(quote, 1);
  if (text.safe) out.append(")");
}

Eval<void> append_items(Budget& budget, TextBuilder& out, const List& list) {
  out.append(list.tuple ? "(" : "[");
  for (std::size_t i = 0; i < list.items.size(); ++i) {
    if (i > 0) out.append(", ");
    TRY(append_repr(budget, out, list.items[i]));
  }
  out.append(!list.tuple ? "]" : list.items.size() == 1 ? ",)" : ")");
  return {};
}

Eval<void> append_entries(Budget& budget, TextBuilder& out, const Dict& dict) {
  out.append("{");
  bool first = true;
  for (const auto& [key, value] : dict.entries()) {
    if (!std::exchange(first, false)) out.append(", ");
    TRY(append_repr(budget, out, key));
    out.append(": ");
    TRY(append_repr(budget, out, value));
  }
  out.append("}");
  return {};
}

std::string json_escape(char32_t c, bool ascii) {
  if (c >= 0x20 && (c < 0x7F || !ascii) && c != '"' && c != '\\') return {};
  switch (c) {
    case '"':
      return "\\\"";
    case '\\':
      return "\\\\";
    case '\n':
      return "\\n";
    case '\r':
      return "\\r";
    case '\t':
      return "\\t";
    case '\f':
      return "\\f";
    case '\b':
      return "\\b";
    default:
      break;
  }
  const auto code = static_cast<std::uint32_t>(c);
  if (c < 0x10000) return fmt::format("\\u{:04x}", code);
  const std::uint32_t offset = code - 0x10000;
  return fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + (offset >> 10), 0xDC00 + (offset & 0x3FF));
}

void append_json_string(TextBuilder& out, const Text& text, bool ascii) {
  out.append("\"");
  append_escaping(out, text, [ascii](char32_t c) { return json_escape(c, ascii); });
  out.append("\"");
}

std::string json_float(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  return float_repr(value);
}

class JsonWriter {
 public:
  JsonWriter(Budget& budget, TextBuilder& out, const JsonOptions& options)
      : budget_(budget), out_(out), options_(options) {}

  Eval<void> write(const Value& value) {
    TRY(budget_.step());
    switch (value.kind()) {
      case Value::Kind::kNone:
        out_.append("null");
        return {};
      case Value::Kind::kBool:
        out_.append(value.boolean() ? "true" : "false");
        return {};
      case Value::Kind::kInteger:
        out_.append(fmt::format("{}", value.integer()));
        return {};
      case Value::Kind::kFloat:
        out_.append(json_float(value.number()));
        return {};
      case Value::Kind::kString:
        append_json_string(out_, *value.text(), options_.ascii);
        return {};
      case Value::Kind::kList:
        return write_list(value.list());
      case Value::Kind::kDict:
        return write_dict(value.dict());
      default:
        return raise("Object of type {} is not JSON serializable", type_name(value));
    }
  }

 private:
  void new_line() {
    if (!options_.indented) return;
    out_.append("\n");
    for (std::size_t i = 0; i < level_ && !out_.over_limit(); ++i) out_.append(options_.indent);
  }
  void separate(bool first) {
    if (!first) out_.append(*options_.item_separator);
    new_line();
  }

  Eval<void> write_list(const List& list) {
    if (list.items.empty()) {
      out_.append("[]");
      return {};
    }
    out_.append("[");
    ++level_;
    for (std::size_t i = 0; i < list.items.size(); ++i) {
      separate(i == 0);
      TRY(write(list.items[i]));
    }
    --level_;
    new_line();
    out_.append("]");
    return {};
  }

  Eval<void> write_dict(const Dict& dict) {
    if (dict.size() == 0) {
      out_.append("{}");
      return {};
    }
    std::vector<Value> keys, values;
    for (const auto& [key, value] : dict.entries()) {
      keys.push_back(key);
      values.push_back(value);
    }
    if (options_.sort_keys) TRY(sort_by(budget_, keys, values, false));
    out_.append("{");
    ++level_;
    for (std::size_t i = 0; i < keys.size(); ++i) {
      separate(i == 0);
      TRY(write_key(keys[i]));
      out_.append(*options_.key_separator);
      TRY(write(values[i]));
    }
    --level_;
    new_line();
    out_.append("}");
    return {};
  }

  Eval<void> write_key(const Value& key) {
    if (key.is_string()) return write(key);
    if (!key.is_number() && !key.is_none())
      return raise("keys must be str, int, float, bool or None, not {}", type_name(key));
    out_.append("\"");
    TRY(write(key));
    out_.append("\"");
    return {};
  }

  Budget& budget_;
  TextBuilder& out_;
  const JsonOptions& options_;
  std::size_t level_ = 0;
};

}  // namespace

std::string float_repr(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  // Scientific first, to learn the exponent: Python writes it out from 1e16 and below 1e-4.
  char buffer[64];
  const auto scientific =
      std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific);
  const std::string_view digits(buffer, static_cast<std::size_t>(scientific.ptr - buffer));
  const std::size_t e = digits.find('e');
  int exponent = 0;
  const std::size_t number = digits[e + 1] == '+' ? e + 2 : e + 1;
  std::from_chars(digits.data() + number, scientific.ptr, exponent);
  if (exponent < -4 || exponent >= 16) return std::string(digits);
  char fixed[64];
  const auto end = std::to_chars(fixed, fixed + sizeof fixed, value, std::chars_format::fixed);
  std::string text(fixed, end.ptr);
  if (text.find('.') == text.npos) text += ".0";
  return text;
}

Eval<void> append_str(Budget& budget, TextBuilder& out, const Value& value) {
  if (value.is_string()) {
    out.append(*value.text());
    return out.status();
  }
  if (value.is_undefined()) return {};
  return append_repr(budget, out, value);
}

Eval<void> append_repr(Budget& budget, TextBuilder& out, const Value& value) {
  TRY(budget.step());
  switch (value.kind()) {
    case Value::Kind::kNone:
      out.append("None");
      break;
    case Value::Kind::kUndefined:
      out.append("Undefined");
      break;
    case Value::Kind::kBool:
      out.append(value.boolean() ? "True" : "False");
      break;
    case Value::Kind::kInteger:
      out.append(fmt::format("{}", value.integer()));
      break;
    case Value::Kind::kFloat:
      out.append(float_repr(value.number()));
      break;
    case Value::Kind::kString:
      append_string_repr(out, *value.text());
      break;
    case Value::Kind::kList:
      TRY(append_items(budget, out, value.list()));
      break;
    case Value::Kind::kDict:
      TRY(append_entries(budget, out, value.dict()));
      break;
    case Value::Kind::kObject:
      TRY(value.object().print(budget, out));
      break;
  }
  return out.status();
}

Eval<TextPtr> to_text(Budget& budget, const Value& value) {
  if (value.is_string()) return value.text();
  TextBuilder out(budget);
  TRY(append_str(budget, out, value));
  return out.finish();
}

Eval<void> append_json(Budget& budget, TextBuilder& out, const Value& value,
                       const JsonOptions& options) {
  TRY(JsonWriter(budget, out, options).write(value));
  return out.status();
}

}  // namespace bantam::jinja
