// JSON in and out. Boost.JSON holds the values and tokenizes; what we add is trust.
//
// Parsing refuses duplicate member names, invalid UTF-8, a byte-order mark, trailing bytes, and
// anything over the limits; every error names line, column and byte. Numbers are exact: integers
// stay int64 or uint64, everything else is the nearest double (Boost.JSON 1.81 alone is one ulp
// off for three in ten 17-digit numbers). A number past the range of a double is an error.
// Writing gives the shortest digits that read back the same and never emits invalid UTF-8.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/string.hpp>
#include <boost/json/value.hpp>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace bantam {

using Json = boost::json::value;
using JsonObject = boost::json::object;
using JsonArray = boost::json::array;

struct JsonLimits {
  std::size_t max_bytes = 64u << 20;
  std::size_t max_depth = 64;                // at most 1000
  std::size_t max_string_bytes = 64u << 20;  // of one string or member name
};

// One document. Errors: kMalformed "invalid_json", "duplicate_key", kTooLarge "json_too_large",
// "json_depth".
Result<Json> parse_json(std::string_view text, const JsonLimits& limits = {});

struct JsonStyle {
  int indent = -1;     // spaces a level; negative: one line
  bool ascii = false;  // escape everything above 0x7E
  bool sort_keys = false;
  std::string_view item_separator = ",";  // Python's default is ", "
  std::string_view key_separator = ":";   // Python's default is ": "
};

std::string write_json(const Json& value, const JsonStyle& style = {});

// Appends `text` as a JSON string, quotes included.
void append_json_string(std::string& out, std::string_view text, bool ascii = false);

// Shortest decimal form that reads back the same; "1.0", not "1", for integral values, as JSON
// written by Python does. NaN and infinities, which JSON lacks, become null.
void append_json_double(std::string& out, double value);

// Reads the members of one object by name, with errors that carry the JSON pointer, and knows
// which members nobody asked for. `path` is the pointer of the object itself ("" for the root).
// Keeps a reference to the object.
class JsonReader {
 public:
  // Fails (through each getter) when `value` is not an object.
  explicit JsonReader(const Json& value, std::string path = "");

  // The member, or null if it is absent. A member whose value is JSON null counts as absent.
  const Json* find(std::string_view name);

  // The member by type: absent gives `otherwise`; another type is an error "invalid_param" that
  // names the pointer, the type wanted and the type found. Numbers must lie in [low, high]; NaN
  // never does. An integer is accepted where a double is wanted, and 3.0 where an integer is.
  Result<std::int64_t> integer(std::string_view name, std::int64_t otherwise, std::int64_t low,
                               std::int64_t high);
  Result<double> number(std::string_view name, double otherwise, double low, double high);
  Result<bool> boolean(std::string_view name, bool otherwise);
  Result<std::string> string(std::string_view name, std::string_view otherwise);
  // Containers by reference into the document; null when absent. An object comes as the value
  // that a nested JsonReader takes, together with pointer(name).
  Result<const JsonArray*> array(std::string_view name);
  Result<const Json*> object(std::string_view name);

  // The same for members that must be there.
  Result<std::int64_t> required_integer(std::string_view name, std::int64_t low, std::int64_t high);
  Result<double> required_number(std::string_view name, double low, double high);
  Result<std::string> required_string(std::string_view name);

  // Members that no getter has asked for, in order.
  std::vector<std::string> unread() const;

  const std::string& path() const { return path_; }
  std::string pointer(std::string_view name) const;  // of a member

 private:
  Result<const Json*> member(std::string_view name);
  Result<const Json*> required(std::string_view name);
  Result<std::int64_t> to_integer(std::string_view name, const Json& value, std::int64_t low,
                                  std::int64_t high) const;
  Result<double> to_number(std::string_view name, const Json& value, double low, double high) const;

  const Json& value_;
  std::string path_;
  std::vector<std::string> asked_;
};

// "null", "boolean", "integer", "number", "string", "array" or "object".
std::string_view json_type_name(const Json& value);

}  // namespace bantam
