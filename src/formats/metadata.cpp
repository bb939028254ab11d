#include "formats/metadata.h"

#include <array>
#include <utility>

namespace bantam {
namespace {

constexpr std::array<std::string_view, 13> kTypeNames = {
    "u8", "i8", "u16", "i16", "u32", "i32", "f32", "bool", "string", "array", "u64", "i64", "f64"};

template <typename... Args>
std::unexpected<Error> bad_key(std::string_view key, std::string_view code,
                               fmt::format_string<Args...> format, Args&&... args) {
  auto error = fail(ErrorKind::kMalformed, code, format, std::forward<Args>(args)...);
  error.error().where = fmt::format("key {}", quoted(key));
  return error;
}

std::unexpected<Error> missing(std::string_view key) {
  return bad_key(key, "missing_key", "required, and absent");
}

std::unexpected<Error> wrong_type(std::string_view key, std::string_view wanted,
                                  const MetaValue& found) {
  if (const auto* array = std::get_if<MetaArray>(&found.value))
    return bad_key(key, "wrong_type", "expected {}, found an array of {}", wanted,
                   meta_type_name(array->element));
  return bad_key(key, "wrong_type", "expected {}, found {}", wanted, meta_type_name(found.type));
}

bool is_signed(MetaType type) {
  return type == MetaType::kI8 || type == MetaType::kI16 || type == MetaType::kI32 ||
         type == MetaType::kI64;
}

bool is_integer(MetaType type) {
  return is_signed(type) || type == MetaType::kU8 || type == MetaType::kU16 ||
         type == MetaType::kU32 || type == MetaType::kU64;
}

bool is_float(MetaType type) { return type == MetaType::kF32 || type == MetaType::kF64; }

Result<std::uint64_t> to_integer(std::string_view key, const MetaValue& value, std::uint64_t low,
                                 std::uint64_t high) {
  if (const auto* natural = std::get_if<std::uint64_t>(&value.value)) {
    if (*natural >= low && *natural <= high) return *natural;
    return bad_key(key, "out_of_range", "expected an integer from {} to {}, found {}", low, high,
                   *natural);
  }
  if (const auto* integer = std::get_if<std::int64_t>(&value.value)) {
    const auto natural = static_cast<std::uint64_t>(*integer);
    if (*integer >= 0 && natural >= low && natural <= high) return natural;
    return bad_key(key, "out_of_range", "expected an integer from {} to {}, found {}", low, high,
                   *integer);
  }
  return wrong_type(key, "an integer", value);
}

Result<double> to_number(std::string_view key, const MetaValue& value, double low, double high) {
  double number = 0;
  if (const auto* real = std::get_if<double>(&value.value)) {
    number = *real;
  } else if (const auto* natural = std::get_if<std::uint64_t>(&value.value)) {
    number = static_cast<double>(*natural);
  } else if (const auto* integer = std::get_if<std::int64_t>(&value.value)) {
    number = static_cast<double>(*integer);
  } else {
    return wrong_type(key, "a number", value);
  }
  if (number >= low && number <= high) return number;  // never true for NaN
  return bad_key(key, "out_of_range", "expected a number from {} to {}, found {}", low, high,
                 number);
}

Result<bool> to_boolean(std::string_view key, const MetaValue& value) {
  if (const bool* boolean = std::get_if<bool>(&value.value)) return *boolean;
  return wrong_type(key, "a bool", value);
}

Result<std::string> to_string(std::string_view key, const MetaValue& value) {
  if (const auto* text = std::get_if<std::string>(&value.value)) return *text;
  return wrong_type(key, "a string", value);
}

}  // namespace

std::string_view meta_type_name(MetaType type) {
  return kTypeNames.at(static_cast<std::size_t>(type));
}

std::size_t MetaArray::size() const {
  if (element == MetaType::kString) return strings.size();
  return is_float(element) ? floats.size() : integers.size();
}

const MetaValue* Metadata::find(std::string_view key) const {
  const auto found = index_.find(std::string(key));
  return found == index_.end() ? nullptr : &entries_[found->second].second;
}

void Metadata::set(std::string_view key, MetaValue value) {
  const auto [place, is_new] = index_.try_emplace(std::string(key), entries_.size());
  if (is_new) {
    entries_.emplace_back(std::string(key), std::move(value));
  } else {
    entries_[place->second].second = std::move(value);
  }
}

void Metadata::set_string(std::string_view key, std::string value) {
  set(key, {MetaType::kString, std::move(value)});
}

void Metadata::set_u32(std::string_view key, std::uint32_t value) {
  set(key, {MetaType::kU32, std::uint64_t{value}});
}

void Metadata::set_f32(std::string_view key, float value) {
  set(key, {MetaType::kF32, double{value}});
}

void Metadata::set_bool(std::string_view key, bool value) { set(key, {MetaType::kBool, value}); }

void Metadata::set_strings(std::string_view key, std::vector<std::string> values) {
  MetaArray array{.element = MetaType::kString, .integers = {}, .floats = {}, .strings = {}};
  array.strings = std::move(values);
  set(key, {MetaType::kArray, std::move(array)});
}

void Metadata::set_i32s(std::string_view key, const std::vector<std::int32_t>& values) {
  MetaArray array{.element = MetaType::kI32, .integers = {}, .floats = {}, .strings = {}};
  array.integers.reserve(values.size());
  for (const std::int32_t value : values)
    array.integers.push_back(static_cast<std::uint64_t>(std::int64_t{value}));
  set(key, {MetaType::kArray, std::move(array)});
}

void Metadata::set_f32s(std::string_view key, const std::vector<float>& values) {
  MetaArray array{.element = MetaType::kF32, .integers = {}, .floats = {}, .strings = {}};
  array.floats.assign(values.begin(), values.end());
  set(key, {MetaType::kArray, std::move(array)});
}

void Metadata::erase(std::string_view key) {
  const auto found = index_.find(std::string(key));
  if (found == index_.end()) return;
  const std::size_t place = found->second;
  index_.erase(found);
  entries_.erase(entries_.begin() + static_cast<std::ptrdiff_t>(place));
  for (auto& [name, index] : index_)
    if (index > place) --index;
}

Result<std::uint64_t> Metadata::integer(std::string_view key, std::uint64_t low,
                                        std::uint64_t high) const {
  const MetaValue* value = find(key);
  if (value == nullptr) return missing(key);
  return to_integer(key, *value, low, high);
}

Result<double> Metadata::number(std::string_view key, double low, double high) const {
  const MetaValue* value = find(key);
  if (value == nullptr) return missing(key);
  return to_number(key, *value, low, high);
}

Result<bool> Metadata::boolean(std::string_view key) const {
  const MetaValue* value = find(key);
  if (value == nullptr) return missing(key);
  return to_boolean(key, *value);
}

Result<std::string> Metadata::string(std::string_view key) const {
  const MetaValue* value = find(key);
  if (value == nullptr) return missing(key);
  return to_string(key, *value);
}

Result<std::uint64_t> Metadata::integer_or(std::string_view key, std::uint64_t otherwise,
                                           std::uint64_t low, std::uint64_t high) const {
  const MetaValue* value = find(key);
  if (value == nullptr) return otherwise;
  return to_integer(key, *value, low, high);
}

Result<double> Metadata::number_or(std::string_view key, double otherwise, double low,
                                   double high) const {
  const MetaValue* value = find(key);
  if (value == nullptr) return otherwise;
  return to_number(key, *value, low, high);
}

Result<bool> Metadata::boolean_or(std::string_view key, bool otherwise) const {
  const MetaValue* value = find(key);
  if (value == nullptr) return otherwise;
  return to_boolean(key, *value);
}

Result<std::string> Metadata::string_or(std::string_view key, std::string_view otherwise) const {
  const MetaValue* value = find(key);
  if (value == nullptr) return std::string(otherwise);
  return to_string(key, *value);
}

Result<const std::vector<std::string>*> Metadata::strings(std::string_view key) const {
  const MetaValue* value = find(key);
  if (value == nullptr) return nullptr;
  const auto* array = std::get_if<MetaArray>(&value->value);
  if (array == nullptr || array->element != MetaType::kString)
    return wrong_type(key, "an array of strings", *value);
  return &array->strings;
}

Result<std::optional<std::vector<std::int64_t>>> Metadata::integers(std::string_view key) const {
  const MetaValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  const auto* array = std::get_if<MetaArray>(&value->value);
  if (array == nullptr || !is_integer(array->element))
    return wrong_type(key, "an array of integers", *value);
  std::vector<std::int64_t> out;
  out.reserve(array->integers.size());
  for (const std::uint64_t raw : array->integers) {
    const auto integer = static_cast<std::int64_t>(raw);
    if (integer < 0 && !is_signed(array->element))
      return bad_key(key, "out_of_range", "element {} is {}, which no int64 holds", out.size(),
                     raw);
    out.push_back(integer);
  }
  return out;
}

Result<std::optional<std::vector<double>>> Metadata::numbers(std::string_view key) const {
  const MetaValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  const auto* array = std::get_if<MetaArray>(&value->value);
  if (array == nullptr || !is_float(array->element))
    return wrong_type(key, "an array of f32 or f64", *value);
  return array->floats;
}

}  // namespace bantam
