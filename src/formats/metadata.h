// Canonical metadata: what a weight file says about itself, in GGUF's key names and types whatever
// the file was. Keys keep the order of the file.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "base/result.h"

namespace bantam {

// The value types of GGUF, with its ids.
enum class MetaType : std::uint8_t {
  kU8 = 0,
  kI8 = 1,
  kU16 = 2,
  kI16 = 3,
  kU32 = 4,
  kI32 = 5,
  kF32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kU64 = 10,
  kI64 = 11,
  kF64 = 12,
};
std::string_view meta_type_name(MetaType type);  // "u32", "string", …

struct MetaArray {
  MetaType element = MetaType::kU32;    // never kArray
  std::vector<std::uint64_t> integers;  // every integer type and bool; signed ones two's complement
  std::vector<double> floats;           // kF32 (exactly representable) and kF64
  std::vector<std::string> strings;     // kString
  std::size_t size() const;
  bool operator==(const MetaArray&) const = default;
};

struct MetaValue {
  MetaType type = MetaType::kU32;
  // bool | every signed integer | every unsigned integer | float | string | array
  std::variant<bool, std::int64_t, std::uint64_t, double, std::string, MetaArray> value;
  bool operator==(const MetaValue&) const = default;
};

class Metadata {
 public:
  const MetaValue* find(std::string_view key) const;
  bool contains(std::string_view key) const { return find(key) != nullptr; }
  // Adds or replaces.
  void set(std::string_view key, MetaValue value);
  void set_string(std::string_view key, std::string value);
  void set_u32(std::string_view key, std::uint32_t value);
  void set_f32(std::string_view key, float value);
  void set_bool(std::string_view key, bool value);
  void set_strings(std::string_view key, std::vector<std::string> values);
  void set_i32s(std::string_view key, const std::vector<std::int32_t>& values);
  void set_f32s(std::string_view key, const std::vector<float>& values);
  void erase(std::string_view key);

  const std::vector<std::pair<std::string, MetaValue>>& entries() const { return entries_; }

  // By type, any integer width, range checked. Absent is kMalformed "missing_key"; another type is
  // kMalformed "wrong_type"; out of range is kMalformed "out_of_range". All name the key.
  Result<std::uint64_t> integer(std::string_view key, std::uint64_t low, std::uint64_t high) const;
  Result<double> number(std::string_view key, double low, double high) const;  // integers too
  Result<bool> boolean(std::string_view key) const;
  Result<std::string> string(std::string_view key) const;
  // Absent gives the default; wrong type or range is still an error.
  Result<std::uint64_t> integer_or(std::string_view key, std::uint64_t otherwise, std::uint64_t low,
                                   std::uint64_t high) const;
  Result<double> number_or(std::string_view key, double otherwise, double low, double high) const;
  Result<bool> boolean_or(std::string_view key, bool otherwise) const;
  Result<std::string> string_or(std::string_view key, std::string_view otherwise) const;
  // Arrays; null when absent, an error when the element type is another one.
  Result<const std::vector<std::string>*> strings(std::string_view key) const;
  Result<std::optional<std::vector<std::int64_t>>> integers(std::string_view key) const;
  Result<std::optional<std::vector<double>>> numbers(std::string_view key) const;

 private:
  std::vector<std::pair<std::string, MetaValue>> entries_;
  std::unordered_map<std::string, std::size_t> index_;
};

}  // namespace bantam
