#include "base/json.h"

#include <algorithm>
#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/value_stack.hpp>
#include <charconv>
#include <cmath>
#include <new>
#include <optional>
#include <stdexcept>
#include <unordered_set>

#include "base/json_events.h"
#include "base/unicode.h"

namespace bantam {
namespace {

namespace json = boost::json;
using Code = json::error_code;
using Text = json::string_view;

constexpr std::size_t kHighestDepth = 1000;  // Boost.JSON parses and destroys by recursion
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

// What the handlers below have in common: the library's own limits, and one on strings.
class HandlerLimits {
 public:
  explicit HandlerLimits(const JsonLimits& limits) : max_string_bytes_(limits.max_string_bytes) {}

  static constexpr std::size_t max_object_size = json::object::max_size();
  static constexpr std::size_t max_array_size = json::array::max_size();
  static constexpr std::size_t max_key_size = json::string::max_size();
  static constexpr std::size_t max_string_size = json::string::max_size();

 protected:
  // Asked before any part of a string is kept; `size` is that of all parts so far.
  bool fits(std::size_t size, Code& code) const {
    if (size <= max_string_bytes_) return true;
    code = make_error_code(json::error::string_too_large);
    return false;
  }

 private:
  std::size_t max_string_bytes_;
};

// The nearest double to these digits; nothing when it is out of range. `rough` is the library's.
std::optional<double> exact_double(std::string_view digits, double rough) {
  double exact = 0;
  const char* end = digits.data() + digits.size();
  const auto [stop, status] = std::from_chars(digits.data(), end, exact);
  if (status == std::errc::result_out_of_range) {
    // Both ends of the range are reported alike; the library's value tells them apart.
    if (!(std::abs(rough) < 1)) return std::nullopt;
    return std::copysign(0.0, rough);
  }
  CHECK(status == std::errc() && stop == end, "number {}", digits);
  if (!std::isfinite(exact)) return std::nullopt;
  return exact;
}

// Builds the value. Counts member names, so that the caller can tell whether an object has lost
// one to a duplicate.
class ValueHandler : public HandlerLimits {
 public:
  using HandlerLimits::HandlerLimits;

  bool on_document_begin(Code&) {
    stack.reset();
    return true;
  }
  bool on_document_end(Code&) { return true; }
  bool on_object_begin(Code&) { return true; }
  bool on_object_end(std::size_t n, Code&) {
    stack.push_object(n);
    return true;
  }
  bool on_array_begin(Code&) { return true; }
  bool on_array_end(std::size_t n, Code&) {
    stack.push_array(n);
    return true;
  }
  bool on_key_part(Text part, std::size_t size, Code& code) {
    if (!fits(size, code)) return false;
    stack.push_chars(part);
    return true;
  }
  bool on_key(Text part, std::size_t size, Code& code) {
    if (!fits(size, code)) return false;
    ++members;
    stack.push_key(part);
    return true;
  }
  bool on_string_part(Text part, std::size_t size, Code& code) {
    if (!fits(size, code)) return false;
    stack.push_chars(part);
    return true;
  }
  bool on_string(Text part, std::size_t size, Code& code) {
    if (!fits(size, code)) return false;
    stack.push_string(part);
    return true;
  }
  bool on_number_part(Text part, Code&) {
    digits_ += std::string_view(part);
    return true;
  }
  bool on_int64(std::int64_t value, Text, Code&) {
    digits_.clear();
    stack.push_int64(value);
    return true;
  }
  bool on_uint64(std::uint64_t value, Text, Code&) {
    digits_.clear();
    stack.push_uint64(value);
    return true;
  }
  bool on_double(double rough, Text part, Code& code) {
    digits_ += std::string_view(part);
    const auto exact = exact_double(digits_, rough);
    if (!exact) {
      code = make_error_code(json::error::exponent_overflow);
      return false;
    }
    digits_.clear();
    stack.push_double(*exact);
    return true;
  }
  bool on_bool(bool value, Code&) {
    stack.push_bool(value);
    return true;
  }
  bool on_null(Code&) {
    stack.push_null();
    return true;
  }
  bool on_comment_part(Text, Code&) { return true; }
  bool on_comment(Text, Code&) { return true; }

  json::value_stack stack;
  std::size_t members = 0;

 private:
  std::string digits_;
};

// Stops at the first member name that its object already has. Only run on documents that are
// known to hold one, because a set an object costs more than the parse.
class DuplicateHandler : public HandlerLimits {
 public:
  using HandlerLimits::HandlerLimits;

  bool on_document_begin(Code&) { return true; }
  bool on_document_end(Code&) { return true; }
  bool on_object_begin(Code&) {
    open_.emplace_back();
    return true;
  }
  bool on_object_end(std::size_t, Code&) {
    open_.pop_back();
    return true;
  }
  bool on_array_begin(Code&) { return true; }
  bool on_array_end(std::size_t, Code&) { return true; }
  bool on_key_part(Text part, std::size_t, Code&) {
    name += std::string_view(part);
    return true;
  }
  bool on_key(Text part, std::size_t, Code& code) {
    name += std::string_view(part);
    if (!open_.back().insert(name).second) {
      code = make_error_code(json::error::test_failure);
      return false;
    }
    name.clear();
    return true;
  }
  bool on_string_part(Text, std::size_t, Code&) { return true; }
  bool on_string(Text, std::size_t, Code&) { return true; }
  bool on_number_part(Text, Code&) { return true; }
  bool on_int64(std::int64_t, Text, Code&) { return true; }
  bool on_uint64(std::uint64_t, Text, Code&) { return true; }
  bool on_double(double, Text, Code&) { return true; }
  bool on_bool(bool, Code&) { return true; }
  bool on_null(Code&) { return true; }
  bool on_comment_part(Text, Code&) { return true; }
  bool on_comment(Text, Code&) { return true; }

  std::string name;

 private:
  std::vector<std::unordered_set<std::string>> open_;
};

// Hands everything on. Stops at the first error of the receiver, which it keeps.
class EventHandler : public HandlerLimits {
 public:
  EventHandler(const JsonLimits& limits, JsonEvents& receiver)
      : HandlerLimits(limits), receiver_(receiver) {}

  bool on_document_begin(Code&) { return true; }
  bool on_document_end(Code&) { return true; }
  bool on_object_begin(Code& code) { return pass(receiver_.begin_object(), code); }
  bool on_object_end(std::size_t, Code& code) { return pass(receiver_.end_object(), code); }
  bool on_array_begin(Code& code) { return pass(receiver_.begin_array(), code); }
  bool on_array_end(std::size_t, Code& code) { return pass(receiver_.end_array(), code); }
  bool on_key_part(Text part, std::size_t size, Code& code) {
    return fits(size, code) && collect(part);
  }
  bool on_key(Text part, std::size_t size, Code& code) {
    if (!fits(size, code)) return false;
    collect(part);
    return pass(receiver_.key(text_), code);
  }
  bool on_string_part(Text part, std::size_t size, Code& code) {
    return fits(size, code) && collect(part);
  }
  bool on_string(Text part, std::size_t size, Code& code) {
    if (!fits(size, code)) return false;
    collect(part);
    return pass(receiver_.string(text_), code);
  }
  bool on_number_part(Text part, Code&) { return collect(part); }
  bool on_int64(std::int64_t value, Text, Code& code) {
    return pass(receiver_.integer(value), code);
  }
  bool on_uint64(std::uint64_t value, Text, Code& code) {
    return pass(receiver_.natural(value), code);
  }
  bool on_double(double rough, Text part, Code& code) {
    collect(part);
    const auto exact = exact_double(text_, rough);
    if (exact) return pass(receiver_.real(*exact), code);
    code = make_error_code(json::error::exponent_overflow);
    return false;
  }
  bool on_bool(bool value, Code& code) { return pass(receiver_.boolean(value), code); }
  bool on_null(Code& code) { return pass(receiver_.null(), code); }
  bool on_comment_part(Text, Code&) { return true; }
  bool on_comment(Text, Code&) { return true; }

  std::optional<Error> error;

 private:
  bool collect(Text part) {
    text_ += std::string_view(part);
    return true;
  }
  bool pass(Result<void> result, Code& code) {
    text_.clear();
    if (result) return true;
    error = std::move(result).error();
    code = make_error_code(json::error::test_failure);
    return false;
  }

  JsonEvents& receiver_;
  std::string text_;
};

std::size_t count_members(const Json& root) {
  std::size_t members = 0;
  std::vector<const Json*> todo = {&root};
  while (!todo.empty()) {
    const Json& value = *todo.back();
    todo.pop_back();
    if (const auto* object = value.if_object()) {
      members += object->size();
      for (const auto& member : *object)
        if (member.value().is_structured()) todo.push_back(&member.value());
    } else if (const auto* array = value.if_array()) {
      for (const Json& item : *array)
        if (item.is_structured()) todo.push_back(&item);
    }
  }
  return members;
}

std::string place(std::string_view text, std::size_t offset) {
  const std::string_view before = text.substr(0, offset);
  const auto line = std::count(before.begin(), before.end(), '\n') + 1;
  const std::size_t newline = before.rfind('\n');
  const std::size_t column = newline == before.npos ? offset + 1 : offset - newline;
  return fmt::format("line {}, column {} (byte {})", line, column, offset);
}

template <typename... Args>
std::unexpected<Error> malformed(std::string_view text, std::size_t offset,
                                 fmt::format_string<Args...> format, Args&&... args) {
  auto error = fail(ErrorKind::kMalformed, "invalid_json", format, std::forward<Args>(args)...);
  error.error().where = place(text, offset);
  return error;
}

// The library's verdict in our words. `offset` is where it gave up.
std::unexpected<Error> explain(std::string_view text, std::size_t offset, const Code& code,
                               const JsonLimits& limits) {
  offset = std::min(offset, text.size());
  const std::string found =
      offset < text.size() ? quoted(text.substr(offset, 24), 12) : "the end of the text";
  if (code == json::error::too_deep) {
    auto error = fail(ErrorKind::kTooLarge, "json_depth",
                      "arrays and objects are nested more than {} deep", limits.max_depth);
    error.error().where = place(text, offset);
    return error;
  }
  if (code == json::error::incomplete)
    return malformed(text, text.size(), "the text ends before the JSON value does");
  if (code == json::error::extra_data)
    return malformed(text, offset, "expected the end after the JSON value, found {}", found);
  if (code == json::error::exponent_overflow)
    return malformed(text, offset, "the number is out of the range of a double");
  if (code == json::error::illegal_leading_surrogate ||
      code == json::error::illegal_trailing_surrogate || code == json::error::expected_utf16_escape)
    return malformed(text, offset, "a \\u escape is half of a surrogate pair without the other");
  if (code == json::error::expected_hex_digit)
    return malformed(text, offset, "expected four hexadecimal digits after \\u, found {}", found);
  if (code == json::error::string_too_large) {
    auto error = fail(ErrorKind::kTooLarge, "json_too_large", "a string of more than {} bytes",
                      limits.max_string_bytes);
    error.error().where = place(text, offset);
    return error;
  }
  if (code != json::error::syntax)
    return fail(ErrorKind::kTooLarge, "json_too_large", "the JSON text is refused: {}",
                code.message());
  const std::size_t invalid = first_invalid_utf8(text);
  if (invalid < text.size() && invalid <= offset + 4)
    return malformed(text, invalid, "expected UTF-8, found {}", quoted(text.substr(invalid, 4), 4));
  return malformed(text, offset, "expected JSON, found {}", found);
}

std::unexpected<Error> explain_duplicate(std::string_view text,
                                         const json::parse_options& options) {
  json::basic_parser<DuplicateHandler> parser(options, JsonLimits{});
  Code code;
  const std::size_t offset = parser.write_some(false, text.data(), text.size(), code);
  CHECK(code == json::error::test_failure);
  auto error = malformed(text, std::min(offset, text.size()), "the member name {} appears twice",
                         quoted(parser.handler().name));
  error.error().code = "duplicate_key";
  return error;
}

Result<Json> parse(std::string_view text, const JsonLimits& limits) {
  json::parse_options options;
  options.max_depth = std::min(limits.max_depth, kHighestDepth);
  json::basic_parser<ValueHandler> parser(options, limits);
  Code code;
  const std::size_t offset = parser.write_some(false, text.data(), text.size(), code);
  if (code) return explain(text, offset, code, limits);
  if (offset < text.size())
    return explain(text, offset, make_error_code(json::error::extra_data), limits);
  Json value = parser.handler().stack.release();
  if (count_members(value) != parser.handler().members) return explain_duplicate(text, options);
  return value;
}

Result<void> parse_events(std::string_view text, JsonEvents& receiver, const JsonLimits& limits) {
  json::parse_options options;
  options.max_depth = std::min(limits.max_depth, kHighestDepth);
  json::basic_parser<EventHandler> parser(options, limits, receiver);
  Code code;
  const std::size_t offset = parser.write_some(false, text.data(), text.size(), code);
  if (auto& error = parser.handler().error)
    return std::unexpected(std::move(*error).in(place(text, std::min(offset, text.size()))));
  if (code) return explain(text, offset, code, limits);
  if (offset < text.size())
    return explain(text, offset, make_error_code(json::error::extra_data), limits);
  return {};
}

// What can be said before the parser runs; and its exceptions as errors.
template <typename Parse>
auto guarded(std::string_view text, const JsonLimits& limits, Parse parse) -> decltype(parse()) {
  if (text.size() > limits.max_bytes)
    return fail(ErrorKind::kTooLarge, "json_too_large", "{} bytes of JSON, the limit is {}",
                text.size(), limits.max_bytes);
  if (text.starts_with(kByteOrderMark))
    return malformed(text, 0, "expected JSON, found a byte-order mark");
  if (text.find_first_not_of(" \t\r\n") == text.npos)
    return malformed(text, text.size(), "expected JSON, found nothing");
  try {
    return parse();
  } catch (const std::bad_alloc&) {
    return fail(ErrorKind::kTooLarge, "json_too_large", "no memory for {} bytes of JSON",
                text.size());
  } catch (const std::length_error&) {
    return fail(ErrorKind::kTooLarge, "json_too_large", "a JSON string or array is too long");
  }
}

}  // namespace

Result<Json> parse_json(std::string_view text, const JsonLimits& limits) {
  return guarded(text, limits, [&] { return parse(text, limits); });
}

Result<void> parse_json_events(std::string_view text, JsonEvents& receiver,
                               const JsonLimits& limits) {
  return guarded(text, limits, [&] { return parse_events(text, receiver, limits); });
}

std::string_view json_type_name(const Json& value) {
  switch (value.kind()) {
    case json::kind::null:
      return "null";
    case json::kind::bool_:
      return "boolean";
    case json::kind::int64:
      return "integer";
    case json::kind::uint64:
      return "integer";
    case json::kind::double_:
      return "number";
    case json::kind::string:
      return "string";
    case json::kind::array:
      return "array";
    case json::kind::object:
      return "object";
  }
  return "null";
}

}  // namespace bantam
