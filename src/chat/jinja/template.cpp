#include "chat/jinja/template.h"

#include <utility>

#include "base/unicode.h"
#include "chat/jinja/functions.h"
#include "chat/jinja/interpreter.h"
#include "chat/jinja/lexer.h"
#include "chat/jinja/parser.h"

namespace bantam::jinja {
namespace {

// Messages carry names and values of the template: kept to what a line can hold.
constexpr std::size_t kMaxMessage = 700;

std::unexpected<Error> outward(std::unique_ptr<Error> error) {
  std::string& message = error->message;
  if (message.size() > kMaxMessage) {
    std::size_t end = kMaxMessage;
    while ((static_cast<unsigned char>(message[end]) & 0xC0) == 0x80) --end;
    message = message.substr(0, end) + "…";
  }
  return std::unexpected(std::move(*error));
}

class JsonImporter {
 public:
  explicit JsonImporter(Origin origin) : origin_(origin), budget_(Limits{.fuel = kFree}) {}

  Result<Value> import(const Json& json, std::size_t depth) {
    if (depth > kMaxValueDepth)
      return fail(ErrorKind::kTooLarge, "template_depth", "values nested deeper than {}",
                  kMaxValueDepth);
    switch (json.kind()) {
      case boost::json::kind::null:
        return Value();
      case boost::json::kind::bool_:
        return Value(json.get_bool());
      case boost::json::kind::int64:
        return Value(json.get_int64());
      case boost::json::kind::double_:
        return Value(json.get_double());
      case boost::json::kind::uint64:
        if (json.get_uint64() > 0x7FFF'FFFF'FFFF'FFFF)
          return fail(ErrorKind::kUnsupported, "integer_too_large",
                      "the integer {} does not fit in 64 bits with sign", json.get_uint64());
        return Value(static_cast<std::int64_t>(json.get_uint64()));
      case boost::json::kind::string:
        return import_text(json.get_string());
      case boost::json::kind::array:
        return import_array(json.get_array(), depth);
      case boost::json::kind::object:
        return import_object(json.get_object(), depth);
    }
    return Value();
  }

 private:
  // Inputs are as large as they are; nothing here multiplies.
  static constexpr std::int64_t kFree = std::int64_t{1} << 60;

  Result<Value> import_text(std::string_view text) const {
    if (!is_valid_utf8(text))
      return fail(ErrorKind::kMalformed, "invalid_utf8", "text that is not UTF-8 at byte {}",
                  first_invalid_utf8(text));
    return Value(make_text(std::string(text), origin_));
  }

  Result<Value> import_array(const JsonArray& array, std::size_t depth) {
    std::vector<Value> items;
    items.reserve(array.size());
    for (std::size_t i = 0; i < array.size(); ++i) {
      auto item = import(array[i], depth + 1);
      if (!item) return std::unexpected(at(std::move(item).error(), fmt::format("/{}", i)));
      items.push_back(std::move(*item));
    }
    auto list = make_list(budget_, std::move(items));
    if (!list) return outward(std::move(list).error());
    return std::move(*list);
  }

  Result<Value> import_object(const JsonObject& object, std::size_t depth) {
    std::vector<Dict::Entry> entries;
    entries.reserve(object.size());
    for (const auto& [key, value] : object) {
      auto member = import(value, depth + 1);
      const std::string_view name(key.data(), key.size());
      if (!member) return std::unexpected(at(std::move(member).error(), fmt::format("/{}", name)));
      entries.emplace_back(TRY(import_text(name)), std::move(*member));
    }
    auto dict = Dict::make(budget_, std::move(entries));
    if (!dict) return outward(std::move(dict).error());
    return Value(std::move(*dict));
  }

  static Error at(Error error, std::string_view step) {
    error.where = fmt::format("{}{}", step, error.where);
    return error;
  }

  const Origin origin_;
  Budget budget_;
};

}  // namespace

Result<Value> from_json(const Json& json, Origin origin, std::string_view pointer) {
  auto value = JsonImporter(origin).import(json, 0);
  if (!value) value.error().where = fmt::format("{}{}", pointer, value.error().where);
  return value;
}

Result<std::shared_ptr<const Template>> Template::parse(std::string_view text) {
  if (!is_valid_utf8(text))
    return fail(ErrorKind::kMalformed, "template_invalid",
                "the chat template is not UTF-8 at byte {}", first_invalid_utf8(text));
  auto program = parse_program(normalize_source(text));
  if (!program) return outward(std::move(program).error());
  std::shared_ptr<Template> parsed(new Template());
  parsed->program_ = std::move(*program);
  for (const std::string& name : parsed->program_->free_names) {
    if (find_global(name) == nullptr) parsed->inputs_.push_back(name);
  }
  return parsed;
}

Result<TextPtr> Template::render(const Inputs& inputs, const Limits& limits,
                                 const std::optional<std::tm>& now) const {
  Interpreter interpreter(*program_, limits, now);
  auto text = interpreter.render(inputs);
  if (!text) return outward(std::move(text).error());
  return std::move(*text);
}

}  // namespace bantam::jinja
