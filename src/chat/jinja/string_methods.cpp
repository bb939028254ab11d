// Methods of strings.
#include <algorithm>

#include "base/unicode.h"
#include "chat/jinja/arguments.h"
#include "chat/jinja/casing.h"
#include "chat/jinja/filters.h"
#include "chat/jinja/format.h"
#include "chat/jinja/lexer.h"
#include "chat/jinja/number_format.h"
#include "chat/jinja/operators.h"
#include "chat/jinja/text_functions.h"

namespace bantam::jinja {
namespace {

using TextFunction = Eval<TextPtr> (*)(Budget& budget, const Text& text);

template <TextFunction function>
Eval<Value> plain(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  TRY(bind_arguments("method", arguments, {}));
  return Value(TRY(function(interpreter.budget(), *self.text())));
}

template <Side side>
Eval<Value> strip_method(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  constexpr Parameters<1> kNames = {""};
  const auto bound = TRY(bind_arguments("strip", arguments, kNames));
  const Value* set = given(bound[0]);
  const TextPtr characters = set == nullptr ? nullptr : TRY(string_argument(*set, "strip"));
  return Value(TRY(strip(interpreter.budget(), *self.text(), characters.get(), side)));
}

template <bool kFromRight>
Eval<Value> split_method(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  constexpr Parameters<2> kNames = {"sep", "maxsplit"};
  const auto bound = TRY(bind_arguments("split", arguments, kNames));
  const Value* separator = given(bound[0]);
  const TextPtr between =
      separator == nullptr ? nullptr : TRY(string_argument(*separator, "split"));
  const std::int64_t count = TRY(integer_or(bound[1], -1, "split"));
  return interpreter.list_of(
      TRY(split(interpreter.budget(), *self.text(), between.get(), count, kFromRight)));
}

Eval<Value> splitlines(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  constexpr Parameters<1> kNames = {"keepends"};
  const auto bound = TRY(bind_arguments("splitlines", arguments, kNames));
  return interpreter.list_of(
      TRY(split_lines(interpreter.budget(), *self.text(), boolean_or(bound[0], false))));
}

template <bool kFromRight>
Eval<Value> partition(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  constexpr Parameters<1> kNames = {""};
  const auto bound = TRY(bind_arguments("partition", arguments, kNames, 1));
  const TextPtr separator = TRY(string_argument(*bound[0], "partition"));
  if (separator->bytes.empty()) return raise("empty separator");
  Budget& budget = interpreter.budget();
  const Text& text = *self.text();
  const std::size_t at = kFromRight ? find_last(text.bytes, separator->bytes)
                                    : find_first(text.bytes, separator->bytes);
  std::vector<Value> parts(3, Value::literal(""));
  if (at == text.bytes.npos) {
    parts[kFromRight ? 2 : 0] = self;
  } else {
    const std::size_t end = at + separator->bytes.size();
    parts[0] = Value(TRY(substring(budget, text, 0, at)));
    parts[1] = Value(TRY(substring(budget, text, at, end)));
    parts[2] = Value(TRY(substring(budget, text, end, text.bytes.size())));
  }
  return interpreter.list_of(std::move(parts), true);
}

Eval<Value> replace_method(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  constexpr Parameters<3> kNames = {"", "", ""};
  const auto bound = TRY(bind_arguments("replace", arguments, kNames, 2));
  Budget& budget = interpreter.budget();
  const TextPtr what = TRY(string_argument(*bound[0], "replace"));
  const TextPtr with =
      TRY(escape_like(budget, TRY(string_argument(*bound[1], "replace")), *self.text()));
  const std::int64_t count = TRY(integer_or(bound[2], -1, "replace"));
  return Value(TRY(replace(budget, *self.text(), what->bytes, *with, count)));
}

Eval<Value> join_method(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  constexpr Parameters<1> kNames = {""};
  const auto bound = TRY(bind_arguments("join", arguments, kNames, 1));
  Budget& budget = interpreter.budget();
  const ListPtr items = TRY(interpreter.iterate(*bound[0]));
  TextBuilder out(budget);
  for (std::size_t i = 0; i < items->items.size(); ++i) {
    const Value& item = items->items[i];
    if (!item.is_string())
      return raise("sequence item {}: expected str instance, {} found", i, type_name(item));
    if (i > 0) out.append(*self.text());
    out.append(*TRY(escape_like(budget, item.text(), *self.text())));
  }
  return Value(TRY(out.finish(self.text()->safe)));
}

// The part of the text between the optional second and third argument, as find() and its like take
// them: in bytes, with the offset of its first character. Nothing if it begins behind the end.
struct Window {
  std::string_view bytes;
  std::size_t begin = 0;  // bytes before it
};
Eval<std::optional<Window>> window(Interpreter& interpreter, const Text& text, const Value* start,
                                   const Value* stop, std::string_view function) {
  TRY(interpreter.budget().step(text.bytes.size() / 64));
  const auto size = static_cast<std::int64_t>(text.characters);
  const auto clamp = [size](std::int64_t at) {
    return at < 0 ? std::max<std::int64_t>(at + size, 0) : at;
  };
  const std::int64_t first = clamp(TRY(integer_or(given(start), 0, function)));
  const std::int64_t last = std::min(clamp(TRY(integer_or(given(stop), size, function))), size);
  if (first > last) return std::nullopt;
  const std::size_t begin = byte_offset(text, static_cast<std::size_t>(first));
  const std::size_t end = byte_offset(text, static_cast<std::size_t>(last));
  return Window{std::string_view(text.bytes).substr(begin, end - begin), begin};
}

template <bool kLast, bool kMust>
Eval<Value> find_method(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  constexpr Parameters<3> kNames = {"", "", ""};
  const auto bound = TRY(bind_arguments("find", arguments, kNames, 1));
  const TextPtr what = TRY(string_argument(*bound[0], "find"));
  const auto part = TRY(window(interpreter, *self.text(), bound[1], bound[2], "find"));
  std::size_t at = std::string_view::npos;
  if (part) at = kLast ? find_last(part->bytes, what->bytes) : find_first(part->bytes, what->bytes);
  if (at != std::string_view::npos)
    return Value::size(count_characters(self.bytes().substr(0, part->begin + at)));
  if (kMust) return raise("substring not found");
  return Value(std::int64_t{-1});
}

Eval<Value> count_method(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  constexpr Parameters<3> kNames = {"", "", ""};
  const auto bound = TRY(bind_arguments("count", arguments, kNames, 1));
  const TextPtr what = TRY(string_argument(*bound[0], "count"));
  const auto part = TRY(window(interpreter, *self.text(), bound[1], bound[2], "count"));
  if (!part) return Value(std::int64_t{0});
  if (what->bytes.empty()) return Value::size(count_characters(part->bytes) + 1);
  std::size_t count = 0;
  for (std::size_t at = find_first(part->bytes, what->bytes); at != std::string_view::npos;
       at = find_first(part->bytes, what->bytes, at + what->bytes.size()))
    ++count;
  return Value::size(count);
}

template <bool kEnd>
Eval<Value> affix_method(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  constexpr Parameters<3> kNames = {"", "", ""};
  constexpr std::string_view kName = kEnd ? "endswith" : "startswith";
  const auto bound = TRY(bind_arguments(kName, arguments, kNames, 1));
  if (bound[0]->is_undefined()) return raise("{}", bound[0]->undefined_message());
  const bool several = bound[0]->is_list() && bound[0]->list().tuple;
  if (!several && !bound[0]->is_string())
    return raise("{} first arg must be str or a tuple of str, not {}", kName, type_name(*bound[0]));
  const auto part = TRY(window(interpreter, *self.text(), bound[1], bound[2], kName));
  const std::vector<Value> affixes = several ? bound[0]->list().items : std::vector{*bound[0]};
  for (const Value& affix : affixes) {
    const TextPtr text = TRY(string_argument(affix, kName));
    if (part && (kEnd ? part->bytes.ends_with(text->bytes) : part->bytes.starts_with(text->bytes)))
      return Value(true);
  }
  return Value(false);
}

template <bool kSuffix>
Eval<Value> remove_affix(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  constexpr Parameters<1> kNames = {""};
  const auto bound = TRY(bind_arguments("removeprefix", arguments, kNames, 1));
  const TextPtr affix = TRY(string_argument(*bound[0], "removeprefix"));
  const std::string_view bytes = self.bytes();
  const bool found = kSuffix ? bytes.ends_with(affix->bytes) : bytes.starts_with(affix->bytes);
  if (!found || affix->bytes.empty()) return self;
  const std::size_t begin = kSuffix ? 0 : affix->bytes.size();
  return Value(TRY(substring(interpreter.budget(), *self.text(), begin,
                             begin + bytes.size() - affix->bytes.size())));
}

template <char kAlign>
Eval<Value> justify(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  constexpr Parameters<2> kNames = {"", ""};
  const auto bound = TRY(bind_arguments("justify", arguments, kNames, 1));
  const std::int64_t width = TRY(integer_or(bound[0], 0, "justify"));
  Padding padding{.fill = " ", .align = kAlign, .width = width};
  if (bound[1] != nullptr) {
    const TextPtr fill = TRY(string_argument(*bound[1], "justify"));
    if (fill->characters != 1)
      return raise("the fill character must be exactly one character long");
    padding.fill = fill->bytes;
  }
  TextBuilder out(interpreter.budget());
  if (kAlign == '^') {
    append_centered(out, *self.text(), width, padding.fill);
  } else {
    append_padded(out, *self.text(), padding);
  }
  return Value(TRY(out.finish(self.text()->safe)));
}

Eval<Value> zfill(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  constexpr Parameters<1> kNames = {""};
  const auto bound = TRY(bind_arguments("zfill", arguments, kNames, 1));
  const std::int64_t width = TRY(integer_or(bound[0], 0, "zfill"));
  const Text& text = *self.text();
  const std::int64_t missing = width - static_cast<std::int64_t>(text.characters);
  const std::size_t sign = !text.bytes.empty() && (text.bytes[0] == '+' || text.bytes[0] == '-');
  TextBuilder out(interpreter.budget());
  out.append(text, 0, sign);
  if (missing > 0) out.fill('0', static_cast<std::size_t>(missing));
  out.append(text, sign, text.bytes.size());
  return Value(TRY(out.finish(text.safe)));
}

Eval<Value> expandtabs(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  constexpr Parameters<1> kNames = {"tabsize"};
  const auto bound = TRY(bind_arguments("expandtabs", arguments, kNames));
  const std::int64_t size = TRY(integer_or(bound[0], 8, "expandtabs"));
  const Text& text = *self.text();
  TextBuilder out(interpreter.budget());
  std::int64_t column = 0;
  for (std::size_t at = 0; at < text.bytes.size() && !out.over_limit();) {
    const std::size_t bytes = decode_utf8(std::string_view(text.bytes).substr(at)).bytes;
    const char c = text.bytes[at];
    if (c == '\t') {
      const std::int64_t spaces = size > 0 ? size - column % size : 0;
      out.fill(' ', static_cast<std::size_t>(spaces));
      column += spaces;
    } else {
      out.append(text, at, at + bytes);
      column = c == '\n' || c == '\r' ? 0 : column + 1;
    }
    at += bytes;
  }
  return Value(TRY(out.finish(text.safe)));
}

Eval<Value> format_method(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  return format_braces(interpreter, *self.text(), arguments);
}

Eval<Value> format_map(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  constexpr Parameters<1> kNames = {""};
  const auto bound = TRY(bind_arguments("format_map", arguments, kNames, 1));
  if (!bound[0]->is_dict()) return raise("format_map() wants a mapping");
  Arguments named;
  for (const auto& [key, value] : bound[0]->dict().entries()) {
    if (key.is_string()) named.named.emplace_back(key.bytes(), value);
  }
  return format_braces(interpreter, *self.text(), named);
}

using CharacterTest = bool (*)(char32_t c);

// True if there is a character and the test holds for all.
template <CharacterTest test>
Eval<Value> all_characters(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  TRY(bind_arguments("method", arguments, {}));
  TRY(interpreter.budget().step(self.bytes().size() / 64));
  const std::string_view bytes = self.bytes();
  for (std::size_t at = 0; at < bytes.size();) {
    const DecodedChar next = decode_utf8(bytes.substr(at));
    if (!test(next.codepoint)) return Value(false);
    at += next.bytes;
  }
  return Value(!bytes.empty());
}

bool is_alphanumeric(char32_t c) { return is_letter(c) || is_number(c); }

Eval<Value> isascii(Interpreter&, const Value& self, Arguments& arguments) {
  TRY(bind_arguments("isascii", arguments, {}));
  return Value(self.text()->ascii());
}

Eval<Value> isidentifier(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  TRY(bind_arguments("isidentifier", arguments, {}));
  TRY(interpreter.budget().step(self.bytes().size() / 64));
  const std::string_view bytes = self.bytes();
  for (std::size_t at = 0; at < bytes.size();) {
    const DecodedChar next = decode_utf8(bytes.substr(at));
    const char32_t c = next.codepoint;
    if (c != '_' && !is_letter(c) && (at == 0 || !(is_number(c) || is_mark(c))))
      return Value(false);
    at += next.bytes;
  }
  return Value(!bytes.empty());
}

template <bool kUpper>
Eval<Value> has_case(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  return Value(TRY(interpreter.apply_test(kUpper ? "upper" : "lower", self, arguments)));
}

Eval<Value> istitle(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  TRY(bind_arguments("istitle", arguments, {}));
  const Text& text = *self.text();
  bool any = false;
  for (std::size_t at = 0; at < text.bytes.size() && !any;) {
    const DecodedChar next = decode_utf8(std::string_view(text.bytes).substr(at));
    any = is_cased(next.codepoint);
    at += next.bytes;
  }
  return Value(any && TRY(title(interpreter.budget(), text))->bytes == text.bytes);
}

constexpr NamedFunction kMethods[] = {
    {"capitalize", plain<capitalize>},
    {"casefold", plain<fold_case>},
    {"center", justify<'^'>},
    {"count", count_method},
    {"endswith", affix_method<true>},
    {"expandtabs", expandtabs},
    {"find", find_method<false, false>},
    {"format", format_method},
    {"format_map", format_map},
    {"index", find_method<false, true>},
    {"isalnum", all_characters<is_alphanumeric>},
    {"isalpha", all_characters<is_letter>},
    {"isascii", isascii},
    {"isdecimal", all_characters<is_number>},
    {"isdigit", all_characters<is_number>},
    {"isidentifier", isidentifier},
    {"islower", has_case<false>},
    {"isnumeric", all_characters<is_number>},
    {"isspace", all_characters<is_space>},
    {"istitle", istitle},
    {"isupper", has_case<true>},
    {"join", join_method},
    {"ljust", justify<'<'>},
    {"lower", plain<lower>},
    {"lstrip", strip_method<Side::kLeft>},
    {"partition", partition<false>},
    {"removeprefix", remove_affix<false>},
    {"removesuffix", remove_affix<true>},
    {"replace", replace_method},
    {"rfind", find_method<true, false>},
    {"rindex", find_method<true, true>},
    {"rjust", justify<'>'>},
    {"rpartition", partition<true>},
    {"rsplit", split_method<true>},
    {"rstrip", strip_method<Side::kRight>},
    {"split", split_method<false>},
    {"splitlines", splitlines},
    {"startswith", affix_method<false>},
    {"strip", strip_method<Side::kBoth>},
    {"swapcase", plain<swap_case>},
    {"title", plain<title>},
    {"upper", plain<upper>},
    {"zfill", zfill},
};

}  // namespace

std::span<const NamedFunction> string_methods() { return kMethods; }

}  // namespace bantam::jinja
