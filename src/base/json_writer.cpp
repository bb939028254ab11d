#include <algorithm>
#include <cmath>
#include <iterator>

#include "base/json.h"
#include "base/unicode.h"

namespace bantam {
namespace {

using Member = boost::json::key_value_pair;

void append_escape(std::string& out, char32_t c) {
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\b':
      out += "\\b";
      return;
    case '\f':
      out += "\\f";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      break;
  }
  if (c >= 0x10000) {
    const char32_t rest = c - 0x10000;
    fmt::format_to(std::back_inserter(out), "\\u{:04x}\\u{:04x}",
                   static_cast<std::uint32_t>(0xD800 + (rest >> 10)),
                   static_cast<std::uint32_t>(0xDC00 + (rest & 0x3FF)));
  } else {
    fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<std::uint32_t>(c));
  }
}

bool is_plain(unsigned char c) { return c >= 0x20 && c < 0x7F && c != '"' && c != '\\'; }

// An explicit stack, so that how deep a value is nested costs heap and not call frames.
class Writer {
 public:
  explicit Writer(const JsonStyle& style) : style_(style) {}

  std::string run(const Json& root) {
    begin(root);
    while (!open_.empty()) next();
    return std::move(out_);
  }

 private:
  struct Open {
    const Json* value;
    std::size_t done = 0;  // children written
    std::vector<const Member*> sorted = {};
  };

  // Writes a scalar or an empty container; otherwise the opening bracket.
  void begin(const Json& value) {
    if (const auto* object = value.if_object()) {
      out_ += '{';
      if (object->empty()) {
        out_ += '}';
        return;
      }
      open_.push_back({.value = &value});
      if (style_.sort_keys) sort_members(*object, open_.back().sorted);
    } else if (const auto* array = value.if_array()) {
      out_ += '[';
      if (array->empty()) {
        out_ += ']';
        return;
      }
      open_.push_back({.value = &value});
    } else {
      scalar(value);
    }
  }

  static void sort_members(const JsonObject& object, std::vector<const Member*>& sorted) {
    sorted.reserve(object.size());
    for (const auto& member : object) sorted.push_back(&member);
    std::ranges::sort(sorted, {}, [](const Member* m) { return std::string_view(m->key()); });
  }

  // One more child of the innermost container, or its closing bracket.
  void next() {
    Open& open = open_.back();
    const auto* object = open.value->if_object();
    const std::size_t size = object ? object->size() : open.value->get_array().size();
    if (open.done == size) {
      const char bracket = object ? '}' : ']';
      open_.pop_back();
      new_line();
      out_ += bracket;
      return;
    }
    const std::size_t index = open.done++;
    if (index > 0) out_ += style_.item_separator;
    new_line();
    if (!object) {
      begin(open.value->get_array()[index]);
      return;
    }
    const Member& member = style_.sort_keys ? *open.sorted[index] : *(object->begin() + index);
    append_json_string(out_, std::string_view(member.key()), style_.ascii);
    out_ += style_.key_separator;
    begin(member.value());  // may move `open`
  }

  void new_line() {
    if (style_.indent < 0) return;
    out_ += '\n';
    out_.append(static_cast<std::size_t>(style_.indent) * open_.size(), ' ');
  }

  void scalar(const Json& value) {
    if (const auto* text = value.if_string()) {
      append_json_string(out_, std::string_view(*text), style_.ascii);
    } else if (const auto* integer = value.if_int64()) {
      fmt::format_to(std::back_inserter(out_), "{}", *integer);
    } else if (const auto* natural = value.if_uint64()) {
      fmt::format_to(std::back_inserter(out_), "{}", *natural);
    } else if (const auto* real = value.if_double()) {
      append_json_double(out_, *real);
    } else if (const auto* boolean = value.if_bool()) {
      out_ += *boolean ? "true" : "false";
    } else {
      out_ += "null";
    }
  }

  const JsonStyle& style_;
  std::string out_;
  std::vector<Open> open_;
};

}  // namespace

std::string write_json(const Json& value, const JsonStyle& style) {
  return Writer(style).run(value);
}

void append_json_string(std::string& out, std::string_view text, bool ascii) {
  out += '"';
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = at;
    while (end < text.size() && is_plain(static_cast<unsigned char>(text[end]))) ++end;
    out += text.substr(at, end - at);
    if (end == text.size()) break;
    const DecodedChar next = decode_utf8(text.substr(end));
    if (next.codepoint < 0x20 || next.codepoint == '"' || next.codepoint == '\\' || ascii) {
      append_escape(out, next.codepoint);
    } else {
      append_utf8(out, next.codepoint);
    }
    at = end + next.bytes;
  }
  out += '"';
}

void append_json_double(std::string& out, double value) {
  if (!std::isfinite(value)) {
    out += "null";
    return;
  }
  const std::size_t start = out.size();
  fmt::format_to(std::back_inserter(out), "{}", value);
  if (out.find_first_of(".e", start) == out.npos) out += ".0";
}

}  // namespace bantam
