#include <algorithm>
#include <cmath>
#include <optional>

#include "base/json.h"

namespace bantam {
namespace {

constexpr double kTwo63 = 9223372036854775808.0;

std::unexpected<Error> bad_member(std::string pointer, std::string message) {
  return std::unexpected(Error{.kind = ErrorKind::kMalformed,
                               .code = "invalid_param",
                               .message = std::move(message),
                               .where = std::move(pointer),
                               .hint = {}});
}

std::unexpected<Error> wrong_type(std::string pointer, std::string_view wanted, const Json& found) {
  return bad_member(std::move(pointer),
                    fmt::format("expected {}, found {}", wanted, json_type_name(found)));
}

// The value as an int64, where that loses nothing.
std::optional<std::int64_t> exact_integer(const Json& value) {
  if (const auto* integer = value.if_int64()) return *integer;
  if (const auto* real = value.if_double())
    if (std::trunc(*real) == *real && *real >= -kTwo63 && *real < kTwo63)
      return static_cast<std::int64_t>(*real);
  return std::nullopt;
}

}  // namespace

JsonReader::JsonReader(const Json& value, std::string path)
    : value_(value), path_(std::move(path)) {}

std::string JsonReader::pointer(std::string_view name) const {
  std::string out = path_ + "/";
  for (const char c : name) {
    if (c == '~') {
      out += "~0";
    } else if (c == '/') {
      out += "~1";
    } else {
      out += c;
    }
  }
  return out;
}

const Json* JsonReader::find(std::string_view name) {
  if (std::ranges::find(asked_, name) == asked_.end()) asked_.emplace_back(name);
  const auto* object = value_.if_object();
  if (object == nullptr) return nullptr;
  const Json* member = object->if_contains(name);
  return member == nullptr || member->is_null() ? nullptr : member;
}

Result<const Json*> JsonReader::member(std::string_view name) {
  if (!value_.is_object()) return wrong_type(path_.empty() ? "/" : path_, "object", value_);
  return find(name);
}

Result<const Json*> JsonReader::required(std::string_view name) {
  const Json* found = TRY(member(name));
  if (found == nullptr) return bad_member(pointer(name), "required, and absent");
  return found;
}

Result<std::int64_t> JsonReader::to_integer(std::string_view name, const Json& value,
                                            std::int64_t low, std::int64_t high) const {
  if (value.is_uint64() || (value.is_number() && exact_integer(value))) {
    const auto integer = exact_integer(value);
    if (integer && *integer >= low && *integer <= high) return *integer;
    return bad_member(pointer(name), fmt::format("expected an integer from {} to {}, found {}", low,
                                                 high, write_json(value)));
  }
  if (value.is_double())
    return bad_member(pointer(name),
                      fmt::format("expected an integer, found {}", write_json(value)));
  return wrong_type(pointer(name), "integer", value);
}

Result<double> JsonReader::to_number(std::string_view name, const Json& value, double low,
                                     double high) const {
  if (!value.is_number()) return wrong_type(pointer(name), "number", value);
  const double real = value.is_double()   ? value.get_double()
                      : value.is_uint64() ? static_cast<double>(value.get_uint64())
                                          : static_cast<double>(value.get_int64());
  if (real >= low && real <= high) return real;
  return bad_member(pointer(name), fmt::format("expected a number from {} to {}, found {}", low,
                                               high, write_json(value)));
}

Result<std::int64_t> JsonReader::integer(std::string_view name, std::int64_t otherwise,
                                         std::int64_t low, std::int64_t high) {
  const Json* found = TRY(member(name));
  return found == nullptr ? otherwise : to_integer(name, *found, low, high);
}

Result<double> JsonReader::number(std::string_view name, double otherwise, double low,
                                  double high) {
  const Json* found = TRY(member(name));
  return found == nullptr ? otherwise : to_number(name, *found, low, high);
}

Result<bool> JsonReader::boolean(std::string_view name, bool otherwise) {
  const Json* found = TRY(member(name));
  if (found == nullptr) return otherwise;
  if (!found->is_bool()) return wrong_type(pointer(name), "boolean", *found);
  return found->get_bool();
}

Result<std::string> JsonReader::string(std::string_view name, std::string_view otherwise) {
  const Json* found = TRY(member(name));
  if (found == nullptr) return std::string(otherwise);
  if (!found->is_string()) return wrong_type(pointer(name), "string", *found);
  return std::string(found->get_string());
}

Result<const JsonArray*> JsonReader::array(std::string_view name) {
  const Json* found = TRY(member(name));
  if (found == nullptr) return nullptr;
  if (!found->is_array()) return wrong_type(pointer(name), "array", *found);
  return &found->get_array();
}

Result<const Json*> JsonReader::object(std::string_view name) {
  const Json* found = TRY(member(name));
  if (found != nullptr && !found->is_object()) return wrong_type(pointer(name), "object", *found);
  return found;
}

Result<std::int64_t> JsonReader::required_integer(std::string_view name, std::int64_t low,
                                                  std::int64_t high) {
  return to_integer(name, *TRY(required(name)), low, high);
}

Result<double> JsonReader::required_number(std::string_view name, double low, double high) {
  return to_number(name, *TRY(required(name)), low, high);
}

Result<std::string> JsonReader::required_string(std::string_view name) {
  const Json* found = TRY(required(name));
  if (!found->is_string()) return wrong_type(pointer(name), "string", *found);
  return std::string(found->get_string());
}

std::vector<std::string> JsonReader::unread() const {
  std::vector<std::string> names;
  const auto* object = value_.if_object();
  if (object == nullptr) return names;
  for (const auto& member : *object)
    if (std::ranges::find(asked_, std::string_view(member.key())) == asked_.end())
      names.emplace_back(std::string_view(member.key()));
  return names;
}

}  // namespace bantam
