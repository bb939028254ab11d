// The functions that every template can call.
#include <algorithm>

#include "chat/jinja/arguments.h"
#include "chat/jinja/filters.h"
#include "chat/jinja/format.h"
#include "chat/jinja/objects.h"

namespace bantam::jinja {
namespace {

constexpr std::size_t kMaxRange = 100'000;   // as Jinja's sandbox has it
constexpr std::size_t kMaxRaisedText = 200;  // characters of a template's own error
constexpr std::size_t kMaxTimeFormat = 1024;

Eval<Value> range_function(Interpreter&, const Value&, Arguments& arguments) {
  constexpr Parameters<3> kNames = {"", "", ""};
  const auto bound = TRY(bind_arguments("range", arguments, kNames, 1));
  auto range = std::make_shared<RangeObject>();
  const std::int64_t first = TRY(integer_or(bound[0], 0, "range"));
  range->start = bound[1] == nullptr ? 0 : first;
  range->stop = TRY(integer_or(bound[1], first, "range"));
  range->step = TRY(integer_or(bound[2], 1, "range"));
  if (range->step == 0) return raise("range() arg 3 must not be zero");
  // In unsigned arithmetic the distance never overflows.
  const bool up = range->step > 0;
  const auto start = static_cast<std::uint64_t>(range->start);
  const auto stop = static_cast<std::uint64_t>(range->stop);
  const auto step = static_cast<std::uint64_t>(range->step);
  std::uint64_t count = 0;
  if (up && range->start < range->stop) count = (stop - start - 1) / step + 1;
  if (!up && range->start > range->stop) count = (start - stop - 1) / (0 - step) + 1;
  if (count > kMaxRange)
    return raise_error(ErrorKind::kTooLarge, "template_budget",
                       fmt::format("a range of more than {} numbers", kMaxRange));
  range->count = static_cast<std::size_t>(count);
  return Value(std::shared_ptr<Object>(std::move(range)));
}

// The arguments of dict(): pairs or a dict, and names.
Eval<std::vector<Dict::Entry>> dict_entries(Interpreter& interpreter, std::string_view function,
                                            Arguments& arguments) {
  if (arguments.positional.size() > 1)
    return raise("{} expected at most 1 argument, got {}", function, arguments.positional.size());
  std::vector<Dict::Entry> entries;
  if (!arguments.positional.empty()) {
    const Value& source = arguments.positional[0];
    if (source.is_dict()) {
      TRY(interpreter.budget().allocate(source.dict().size() * sizeof(Dict::Entry)));
      entries = source.dict().entries();
    } else if (source.is_undefined()) {
      return raise("{}", source.undefined_message());
    } else {
      const ListPtr pairs = TRY(interpreter.iterate(source));
      for (const Value& pair : pairs->items) {
        const ListPtr parts = TRY(interpreter.iterate(pair));
        if (parts->items.size() != 2)
          return raise("dictionary update sequence element has length {}; 2 is required",
                       parts->items.size());
        entries.emplace_back(parts->items[0], parts->items[1]);
      }
    }
  }
  for (auto& [name, value] : arguments.named)
    entries.emplace_back(Value::literal(name), std::move(value));
  return entries;
}

Eval<Value> dict_function(Interpreter& interpreter, const Value&, Arguments& arguments) {
  auto entries = TRY(dict_entries(interpreter, "dict", arguments));
  return Value(TRY(Dict::make(interpreter.budget(), std::move(entries))));
}

Eval<Value> namespace_function(Interpreter& interpreter, const Value&, Arguments& arguments) {
  auto entries = TRY(dict_entries(interpreter, "namespace", arguments));
  const DictPtr dict = TRY(Dict::make(interpreter.budget(), std::move(entries)));
  auto object = std::make_shared<NamespaceObject>();
  interpreter.keep(object);
  for (const auto& [key, value] : dict->entries()) {
    if (!key.is_string()) return raise("attribute names of a namespace must be strings");
    object->attributes.emplace_back(key.bytes(), value);
  }
  return Value(std::shared_ptr<Object>(std::move(object)));
}

Eval<Value> cycler_function(Interpreter& interpreter, const Value&, Arguments& arguments) {
  if (!arguments.named.empty() || arguments.positional.empty())
    return raise("cycler() needs at least one item, by position");
  const Value items = TRY(interpreter.list_of(std::move(arguments.positional)));
  auto object = std::make_shared<CyclerObject>();
  object->items = items.list().items;
  object->items_depth = items.depth();
  return Value(std::shared_ptr<Object>(std::move(object)));
}

Eval<Value> joiner_function(Interpreter& interpreter, const Value&, Arguments& arguments) {
  constexpr Parameters<1> kNames = {"sep"};
  const auto bound = TRY(bind_arguments("joiner", arguments, kNames));
  auto object = std::make_shared<JoinerObject>();
  object->separator = bound[0] == nullptr ? make_text(", ") : TRY(interpreter.text_of(*bound[0]));
  return Value(std::shared_ptr<Object>(std::move(object)));
}

Eval<Value> raise_exception_function(Interpreter& interpreter, const Value&, Arguments& arguments) {
  constexpr Parameters<1> kNames = {"message"};
  const auto bound = TRY(bind_arguments("raise_exception", arguments, kNames, 1));
  const TextPtr text = TRY(interpreter.text_of(*bound[0]));
  std::string message = text->bytes.substr(0, byte_offset(*text, kMaxRaisedText));
  if (message.size() < text->bytes.size()) message += "…";
  std::replace_if(
      message.begin(), message.end(),
      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }, ' ');
  return raise("the template refuses: {}", message);
}

Eval<Value> strftime_now_function(Interpreter& interpreter, const Value&, Arguments& arguments) {
  constexpr Parameters<1> kNames = {"format"};
  const auto bound = TRY(bind_arguments("strftime_now", arguments, kNames, 1));
  const TextPtr format = TRY(string_argument(*bound[0], "strftime_now"));
  if (!interpreter.now()) return raise("the template asks for the time, which was not given");
  if (format->bytes.size() > kMaxTimeFormat) return raise("strftime_now() with too long a format");
  TextBuilder out(interpreter.budget());
  out.append(format_time(format->bytes, *interpreter.now()), format->origin());
  return Value(TRY(out.finish()));
}

constexpr NamedFunction kGlobals[] = {
    {"cycler", cycler_function},
    {"dict", dict_function},
    {"joiner", joiner_function},
    {"namespace", namespace_function},
    {"raise_exception", raise_exception_function},
    {"range", range_function},
    {"strftime_now", strftime_now_function},
};

}  // namespace

std::span<const NamedFunction> global_functions() { return kGlobals; }

}  // namespace bantam::jinja
