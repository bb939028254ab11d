// JSON as a stream of events, for documents whose shape is known and which are better not built:
// a receiver that keeps little costs little, whatever the document holds.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace bantam {

// Called in the order of the text. Views are valid during the call only. An error stops the
// parse and comes back from it with line, column and byte in front of its place. Member names may
// repeat: whether that matters is the receiver's to say.
class JsonEvents {
 public:
  virtual ~JsonEvents() = default;
  virtual Result<void> begin_object() = 0;
  virtual Result<void> end_object() = 0;
  virtual Result<void> begin_array() = 0;
  virtual Result<void> end_array() = 0;
  virtual Result<void> key(std::string_view name) = 0;
  virtual Result<void> string(std::string_view text) = 0;
  virtual Result<void> integer(std::int64_t value) = 0;
  virtual Result<void> natural(std::uint64_t value) = 0;  // only above the range of int64
  virtual Result<void> real(double value) = 0;
  virtual Result<void> boolean(bool value) = 0;
  virtual Result<void> null() = 0;
};

// One document, under the rules and with the errors of parse_json().
Result<void> parse_json_events(std::string_view text, JsonEvents& receiver,
                               const JsonLimits& limits = {});

}  // namespace bantam
