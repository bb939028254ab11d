// A model file in a few facts, for `bantam show`.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "formats/weight_file.h"

namespace bantam {

struct ModelSummary {
  std::string architecture, name;  // empty when the file does not say
  std::uint64_t parameters = 0;    // elements of all tensors
  std::uint64_t tensor_bytes = 0;
  std::map<std::string, std::uint64_t, std::less<>> bytes_by_type;  // "Q8_0" → bytes
  std::optional<std::uint64_t> context_length, vocabulary;
  // Of one token's keys and values in F16; absent for an architecture that bantam cannot run.
  std::optional<std::uint64_t> kv_bytes_per_token;
  std::map<std::string, std::uint64_t, std::less<>> kv_bytes_by_type;  // the same as "q4_h" → bytes
  std::string cannot_run;  // why not, in words; empty if it can

  double bits_per_weight() const;  // 0 without parameters
  // Name and value of each fact, for people.
  std::vector<std::pair<std::string, std::string>> facts() const;
  void add_to(JsonObject& document) const;
};

ModelSummary summarize(const WeightFile& file);

// A value on one line of at most some hundred characters: long strings are cut, arrays show their
// first elements and their size.
std::string short_text(const MetaValue& value);

// A value whole, but for arrays of more than 16 elements, which become {"type", "size", "first"}.
Json meta_json(const MetaValue& value);

}  // namespace bantam
