#include <algorithm>

#include "base/unicode.h"
#include "chat/jinja/arguments.h"
#include "chat/jinja/filters.h"
#include "chat/jinja/format.h"
#include "chat/jinja/lexer.h"
#include "chat/jinja/number_format.h"
#include "chat/jinja/print.h"
#include "chat/jinja/text_functions.h"

namespace bantam::jinja {
namespace {

using TextFunction = Eval<TextPtr> (*)(Budget& budget, const Text& text);

template <TextFunction function>
Eval<Value> plain_filter(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  TRY(bind_arguments("filter", arguments, {}));
  return Value(TRY(function(interpreter.budget(), *TRY(interpreter.text_of(self)))));
}

Eval<Value> string_filter(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  TRY(bind_arguments("string", arguments, {}));
  return Value(TRY(interpreter.text_of(self)));
}

Eval<Value> trim_filter(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  constexpr Parameters<1> kNames = {"chars"};
  const auto bound = TRY(bind_arguments("trim", arguments, kNames));
  const TextPtr text = TRY(interpreter.text_of(self));
  const Value* set = given(bound[0]);
  const TextPtr characters = set == nullptr ? nullptr : TRY(string_argument(*set, "trim"));
  return Value(TRY(strip(interpreter.budget(), *text, characters.get(), Side::kBoth)));
}

Eval<Value> replace_filter(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  constexpr Parameters<3> kNames = {"old", "new", "count"};
  const auto bound = TRY(bind_arguments("replace", arguments, kNames, 2));
  Text text = *TRY(interpreter.text_of(self));
  text.safe = false;
  const TextPtr what = TRY(interpreter.text_of(*bound[0]));
  const TextPtr with = TRY(interpreter.text_of(*bound[1]));
  const std::int64_t count = TRY(integer_or(given(bound[2]), -1, "replace"));
  return Value(TRY(replace(interpreter.budget(), text, what->bytes, *with, count)));
}

Eval<Value> indent_filter(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  constexpr Parameters<3> kNames = {"width", "first", "blank"};
  const auto bound = TRY(bind_arguments("indent", arguments, kNames));
  Budget& budget = interpreter.budget();
  TextPtr indention;
  if (bound[0] != nullptr && bound[0]->is_string()) {
    indention = bound[0]->text();
  } else {
    TextBuilder spaces(budget);
    spaces.fill(' ', static_cast<std::size_t>(
                         std::max<std::int64_t>(TRY(integer_or(bound[0], 4, "indent")), 0)));
    indention = TRY(spaces.finish());
  }
  const bool first = boolean_or(bound[1], false), blank = boolean_or(bound[2], false);
  const TextPtr text = TRY(string_argument(self, "indent"));
  // A line end is added, as then the last line is one even if it is empty.
  TextBuilder ended(budget);
  ended.append(*text);
  ended.append("\n");
  const std::vector<Value> lines = TRY(split_lines(budget, *TRY(ended.finish()), false));
  TextBuilder out(budget);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) out.append("\n");
    if (i == 0 ? first : blank || !lines[i].bytes().empty()) out.append(*indention);
    out.append(*lines[i].text());
  }
  return Value(TRY(out.finish(text->safe)));
}

Eval<Value> center_filter(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  constexpr Parameters<1> kNames = {"width"};
  const auto bound = TRY(bind_arguments("center", arguments, kNames));
  const TextPtr text = TRY(interpreter.text_of(self));
  const std::int64_t width = TRY(integer_or(bound[0], 80, "center"));
  TextBuilder out(interpreter.budget());
  append_centered(out, *text, width, " ");
  return Value(TRY(out.finish(text->safe)));
}

Eval<Value> truncate_filter(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  constexpr Parameters<4> kNames = {"length", "killwords", "end", "leeway"};
  const auto bound = TRY(bind_arguments("truncate", arguments, kNames));
  const TextPtr text = TRY(string_argument(self, "truncate"));
  const auto length = TRY(integer_or(bound[0], 255, "truncate"));
  const TextPtr end =
      bound[2] == nullptr ? make_text("...") : TRY(string_argument(*bound[2], "truncate"));
  const auto leeway = TRY(integer_or(given(bound[3]), 5, "truncate"));
  const auto tail = static_cast<std::int64_t>(end->characters);
  if (length < tail || leeway < 0) return raise("truncate() with an impossible length or leeway");
  if (static_cast<std::int64_t>(text->characters) - leeway <= length) return Value(text);
  std::size_t cut = byte_offset(*text, static_cast<std::size_t>(length - tail));
  if (!boolean_or(bound[1], false)) {
    const std::size_t space = std::string_view(text->bytes).substr(0, cut).rfind(' ');
    if (space != text->bytes.npos) cut = space;
  }
  TextBuilder out(interpreter.budget());
  out.append(*text, 0, cut);
  out.append(*end);
  return Value(TRY(out.finish(text->safe)));
}

Eval<Value> wordcount_filter(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  TRY(bind_arguments("wordcount", arguments, {}));
  const TextPtr text = TRY(interpreter.text_of(self));
  TRY(interpreter.budget().step(text->bytes.size() / 64));
  std::size_t words = 0;
  bool in_word = false;
  for (std::size_t at = 0; at < text->bytes.size();) {
    const DecodedChar next = decode_utf8(std::string_view(text->bytes).substr(at));
    const bool part =
        next.codepoint == '_' || is_letter(next.codepoint) || is_number(next.codepoint);
    if (part && !in_word) ++words;
    in_word = part;
    at += next.bytes;
  }
  return Value::size(words);
}

Eval<Value> format_filter(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  if (!arguments.positional.empty() && !arguments.named.empty())
    return raise("can't handle positional and keyword arguments at the same time");
  const TextPtr text = TRY(interpreter.text_of(self));
  if (arguments.named.empty()) {
    const Value tuple = TRY(interpreter.list_of(std::move(arguments.positional), true));
    return format_percent(interpreter.budget(), *text, tuple);
  }
  std::vector<Dict::Entry> entries;
  for (auto& [name, value] : arguments.named)
    entries.emplace_back(Value::literal(name), std::move(value));
  const Value dict(TRY(Dict::make(interpreter.budget(), std::move(entries))));
  return format_percent(interpreter.budget(), *text, dict);
}

Eval<Value> safe_filter(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  TRY(bind_arguments("safe", arguments, {}));
  const TextPtr text = TRY(interpreter.text_of(self));
  TextBuilder out(interpreter.budget());
  out.append(*text);
  return Value(TRY(out.finish(true)));
}

Eval<Value> forceescape_filter(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  TRY(bind_arguments("escape", arguments, {}));
  const TextPtr text = TRY(interpreter.text_of(self));
  TextBuilder out(interpreter.budget());
  out.append_escaped(*text);
  return Value(TRY(out.finish(true)));
}

Eval<Value> escape_filter(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  if (self.is_string() && self.text()->safe) return self;
  return forceescape_filter(interpreter, self, arguments);
}

// Everything but letters, digits and _.-~ (and "/", unless it is part of a query) as %XX.
void append_quoted(TextBuilder& out, const Text& text, bool query) {
  for (std::size_t at = 0; at < text.bytes.size() && !out.over_limit(); ++at) {
    const char c = text.bytes[at];
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("_.-~").find(c) != std::string_view::npos ||
                       (c == '/' && !query);
    if (plain) {
      out.append(text, at, at + 1);
    } else if (c == ' ' && query) {
      out.append("+", origin_at(text, at));
    } else {
      out.append(fmt::format("%{:02X}", static_cast<unsigned char>(c)), origin_at(text, at));
    }
  }
}

Eval<Value> urlencode_filter(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  TRY(bind_arguments("urlencode", arguments, {}));
  TextBuilder out(interpreter.budget());
  const bool pairs =
      self.is_dict() || self.is_list() || (self.is_object() && self.object().iterable());
  if (!pairs) {
    append_quoted(out, *TRY(interpreter.text_of(self)), false);
    return Value(TRY(out.finish()));
  }
  std::vector<Dict::Entry> entries;
  if (self.is_dict()) {
    entries = self.dict().entries();
  } else {
    const ListPtr all = TRY(interpreter.iterate(self));
    for (const Value& pair : all->items) {
      const ListPtr parts = TRY(interpreter.iterate(pair));
      if (parts->items.size() != 2) return raise("urlencode wants pairs");
      entries.emplace_back(parts->items[0], parts->items[1]);
    }
  }
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (i > 0) out.append("&");
    append_quoted(out, *TRY(interpreter.text_of(entries[i].first)), true);
    out.append("=");
    append_quoted(out, *TRY(interpreter.text_of(entries[i].second)), true);
  }
  return Value(TRY(out.finish()));
}

Eval<JsonOptions> json_options(Budget& budget, const std::vector<const Value*>& bound) {
  JsonOptions options;
  options.ascii = boolean_or(bound[0], false);
  options.sort_keys = boolean_or(bound[3], false);
  if (const Value* indent = given(bound[1])) {
    options.indented = true;
    if (indent->is_string()) {
      options.indent = indent->bytes();
    } else {
      const std::int64_t width = TRY(integer_or(indent, 0, "tojson"));
      if (width > 1000) return budget.string_too_long();
      options.indent.assign(static_cast<std::size_t>(std::max<std::int64_t>(width, 0)), ' ');
    }
  }
  options.item_separator = make_text(options.indented ? "," : ", ");
  options.key_separator = make_text(": ");
  if (const Value* separators = given(bound[2])) {
    if (!separators->is_list() || separators->list().items.size() != 2)
      return raise("separators must be a pair");
    options.item_separator = TRY(string_argument(separators->list().items[0], "tojson"));
    options.key_separator = TRY(string_argument(separators->list().items[1], "tojson"));
  }
  return options;
}

Eval<Value> tojson_filter(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  constexpr Parameters<4> kNames = {"ensure_ascii", "indent", "separators", "sort_keys"};
  const auto bound = TRY(bind_arguments("tojson", arguments, kNames));
  const JsonOptions options = TRY(json_options(interpreter.budget(), bound));
  TextBuilder out(interpreter.budget());
  TRY(append_json(interpreter.budget(), out, self, options));
  return Value(TRY(out.finish()));
}

constexpr NamedFunction kFilters[] = {
    {"capitalize", plain_filter<capitalize>},
    {"center", center_filter},
    {"e", escape_filter},
    {"escape", escape_filter},
    {"forceescape", forceescape_filter},
    {"format", format_filter},
    {"indent", indent_filter},
    {"lower", plain_filter<lower>},
    {"replace", replace_filter},
    {"safe", safe_filter},
    {"string", string_filter},
    {"title", plain_filter<title_words>},
    {"tojson", tojson_filter},
    {"trim", trim_filter},
    {"truncate", truncate_filter},
    {"upper", plain_filter<upper>},
    {"urlencode", urlencode_filter},
    {"wordcount", wordcount_filter},
};

}  // namespace

std::span<const NamedFunction> text_filters() { return kFilters; }

}  // namespace bantam::jinja
